package pid1

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// playPrepare runs Prepare in a root directory of its own, as if it had been
// unpacked from an initramfs, and says what came of it.
func playPrepare() {
	root := os.Getenv("PID1_ROOT")
	must := func(err error) {
		if err != nil {
			fmt.Println("setup:", err)
			os.Exit(1)
		}
	}
	must(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	must(unix.Mount("rootfs", root, "tmpfs", 0, ""))
	must(unix.Chroot(root))
	must(os.Chdir("/"))
	must(os.Mkdir("/etc", 0o755))
	// Only what a container may not do is allowed to fail here.
	out := os.NewFile(dup(1), "out") // Prepare points 1 at the console
	err := Prepare()
	mounts, _ := os.ReadFile("/proc/self/mounts")
	fmt.Fprintf(out, "error: %v\n%s", err, mounts)
	for _, l := range []string{"/dev/fd", "/dev/stdin"} {
		target, err := os.Readlink(l)
		fmt.Fprintln(out, l, target, err)
	}
	host, _ := os.Hostname()
	fmt.Fprintln(out, "host", host, "PATH", os.Getenv("PATH"))
	lo, _ := os.ReadFile("/sys/class/net/lo/flags")
	fmt.Fprintf(out, "lo %s", lo)
	score, _ := os.ReadFile("/proc/self/oom_score_adj")
	fmt.Fprintf(out, "oom %s", score)
	os.Exit(0)
}

func dup(fd int) uintptr {
	n, err := unix.Dup(fd)
	if err != nil {
		panic(err)
	}
	return uintptr(n)
}

func TestPrepare(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to make namespaces and mounts")
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PID1_ROLE=prepare", "PID1_ROOT="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS,
	}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"proc /proc proc ", "sysfs /sys sysfs ", "devtmpfs /dev devtmpfs ", "devpts /dev/pts devpts ", "tmpfs /run tmpfs ", "tmpfs /tmp tmpfs ",
		"/dev/fd /proc/self/fd <nil>", "/dev/stdin /proc/self/fd/0 <nil>", "host orbit PATH /bbin:", "lo 0x9\n",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in the output", want)
		}
	}
	if !strings.Contains(string(out), "oom -1000\n") && !strings.Contains(string(out), "out-of-memory killer: write /proc/self/oom_score_adj: permission denied") {
		t.Error("neither protected from the out-of-memory killer nor told that it may not be")
	}
}

func TestLook(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", filepath.Join(dir, "none")+":"+dir)
	if _, err := look("tool"); err == nil {
		t.Error("found a program that is not there")
	}
	path := filepath.Join(dir, "tool")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := look("tool"); err == nil {
		t.Error("found a file that is not executable")
	}
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if got, err := look("tool"); err != nil || got != path {
		t.Errorf("look = %q, %v, want %q", got, err, path)
	}
}

func TestTerm(t *testing.T) {
	for path, want := range map[string]string{"/dev/tty1": "linux", "/dev/ttyS0": "vt220", "/dev/hvc0": "vt220", "/dev/ttyUSB0": "vt220"} {
		if got := term(path); got != want {
			t.Errorf("term(%q) = %q, want %q", path, got, want)
		}
	}
}
