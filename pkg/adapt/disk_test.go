package adapt

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/blockdev"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

const mib = 1 << 20

// files make a small installed system below dir.
func files(t testing.TB, dir string, more map[string]string) {
	t.Helper()
	all := map[string]string{
		"etc/os-release":         "ID=test\n",
		"etc/hostname":           "template\n",
		"etc/hosts":              "127.0.0.1 localhost\n127.0.1.1 template.example template # me\n",
		"etc/machine-id":         "0123456789abcdef0123456789abcdef\n",
		"etc/passwd":             "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1001:,,,:/home/ann:/bin/sh\n",
		"etc/ssh/sshd_config":    "# sshd\n",
		"etc/ssh/ssh_host_x_key": "secret\n",
		"home/ann/.profile":      "\n",
		"root/.profile":          "\n",
		"usr/bin/data":           strings.Repeat("content ", 100_000),
	}
	for name, text := range more {
		all[name] = text
	}
	for name, text := range all {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// volumeOf makes a filesystem of some kind with a system in it, of the
// smallest size that its mkfs takes gladly.
func volumeOf(t testing.TB, kind string, more map[string]string, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	files(t, dir, more)
	switch kind {
	case "ext2", "ext3", "ext4":
		vol := maptest.File(t, 48*mib)
		maptest.Tool(t, "mke2fs", append(args, "-q", "-t", kind, "-L", "root", "-d", dir, vol)...)
		return vol
	case "btrfs":
		vol := maptest.File(t, 128*mib)
		maptest.Tool(t, "mkfs.btrfs", append(args, "-q", "-L", "root", "--rootdir", dir, vol)...)
		return vol
	case "xfs":
		vol := maptest.File(t, 320*mib)
		maptest.Tool(t, "mkfs.xfs", append(args, "-q", "-L", "root", vol)...)
		on, unmount := maptest.Mount(t, vol, "xfs")
		files(t, on, more)
		unmount()
		return vol
	case "vfat":
		vol := maptest.File(t, 40*mib)
		maptest.Tool(t, "mkfs.vfat", append(args, "-n", "ESP", vol)...)
		return vol
	case "swap":
		vol := maptest.File(t, 8*mib)
		maptest.Tool(t, "mkswap", append(args, "-L", "swap", vol)...)
		return vol
	}
	t.Fatal("no such kind:", kind)
	return ""
}

// diskOf joins volumes to a GPT disk of size bytes and gives its device, whose
// partitions the kernel knows. With label dos it has an MBR, and with logical
// one in which the volumes are logical partitions.
func diskOf(t testing.TB, size int64, label string, volumes ...string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("loop devices need root")
	}
	path := filepath.Join(memory(t), "disk")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	table, at := "label: "+label+"\n", int64(mib)
	if label == "logical" {
		table, at = "label: dos\nstart=2048, size=32768, type=5\n", 2*mib
	}
	for i, v := range volumes {
		info, err := os.Stat(v)
		if err != nil {
			t.Fatal(err)
		}
		maptest.Tool(t, "dd", "if="+v, "of="+path, "bs=1M", fmt.Sprintf("seek=%d", at/mib), "conv=sparse,notrunc", "status=none")
		table += fmt.Sprintf("start=%d, size=%d", at/512, info.Size()/512)
		if label == "gpt" {
			table += fmt.Sprintf(", name=part-%d", i+1)
		}
		table, at = table+"\n", at+info.Size()
	}
	// The image's own size first: the backup GPT is where imagenode moves it.
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sfdisk", "-q", "--no-reread", "--no-tell-kernel", path)
	cmd.Stdin = strings.NewReader(table)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sfdisk: %v\n%s", err, out)
	}
	out, err := exec.Command("losetup", "-P", "-f", "--show", path).CombinedOutput()
	if err != nil {
		t.Skipf("no loop device to be had: %v %s", err, out)
	}
	dev := strings.TrimSpace(string(out))
	t.Cleanup(func() {
		exec.Command("partx", "-d", dev).Run()
		maptest.Tool(t, "losetup", "-d", dev)
	})
	reread(t, dev)
	return dev
}

// reread makes the kernel know the partitions, as imagenode does.
func reread(t testing.TB, dev string) {
	t.Helper()
	d, err := blockdev.Open(dev, blockdev.Options{Write: true})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Reread(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// look mounts a partition read-only while fn runs.
func look(t testing.TB, dev string, number int, kind, options string, fn func(dir string)) {
	t.Helper()
	dir := t.TempDir()
	if strings.HasPrefix(kind, "ext") {
		kind = "ext4"
	}
	if err := unix.Mount(blockdev.PartitionPath(dev, number), dir, kind, unix.MS_RDONLY, options); err != nil {
		t.Skipf("mount %s: %v", kind, err)
	}
	defer func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	fn(dir)
}

// text reads a file.
func textOf(t testing.TB, path ...string) string {
	t.Helper()
	f, err := os.Open(filepath.Join(path...))
	if err != nil {
		t.Error(err)
		return ""
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

// notes collects what Apply says.
type notes []string

func (n *notes) add(s string) { *n = append(*n, s) }
