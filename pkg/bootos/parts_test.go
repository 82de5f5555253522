package bootos

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// TestProbe compares with what mkfs was told.
func TestProbe(t *testing.T) {
	for _, want := range []superblock{
		{Type: "ext4", UUID: rootUUID, Label: "a label"},
		{Type: "xfs", UUID: rootUUID, Label: "xlabel"},
		{Type: "btrfs", UUID: rootUUID, Label: "a longer label"},
		{Type: "vfat", UUID: "7C4E-5D2A", Label: "UEFI"},
	} {
		t.Run(want.Type, func(t *testing.T) {
			if _, err := exec.LookPath("mkfs." + want.Type); err != nil {
				t.Skip("no mkfs:", err)
			}
			f, err := os.Open(image(t, want.Type, want.UUID, want.Label))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			got, err := probe(f)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("superblock (-want +got):\n%s", diff)
			}
		})
	}
}

func TestProbeOthers(t *testing.T) {
	for magic, want := range map[string]string{
		"LUKS\xba\xbe": "crypto_LUKS", strings.Repeat("\x00", 0x218) + "LVM2 001": "LVM2_member",
		strings.Repeat("\x00", 4086) + "SWAPSPACE2": "swap", "": "", "\xeb<\x90" + strings.Repeat("\x00", 507) + "\x55\xaa": "",
	} {
		got, err := probe(strings.NewReader(magic))
		if err != nil || got.Type != want || (want != "") != (got.Why != "") {
			t.Errorf("probe = %+v, %v, want type %q", got, err, want)
		}
	}
}

func FuzzProbe(f *testing.F) {
	f.Add([]byte("XFSB"))
	f.Add([]byte(strings.Repeat("\x00", 0x438) + "\x53\xef"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := probe(bytes.NewReader(b)); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzKernel(f *testing.F) {
	f.Add([]byte(bzImage("6.1")))
	f.Fuzz(func(t *testing.T, b []byte) {
		if k, err := readKernel(bytes.NewReader(b)); err == nil && len(k.Release) > 256 {
			t.Fatalf("release of %d bytes", len(k.Release))
		}
	})
}

func TestKernel(t *testing.T) {
	old := []byte(bzImage("2.6.32"))
	old[0x206], old[0x207] = 0x0A, 0x02
	small := []byte(bzImage("i386"))
	small[0x236] = 0
	for _, tc := range []struct {
		name, file, want string
	}{
		{"short", "HdrS", "too short"},
		{"old", string(old), "2.10 is older"},
		{"32 bit", string(small), "not a 64-bit"},
		{"zeros", strings.Repeat("\x00", 1024), "no HdrS"},
		{"gzip", "\x1f\x8b" + strings.Repeat("\x00", 1024), "gzip"},
	} {
		if _, err := readKernel(strings.NewReader(tc.file)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want one with %q", tc.name, err, tc.want)
		}
	}
	k, err := readKernel(strings.NewReader(bzImage("6.1.0-28-amd64 (debian)")))
	if diff := cmp.Diff(kernel{Release: "6.1.0-28-amd64 (debian)", MaxCmdline: 2047}, k); diff != "" || err != nil {
		t.Errorf("kernel (-want +got, %v):\n%s", err, diff)
	}
}

func TestCmdline(t *testing.T) {
	for _, tc := range []struct {
		name, cmdline string
		edit          edit
		want          string
	}{
		{"untouched", "root=/dev/sda1 ro", edit{}, "root=/dev/sda1 ro"},
		{"old root number", "BOOT_IMAGE=/vmlinuz root=0x0301 ro", edit{}, "root=0x0301 ro"},
		{"old root number for an initrd", "root=0x0301 ro", edit{Initrd: true}, "root=/dev/block/3:1 ro"},
		{"large minor", "ro", edit{Initrd: true, Append: "root=0x10310302"}, "ro root=/dev/block/259:66306"},
		{"no number", "root=0xyz ro", edit{Initrd: true}, "root=0xyz ro"},
		{"root by name", "root=/dev/sda1 ro", edit{Initrd: true}, "root=/dev/sda1 ro"},
		{"console added", "ro quiet", edit{Consoles: []string{"tty0", "ttyS0,115200"}}, "ro quiet console=tty0 console=ttyS0,115200"},
		{"console replaced", "console=ttyS0,9600n8 ro", edit{Consoles: []string{"ttyS0,115200"}}, "ro console=ttyS0,115200"},
		{"other console stays", "console=ttyS1 ro console=tty0", edit{Consoles: []string{"tty0"}}, "console=ttyS1 ro console=tty0"},
		{"console kept", "console=ttyS1 ro", edit{Consoles: []string{"ttyS0"}, KeepConsole: true}, "console=ttyS1 ro"},
		{"appended", "ro", edit{Append: " a  b=\"c d\" "}, `ro a b="c d"`},
		{"arguments of init", "ro -- emergency", edit{Consoles: []string{"ttyS0"}, Append: "x"}, "ro console=ttyS0 x -- emergency"},
		{"quotes", `dyndbg="file a +p; func b +p" ro`, edit{}, `dyndbg="file a +p; func b +p" ro`},
		{"nothing", "", edit{}, ""},
	} {
		got, err := tc.edit.apply(tc.cmdline, 0)
		if err != nil || got != tc.want {
			t.Errorf("%s: %q, %v, want %q", tc.name, got, err, tc.want)
		}
	}
	for _, max := range []int{0, 255} {
		limit := max
		if limit == 0 {
			limit = 2047
		}
		if _, err := (edit{}).apply(strings.Repeat("x", limit), max); err != nil {
			t.Errorf("%d bytes: %v", limit, err)
		}
		if _, err := (edit{}).apply(strings.Repeat("x", limit+1), max); err == nil {
			t.Errorf("%d bytes fit in %d", limit+1, limit)
		}
	}
}

// TestJoin checks what the kernel asks of an initrd file: regular, and open
// for writing nowhere.
func TestJoin(t *testing.T) {
	var files []*os.File
	for _, content := range []string{"a", "bcde", "", "fghijk"} {
		p := filepath.Join(t.TempDir(), "i")
		if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(p)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files = append(files, f)
	}
	r, err := join(files)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if want := "a\x00\x00\x00bcdefghijk\x00\x00"; err != nil || string(b) != want {
		t.Errorf("joined %q, %v, want %q", b, err, want)
	}
	if st, err := r.Stat(); err != nil || !st.Mode().IsRegular() {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	if flags, err := unix.FcntlInt(r.Fd(), unix.F_GETFL, 0); err != nil || flags&unix.O_ACCMODE != unix.O_RDONLY {
		t.Errorf("flags %#x, %v: not read-only", flags, err)
	}
	if one, err := join(files[:1]); err != nil || one != files[0] {
		t.Errorf("one initrd was copied (%v)", err)
	}
	if none, err := join(nil); err != nil || none != nil {
		t.Errorf("no initrd gave %v, %v", none, err)
	}
}

func TestGrubPartition(t *testing.T) {
	for name, want := range map[string]int{"hd0": 0, "hd0,2": 2, "hd0,gpt15": 15, "hd0,msdos1": 1, "hd1,gpt1": -1, "hd0,": -1, "hd0,gpt0": -1, "": -1, "cd0": -1, "hd0,gptx": -1} {
		n, ok := grubPartition(name)
		if !ok {
			n = -1
		}
		if n != want {
			t.Errorf("grubPartition(%q) = %d, want %d", name, n, want)
		}
	}
}
