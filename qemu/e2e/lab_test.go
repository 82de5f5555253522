// Package e2e tests Orbit on whole machines: nodes of a virtual rack that boot
// from the network, write a real Debian to their disk and kexec into it; that are
// saved and imaged again; whose power, disks and servers fail. The
// tests need QEMU, and most the right to make network namespaces, and what
// make artifacts and make debian left in $ORBIT_OUT (default ../../out). They
// skip with the reason where something is missing, and with -short.
package e2e

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/qemu"
)

// patience is for one test, once it has its machine: several times what the
// longest takes on two slow cores without KVM, since those may be busy.
const patience = 15 * time.Minute

// mac is the node's; every test has a network of its own.
const mac = "52:54:00:0b:17:01"

// banner is what only firmware and its network loaders say.
const banner = `SeaBIOS|iPXE|BdsDxe|UEFI Interactive|PXEv4`

// places bounds the machines that run at once: two keep two cores busy.
var places = make(chan struct{}, 2)

// orbitd is built once for all tests.
var orbitd = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "orbitd")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "orbitd")
	return path, qemu.BuildHead(context.Background(), path)
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := orbitd(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// lab is one test's rack.
type lab struct {
	*testing.T
	ctx  context.Context
	rack *qemu.Rack
	out  string // artifacts and image
	head *qemu.Head

	artifacts string // URL of the artifacts
}

// network is what kind of rack a test needs.
type network int

const (
	ethernet network = iota // nodes boot by PXE
	userMode                // nodes only reach the head
)

// newLab waits for a place, then sets up a rack that keeps its logs in
// $ORBIT_OUT/e2e/TEST.
func newLab(t *testing.T, kind network) *lab {
	t.Helper()
	if testing.Short() {
		t.Skip("boots a machine: not with -short")
	}
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		t.Skip("no qemu-system-x86_64 here (package qemu-system-x86)")
	}
	out := os.Getenv("ORBIT_OUT")
	if out == "" {
		out = "../../out"
	}
	out, err := filepath.Abs(out)
	if err != nil {
		t.Fatal(err)
	}
	for name, verb := range map[string]string{"vmlinuz": "artifacts", "initramfs": "artifacts", "orbit": "artifacts",
		"debian-12.img": "debian", "debian-12.img.zst": "debian"} {
		if _, err := os.Stat(filepath.Join(out, name)); err != nil {
			t.Skipf("%v: make %s builds it (or set ORBIT_OUT)", err, verb)
		}
	}
	t.Parallel()
	places <- struct{}{}
	t.Cleanup(func() { <-places })
	logs := filepath.Join(out, "e2e", strings.ReplaceAll(t.Name(), "/", "-"))
	if err := os.RemoveAll(logs); err != nil {
		t.Fatal(err)
	}
	start, used := time.Now(), cpuSeconds(t)
	t.Cleanup(func() {
		t.Logf("took %.0f s and %.0f s of CPU with a machine; logs in %s", time.Since(start).Seconds(), cpuSeconds(t)-used, logs)
	})
	rack, err := qemu.New(qemu.Options{Dir: logs, UserNetwork: kind == userMode,
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := rack.Close(); err != nil {
			t.Errorf("close rack: %v", err)
		}
	})
	if kind == ethernet && !rack.Private() {
		t.Skip("no right to make network namespaces and taps here: PXE cannot be tried")
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), patience, fmt.Errorf("%v are over", patience))
	t.Cleanup(cancel)
	return &lab{T: t, ctx: ctx, rack: rack, out: out}
}

// cpuSeconds is what children that ended have used, QEMU above all. It tells
// more of a test than the time it took on a busy machine.
func cpuSeconds(t *testing.T) float64 {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_CHILDREN, &r); err != nil {
		t.Fatal(err)
	}
	return float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9
}

// check ends the test on an error.
func (l *lab) check(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

// serve starts orbitd with the Debian image.
func (l *lab) serve(flags ...string) {
	l.Helper()
	path, err := orbitd()
	l.check(err)
	l.head, err = l.rack.StartHead(l.ctx, path, l.out, flags...)
	l.check(err)
	l.artifacts = l.head.URL + "/artifacts"
	_, err = l.head.AddImage(filepath.Join(l.out, "debian-12.img.zst"))
	l.check(err)
}

// assign gives the node a job; an image job is about Debian and the first disk
// unless it says otherwise.
func (l *lab) assign(job api.Job) {
	l.Helper()
	if job.Image == "" {
		job.Image = "debian-12.img.zst"
	}
	if job.Disk == "" {
		job.Disk = "first"
	}
	_, err := l.head.Assign(l.ctx, mac, job)
	l.check(err)
}

// start switches the node on.
func (l *lab) start(n qemu.Node) *qemu.Machine {
	l.Helper()
	n.Name, n.MAC = "node", mac
	m, err := l.rack.Start(n)
	l.check(err)
	return m
}

// empty is a new disk.
func (l *lab) empty(bus qemu.Bus, size int64) qemu.Disk {
	return qemu.Disk{Bus: bus, Path: filepath.Join(l.TempDir(), "disk"), Size: size}
}

// debian is a disk with Debian on it.
func (l *lab) debian(bus qemu.Bus) qemu.Disk {
	l.Helper()
	d := qemu.Disk{Bus: bus, Path: filepath.Join(l.TempDir(), "disk")}
	l.check(exec.Command("cp", "--sparse=always", "--reflink=auto", filepath.Join(l.out, "debian-12.img"), d.Path).Run())
	l.check(os.Chmod(d.Path, 0o644))
	return d
}

// see waits for patterns on the console, one after the other.
func (l *lab) see(m *qemu.Machine, patterns ...string) {
	l.Helper()
	for _, p := range patterns {
		_, err := m.Console.Expect(l.ctx, p)
		l.check(err)
	}
}

// login waits for Debian's login prompt and logs in.
func (l *lab) login(m *qemu.Machine) {
	l.Helper()
	l.see(m, `Debian GNU/Linux 12 .* ttyS0`)
	l.check(m.Console.Login(l.ctx, "root", "orbit"))
}

// shell runs a command on the node's console that must succeed.
func (l *lab) shell(m *qemu.Machine, command string) string {
	l.Helper()
	out, status, err := m.Console.Shell(l.ctx, command)
	l.check(err)
	if status != "0" {
		l.Fatalf("%s: exit status %s: %s", command, status, out)
	}
	return out
}

// finished waits for the end of the job and tells how it ended.
func (l *lab) finished() api.Node {
	l.Helper()
	n, err := l.head.Finished(l.ctx, mac)
	if err != nil && l.head != nil {
		log, _ := os.ReadFile(l.head.Log())
		l.Fatalf("%v\nhead's log:\n%s", err, log)
	}
	return n
}

// succeeded is finished for a job that has to end well.
func (l *lab) succeeded() api.Node {
	l.Helper()
	n := l.finished()
	if n.State != api.Succeeded {
		l.Fatalf("job %s: %s", n.State, n.Console)
	}
	return n
}

// noFirmware fails if the console shows a trip through firmware after the
// first match of a pattern, or QEMU saw a reset.
func (l *lab) noFirmware(m *qemu.Machine, after string) {
	l.Helper()
	if found := regexp.MustCompile(banner).FindString(m.Console.Since(after)); found != "" {
		l.Errorf("firmware's %q on the console after %q", found, after)
	}
	if n := m.Resets(); n != 0 {
		l.Errorf("%d resets, want none", n)
	}
}

// files serves the artifacts and the image as a plain web server does.
func (l *lab) files() string {
	l.Helper()
	url, err := l.rack.FileServer(l.out)
	l.check(err)
	return url
}

// direct is the boot of Orbit without PXE: kernel, initramfs, parameters.
func (l *lab) direct(parameters string) *qemu.Direct {
	return &qemu.Direct{Kernel: filepath.Join(l.out, "vmlinuz"), Initrd: filepath.Join(l.out, "initramfs"),
		Append: "console=ttyS0,115200 " + qemu.NoTimerCheck + " " + parameters}
}

// server serves with a handler of the test's own.
func (l *lab) server(h http.HandlerFunc) string {
	l.Helper()
	url, err := l.rack.Serve(h)
	l.check(err)
	return url
}

// readSum reads the digest of a .sha256 file.
func readSum(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	hex, _, _ := strings.Cut(string(b), " ")
	if len(hex) != 64 {
		return "", errors.New(path + " holds no SHA-256")
	}
	return hex, nil
}
