package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/initramfs/cpio"
	"github.com/orbit-pxe/orbit/initramfs/manifest"
)

// Sizes in bytes above which the artifacts have grown too big: a node fetches
// them over TFTP at worst, and needs memory for what is unpacked.
const (
	maxUnpacked  = 14_000_000
	maxInitramfs = 4_200_000
	maxKernel    = 6_500_000
	maxTogether  = 10_000_000
)

// artifactsDir is where `make artifacts` has put them.
func artifactsDir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("ORBIT_OUT")
	if dir == "" {
		dir = "../out"
	}
	if _, err := os.Stat(filepath.Join(dir, "manifest.json")); err != nil {
		t.Skip("no artifacts (make artifacts; ORBIT_OUT names another directory): ", err)
	}
	return dir
}

func TestBudget(t *testing.T) {
	dir := artifactsDir(t)
	raw, err := manifest.Unpack(filepath.Join(dir, "initramfs"))
	if err != nil {
		t.Fatal(err)
	}
	size := func(name string) int64 {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	kernel, initramfs := size("vmlinuz"), size("initramfs")
	for _, tt := range []struct {
		name string
		size int64
		max  int64
	}{
		{"the initramfs, unpacked", int64(len(raw)), maxUnpacked},
		{"the initramfs", initramfs, maxInitramfs},
		{"the kernel", kernel, maxKernel},
		{"kernel and initramfs together", kernel + initramfs, maxTogether},
	} {
		t.Logf("%-30s %9d of %9d bytes", tt.name, tt.size, tt.max)
		if tt.size > tt.max {
			t.Errorf("%s: %d bytes, more than the %d that are allowed (go run ./initramfs sizes tells what costs how much)", tt.name, tt.size, tt.max)
		}
	}
}

// Every link in the archive leads somewhere, everything belongs to root at
// time 0, and the binary is a static one that knows its modules and has the
// defaults of the Go version in go.mod.
func TestContent(t *testing.T) {
	raw, err := manifest.Unpack(filepath.Join(artifactsDir(t), "initramfs"))
	if err != nil {
		t.Fatal(err)
	}
	entries := map[string]cpio.Entry{}
	for r := cpio.NewReader(bytes.NewReader(raw)); ; {
		e, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		entries[e.Name] = e
	}
	for name, e := range entries {
		if e.Mode&cpio.TypeMask != cpio.Symlink || strings.Contains(string(e.Data), "proc/") {
			continue
		}
		if _, ok := entries[filepath.Join(filepath.Dir(name), string(e.Data))]; !ok {
			t.Errorf("%s leads to %s, which is not there", name, e.Data)
		}
	}
	for _, name := range []string{"init", "bbin/orbit", "bbin/imagenode", "bbin/savenode", "bbin/inventory", "bbin/sh", "dev/console"} {
		if _, ok := entries[name]; !ok {
			t.Errorf("%s is missing", name)
		}
	}
	if _, ok := entries["etc/resolv.conf"]; ok {
		t.Error("etc/resolv.conf names name servers before any network is up")
	}
	info, err := buildinfo.Read(bytes.NewReader(entries["bbin/bb"].Data))
	if err != nil {
		t.Fatal(err)
	}
	if len(info.Deps) == 0 {
		t.Error("the binary doesn't tell its modules")
	}
	for _, s := range info.Settings {
		if s.Key == "DefaultGODEBUG" {
			t.Errorf("the binary runs with old defaults: %s", s.Value)
		}
	}
	if here, err := filepath.Abs(".."); err == nil && bytes.Contains(entries["bbin/bb"].Data, []byte(here)) {
		t.Errorf("the binary contains the name of the directory it was built in, %s", here)
	}
}

func TestManifest(t *testing.T) {
	dir := artifactsDir(t)
	b, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m manifest.Manifest
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	kernel, err := os.ReadFile(filepath.Join(dir, "vmlinuz"))
	if err != nil {
		t.Fatal(err)
	}
	if release, err := manifest.KernelRelease(kernel); err != nil || release != m.Kernel {
		t.Errorf("the manifest says Linux %s; the kernel %s, %v", m.Kernel, release, err)
	}
	names := []string{}
	for _, f := range m.Files {
		names = append(names, f.Name)
	}
	want, err := manifest.Sums(dir, append(names, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS")); err != nil || !bytes.Equal(got, want) {
		t.Errorf("SHA256SUMS does not match the files (%v)", err)
	}
}
