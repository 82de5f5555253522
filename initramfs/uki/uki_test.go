package uki

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"os"
	"os/exec"
	"strings"
	"testing"
)

const stubPath = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub"

func readStub(t testing.TB) []byte {
	t.Helper()
	stub, err := os.ReadFile(stubPath)
	if err != nil {
		t.Skip("no EFI stub here (Debian package systemd-boot-efi): ", err)
	}
	return stub
}

var parts = []Section{
	{OSRel, []byte("ID=orbit\n")},
	{Uname, []byte("6.12.0")},
	{Cmdline, []byte("console=ttyS0")},
	{Linux, bytes.Repeat([]byte("kernel"), 1001)},
	{Initrd, bytes.Repeat([]byte{0xff, 1}, 5000)},
}

// A loader follows the headers only: every section must lie where they say,
// in the file and in memory, overlapping no other.
func TestBuild(t *testing.T) {
	stub := readStub(t)
	image, err := Build(stub, parts...)
	if err != nil {
		t.Fatal(err)
	}
	before, err := pe.NewFile(bytes.NewReader(stub))
	if err != nil {
		t.Fatal(err)
	}
	after, err := pe.NewFile(bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(after.Sections), len(before.Sections)+len(parts); got != want {
		t.Fatalf("%d sections, want %d", got, want)
	}
	opt := after.OptionalHeader.(*pe.OptionalHeader64)
	var memory, file uint32
	for i, s := range after.Sections {
		data, err := s.Data()
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		if s.VirtualAddress < memory || s.VirtualAddress+s.VirtualSize > opt.SizeOfImage {
			t.Errorf("%s at %#x overlaps in memory", s.Name, s.VirtualAddress)
		}
		if s.Offset < file || s.Offset%opt.FileAlignment != 0 || s.Size%opt.FileAlignment != 0 {
			t.Errorf("%s at %#x overlaps in the file or is not aligned", s.Name, s.Offset)
		}
		memory, file = s.VirtualAddress+s.VirtualSize, s.Offset+s.Size
		if i < len(before.Sections) {
			old, _ := before.Sections[i].Data()
			if s.SectionHeader.Name != before.Sections[i].Name || !bytes.Equal(data, old) {
				t.Errorf("%s of the stub has changed", s.Name)
			}
			continue
		}
		part := parts[i-len(before.Sections)]
		if s.Name != part.Name || !bytes.Equal(data[:s.VirtualSize], part.Data) {
			t.Errorf("section %d is %s of %d bytes, want %s of %d", i, s.Name, s.VirtualSize, part.Name, len(part.Data))
		}
	}
	if opt.CheckSum == 0 || opt.SizeOfImage%opt.SectionAlignment != 0 {
		t.Errorf("checksum %#x, size of image %#x", opt.CheckSum, opt.SizeOfImage)
	}
}

// The stub's own checksum, computed by the linker, tells whether ours is right.
func TestChecksum(t *testing.T) {
	stub := readStub(t)
	field := binary.LittleEndian.Uint32(stub[0x3c:]) + 4 + coffSize + optCheckSum
	want := binary.LittleEndian.Uint32(stub[field:])
	if want == 0 {
		t.Skip("this stub has no checksum")
	}
	if got := checksum(stub, field); got != want {
		t.Errorf("checksum %#x, the linker's is %#x", got, want)
	}
}

func TestObjdump(t *testing.T) {
	path, err := exec.LookPath("objdump")
	if err != nil {
		t.Skip("no objdump here")
	}
	image, err := Build(readStub(t), parts...)
	if err != nil {
		t.Fatal(err)
	}
	name := t.TempDir() + "/image.efi"
	if err := os.WriteFile(name, image, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(path, "-s", "-j", Cmdline, name).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "console=ttyS0") {
		t.Errorf("objdump: %v\n%s", err, out)
	}
}

func TestRefused(t *testing.T) {
	stub := readStub(t)
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	many := make([]Section, 100)
	for i := range many {
		many[i] = Section{".x", []byte("x")}
	}
	tests := []struct {
		name     string
		stub     []byte
		sections []Section
		want     string
	}{
		{"empty file", nil, parts, "read the EFI stub"},
		{"an ELF program", self, parts, "read the EFI stub"},
		{"cut short", stub[:len(stub)/2], parts, "read the EFI stub"},
		{"no room in the header", stub, many, "room for"},
		{"long name", stub, []Section{{".toolongname", []byte("x")}}, "can't be"},
		{"no data", stub, []Section{{".x", nil}}, "can't be"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Build(tt.stub, tt.sections...)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error about %q", err, tt.want)
			}
		})
	}
}

func FuzzBuild(f *testing.F) {
	stub := readStub(f)
	f.Add(stub[:2048])
	f.Add(stub)
	f.Fuzz(func(t *testing.T, stub []byte) {
		image, err := Build(stub, parts...)
		if err != nil {
			return
		}
		if _, err := pe.NewFile(bytes.NewReader(image)); err != nil {
			t.Errorf("accepted the stub, but the image is broken: %v", err)
		}
	})
}
