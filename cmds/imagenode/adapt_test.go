package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

// A written system is fitted to a larger disk and to its machine.
func TestAdapt(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("loop devices need root")
	}
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	for name, text := range map[string]string{
		"root/etc/os-release": "ID=test\n", "root/etc/hostname": "old\n", "root/etc/passwd": "root:x:0:0::/root:/bin/sh\n",
		"root/usr/x": "x", "root/root/y": "y", "key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA me\n",
	} {
		if err := os.MkdirAll(filepath.Dir(in(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(in(name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	small := maptest.File(t, 160<<20)
	maptest.Tool(t, "sh", "-c", "echo ',' | sfdisk -q --no-reread --label gpt "+small)
	btrfs := maptest.File(t, 150<<20)
	maptest.Tool(t, "mkfs.btrfs", "-q", "-r", in("root"), btrfs)
	maptest.Tool(t, "dd", "if="+btrfs, "of="+small, "bs=1M", "seek=1", "conv=notrunc", "status=none")

	large := maptest.File(t, 400<<20)
	dev := strings.TrimSpace(maptest.Tool(t, "losetup", "-f", "--show", "-P", large))
	defer exec.Command("losetup", "-d", dev).Run()
	var out bytes.Buffer
	err := run(t.Context(), nil, &out, &out, []string{"--grow", "last", "--hostname", "n17", "--new-machine-id",
		"--authorized-keys", in("key"), small, dev})
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	at := t.TempDir()
	maptest.Tool(t, "mount", dev+"p1", at)
	defer exec.Command("umount", at).Run()
	for file, want := range map[string]string{"etc/hostname": "n17", "root/.ssh/authorized_keys": "ssh-ed25519", "root/y": "y"} {
		if b, err := os.ReadFile(filepath.Join(at, file)); err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s is %q (%v), want %q in it", file, b, err, want)
		}
	}
	if text := maptest.Tool(t, "btrfs", "filesystem", "usage", "-b", at); !strings.Contains(text, "Device size:\t\t         417") {
		t.Errorf("did not grow to 398 MiB:\n%s", text)
	}

	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--grow", "last", small, in("file")}, "regular file"},
		{[]string{"--hostname", "no_name!", small, dev}, "hostname"},
		{[]string{"--grow", "7", small, dev}, "none of that number"},
	} {
		err := run(t.Context(), nil, &out, &out, c.args)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "nothing was changed") {
			t.Errorf("%v: %v", c.args, err)
		}
	}
	if err := run(t.Context(), nil, &out, &out, []string{"--authorized-keys", in("none"), small, dev}); code(&out, err) != 2 {
		t.Errorf("no such file of keys: %v", err)
	}
}
