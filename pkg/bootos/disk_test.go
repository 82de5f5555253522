package bootos

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// needs skips a test that cannot run here: no root, no loop devices, no mkfs,
// or a kernel without the filesystem.
func needs(t *testing.T, fstypes ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		t.Skip("no loop devices:", err)
	}
	known, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		t.Skip(err)
	}
	for _, f := range fstypes {
		if _, err := exec.LookPath("mkfs." + f); err != nil {
			t.Skip("no mkfs:", err)
		}
		if !strings.Contains(string(known), "\t"+f+"\n") {
			t.Skip("the running kernel has no " + f)
		}
	}
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// image makes a filesystem of one type in a file of its own.
func image(t *testing.T, fstype, uuid, label string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), fstype+".img")
	size := map[string]int64{"ext4": 32, "vfat": 36, "xfs": 320, "btrfs": 128}[fstype] << 20
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, size); err != nil {
		t.Fatal(err)
	}
	switch fstype {
	case "ext4":
		run(t, "mkfs.ext4", "-q", "-U", uuid, "-L", label, file)
	case "xfs":
		run(t, "mkfs.xfs", "-q", "-m", "uuid="+uuid, "-L", label, file)
	case "btrfs":
		run(t, "mkfs.btrfs", "-q", "-U", uuid, "-L", label, file)
	case "vfat":
		run(t, "mkfs.vfat", "-i", strings.ReplaceAll(uuid, "-", ""), "-n", label, file)
	}
	return file
}

// loop attaches a file as a block device, with its partitions.
func loop(t *testing.T, file string) string {
	t.Helper()
	out, err := exec.Command("losetup", "-P", "-f", "--show", file).CombinedOutput()
	if err != nil {
		t.Skipf("no loop device to be had: %v %s", err, out)
	}
	dev := strings.TrimSpace(string(out))
	// Kernels without a partition reader take the partitions from partx.
	exec.Command("partx", "-a", dev).Run()
	t.Cleanup(func() {
		exec.Command("partx", "-d", dev).Run()
		exec.Command("losetup", "-d", dev).Run()
	})
	return dev
}

// mounted mounts dev read-write while fill runs.
func mounted(t *testing.T, dev, fstype, options string, fill func(dir string)) {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount(dev, dir, fstype, 0, options); err != nil {
		t.Skipf("mount %s: %v", fstype, err)
	}
	defer func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	}()
	fill(dir)
}

// write makes files below dir.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func digest(t *testing.T, file string) [32]byte {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return [32]byte(h.Sum(nil))
}

// bzImage is a setup header that says what a kernel's says, and no kernel.
func bzImage(release string) string {
	b := make([]byte, 4096)
	binary.LittleEndian.PutUint16(b[0x1FE:], 0xAA55)
	copy(b[0x202:], "HdrS")
	binary.LittleEndian.PutUint16(b[0x206:], 0x020F)
	binary.LittleEndian.PutUint16(b[0x20E:], 0x400)
	b[0x211] = 1
	binary.LittleEndian.PutUint16(b[0x236:], 0x3F)
	binary.LittleEndian.PutUint32(b[0x238:], 2047)
	copy(b[0x600:], release)
	return string(b)
}

// disk joins filesystem images into a partitioned disk.
func disk(t *testing.T, parts ...string) string {
	t.Helper()
	if _, err := exec.LookPath("sfdisk"); err != nil {
		t.Skip("no sfdisk:", err)
	}
	file := filepath.Join(t.TempDir(), "disk.img")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	table, at := "label: gpt\n", int64(1<<20)
	for _, p := range parts {
		src, err := os.Open(p)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.NewOffsetWriter(f, at), src)
		src.Close()
		if err != nil {
			t.Fatal(err)
		}
		table += fmt.Sprintf("start=%d, size=%d\n", at/512, n/512)
		at += n
	}
	if err := f.Truncate(at + 1<<20); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sfdisk", "-q", "--no-reread", "--no-tell-kernel", file)
	cmd.Stdin = strings.NewReader(table)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sfdisk: %v\n%s", err, out)
	}
	return file
}

// testLog sends log lines to the test.
func testLog(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(writer{t}, nil))
}

type writer struct{ t *testing.T }

func (w writer) Write(b []byte) (int, error) {
	w.t.Logf("%s", bytes.TrimRight(b, "\n"))
	return len(b), nil
}
