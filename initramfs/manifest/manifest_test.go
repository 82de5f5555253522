package manifest

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/orbit-pxe/orbit/initramfs/archive"
	"github.com/orbit-pxe/orbit/initramfs/cpio"
)

// pack writes an initramfs of the entries.
func pack(t *testing.T, path string, entries ...cpio.Entry) {
	t.Helper()
	var raw bytes.Buffer
	w := cpio.NewWriter(&raw)
	for _, e := range entries {
		if err := w.Write(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	packed, err := archive.Compress(t.Context(), raw.Bytes())
	if err != nil {
		t.Skip(err)
	}
	if err := os.WriteFile(path, packed, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestDescribe(t *testing.T) {
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	pack(t, dir+"/initramfs", cpio.Dir("bbin", 0o755), cpio.File("bbin/bb", 0o755, self), cpio.Link("bbin/ls", "bb"), cpio.Link("bbin/orbit", "bb"), cpio.Link("init", "bbin/bb"))
	if err := os.WriteFile(dir+"/vmlinuz", []byte("abc"), 0o644); err != nil {
		t.Fatal(err)
	}
	var m Manifest
	if err := m.Describe(dir, "initramfs", []string{"vmlinuz"}); err != nil {
		t.Fatal(err)
	}
	if m.Go != runtime.Version() || m.Unpacked < int64(len(self)) {
		t.Errorf("Go %q, unpacked %d", m.Go, m.Unpacked)
	}
	if diff := cmp.Diff([]string{"ls", "orbit"}, m.Commands); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
	abc := File{"vmlinuz", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}
	if diff := cmp.Diff([]File{abc}, m.Files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	b, err := m.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var back Manifest
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m, back); diff != "" {
		t.Errorf("read back from JSON (-want +got):\n%s", diff)
	}
}

func TestDescribeRefuses(t *testing.T) {
	dir := t.TempDir()
	pack(t, dir+"/nothing", cpio.Dir("bbin", 0o755))
	pack(t, dir+"/script", cpio.File("bbin/bb", 0o755, []byte("#!/bin/sh\n")))
	whole, err := os.ReadFile(dir + "/script")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/short", whole[:len(whole)-5], 0o644); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"nothing": "no bbin/bb", "script": "build information", "short": "unpack", "missing": "no such file",
	} {
		var m Manifest
		if err := m.Describe(dir, name, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error about %q", name, err, want)
		}
	}
}

// The real sha256sum checks what we wrote.
func TestSums(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	sums, err := Sums(dir, []string{"a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sha256sum", "--check", "--strict", "-")
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(sums)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("sha256sum: %v\n%s", err, out)
	}
	if _, err := Sums(dir, []string{"c"}); err == nil {
		t.Error("a missing file has a sum")
	}
}

func TestKernelRelease(t *testing.T) {
	kernel := make([]byte, 0x1000)
	copy(kernel[0x202:], "HdrS")
	kernel[0x20e], kernel[0x20f] = 0x00, 0x06 // 0x600, in the file at 0x800
	copy(kernel[0x800:], "6.12.117-orbit (root@build) #1 SMP\x00")
	edit := func(at int, b ...byte) []byte { k := bytes.Clone(kernel); copy(k[at:], b); return k }
	tests := []struct {
		name       string
		kernel     []byte
		want, fail string
	}{
		{"release", kernel, "6.12.117-orbit", ""},
		{"no header", edit(0x202, 'x'), "", "no Linux kernel"},
		{"short", kernel[:0x20f], "", "no Linux kernel"},
		{"no pointer", edit(0x20e, 0, 0), "", "does not tell"},
		{"pointer beyond the end", edit(0x20e, 0xff, 0xff), "", "does not tell"},
		{"text without end", edit(0x800, bytes.Repeat([]byte("6"), 300)...), "", "can't be read"},
		{"no text", edit(0x800, 0), "", "can't be read"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := KernelRelease(tt.kernel)
			if got != tt.want || (err != nil) != (tt.fail != "") || err != nil && !strings.Contains(err.Error(), tt.fail) {
				t.Errorf("got %q, %v; want %q, %q", got, err, tt.want, tt.fail)
			}
		})
	}
}

func FuzzKernelRelease(f *testing.F) {
	kernel := make([]byte, 0x900)
	copy(kernel[0x202:], "HdrS")
	kernel[0x20f] = 6
	copy(kernel[0x800:], "6.12 x\x00")
	f.Add(kernel)
	f.Fuzz(func(t *testing.T, kernel []byte) {
		if release, err := KernelRelease(kernel); err == nil && (release == "" || strings.ContainsAny(release, " \x00")) {
			t.Errorf("release %q", release)
		}
	})
}
