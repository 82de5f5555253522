package kexec

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// machine makes a root directory with what /proc and /sys say.
func machine(t *testing.T, files map[string]string) host {
	t.Helper()
	h := host{root: t.TempDir()}
	for name, content := range files {
		p := filepath.Join(h.root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func TestPreflight(t *testing.T) {
	const meminfo = "MemTotal: 1000000 kB\nMemFree: 1 kB\nMemAvailable:     102400 kB\n"
	for _, tc := range []struct {
		name  string
		files map[string]string
		need  int64
		want  Reason // "" means it may go on
	}{
		{"plain", map[string]string{"proc/sys/kernel/kexec_load_disabled": "0\n", "sys/kernel/kexec_loaded": "0\n", "sys/kernel/security/lockdown": "[none] integrity confidentiality\n"}, 0, ""},
		{"nothing known", nil, 1 << 40, ""},
		{"disabled", map[string]string{"proc/sys/kernel/kexec_load_disabled": "1\n"}, 0, Disabled},
		{"limit used up", map[string]string{"proc/sys/kernel/kexec_load_limit_reboot": "0\n"}, 0, Disabled},
		{"no limit", map[string]string{"proc/sys/kernel/kexec_load_limit_reboot": "-1\n"}, 0, ""},
		{"integrity", map[string]string{"sys/kernel/security/lockdown": "none [integrity] confidentiality\n"}, 0, Lockdown},
		{"confidentiality", map[string]string{"sys/kernel/security/lockdown": "none integrity [confidentiality]\n"}, 0, Lockdown},
		{"loaded", map[string]string{"sys/kernel/kexec_loaded": "1\n"}, 0, Occupied},
		{"room", map[string]string{"proc/meminfo": meminfo}, 42 << 20, ""},
		{"no room", map[string]string{"proc/meminfo": meminfo}, 43 << 20, NoMemory},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := machine(t, tc.files).preflight(tc.need)
			if got := reason(err); got != tc.want {
				t.Errorf("refused for %q (%v), want %q", got, err, tc.want)
			}
		})
	}
}

func reason(err error) Reason {
	var r *RefusedError
	if errors.As(err, &r) {
		return r.Reason
	}
	return ""
}

func TestRefusal(t *testing.T) {
	for _, tc := range []struct {
		err   error
		files map[string]string
		want  Reason
		words string
	}{
		{unix.ENOSYS, nil, Unsupported, "CONFIG_KEXEC_FILE"},
		{unix.EPERM, nil, NotAllowed, "root"},
		{unix.EPERM, map[string]string{"proc/sys/kernel/kexec_load_disabled": "1"}, Disabled, "kexec_load_disabled"},
		{unix.EPERM, map[string]string{"sys/kernel/security/lockdown": "none [integrity]"}, Lockdown, "Secure Boot"},
		{unix.EKEYREJECTED, nil, Signature, "signed"},
		{unix.EBADMSG, nil, Signature, "signed"},
		{unix.EBUSY, nil, Busy, "try again"},
		{unix.ENOMEM, nil, NoMemory, "memory"},
		{unix.ENOEXEC, nil, BadKernel, "bzImage"},
		{unix.EIO, nil, "", "input/output error"},
	} {
		err := machine(t, tc.files).refusal(tc.err)
		if reason(err) != tc.want || !errors.Is(err, tc.err) || !strings.Contains(err.Error(), tc.words) {
			t.Errorf("%v gives %q: %v", tc.err, reason(err), err)
		}
	}
}

// TestHere asks the running kernel. Loading is only tried with what no kernel
// takes, so that nothing is left behind.
func TestHere(t *testing.T) {
	if Loaded() {
		t.Skip("a kernel is loaded on this machine")
	}
	if err := Preflight(0); err != nil && reason(err) == "" {
		t.Errorf("preflight gives an error that is no refusal: %v", err)
	}
	w, err := Scratch("no kernel")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteString(strings.Repeat("no kernel", 1000)); err != nil {
		t.Fatal(err)
	}
	r, err := ReadOnly(w)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if b, err := io.ReadAll(r); err != nil || len(b) != 9000 {
		t.Errorf("read %d bytes back, %v", len(b), err)
	}
	if _, err := r.Write([]byte("x")); err == nil {
		t.Error("the file can still be written")
	}
	if err := Load(r, nil, "x"); reason(err) == "" {
		t.Errorf("loading rubbish gives %v", err)
	}
	if err := Load(r, r, strings.Repeat("x", 2048)); err == nil || !strings.Contains(err.Error(), "2048 bytes") {
		t.Errorf("a command line too long gives %v", err)
	}
	if Loaded() {
		t.Error("rubbish is loaded")
	}
	if err := Unload(); err != nil {
		t.Errorf("unload without a kernel: %v", err)
	}
	if err := Execute(context.Background(), slog.New(slog.DiscardHandler)); err == nil {
		t.Error("execute without a kernel gave no error")
	}
}

func TestParseMounts(t *testing.T) {
	got, err := parseMounts(strings.NewReader(`22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
23 22 0:21 / /proc rw - proc proc rw
24 22 8:2 / /mnt/my\040disk ro,nosuid - xfs /dev/sda2 ro,attr2
25 22 0:30 / /net rw shared:2 - nfs4 host:/x rw,vers=4
26 22 0:31 / /run rw - tmpfs tmpfs rw
broken line
`))
	want := []mount{{"/", "ext4", "/dev/sda1", false}, {"/mnt/my disk", "xfs", "/dev/sda2", true}, {"/net", "nfs4", "host:/x", false}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(mount{})); diff != "" || err != nil {
		t.Errorf("mounts (-want +got, %v):\n%s", err, diff)
	}
}

// TestUnmount takes real mounts away: nested ones, one in use, one read-only.
// Only mounts below its own directory are handed over.
func TestUnmount(t *testing.T) {
	if os.Getenv("ORBIT_ISOLATED") == "" {
		runIsolated(t)
		return
	}
	dir := os.Getenv("ORBIT_DIR")
	ms, err := readMounts("/proc/thread-self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	var mine []mount
	for _, m := range ms {
		if strings.HasPrefix(m.dir, dir+"/") {
			mine = append(mine, m)
		}
	}
	if len(mine) != 3 {
		t.Fatalf("mounts %v", mine)
	}
	open, err := os.Create(filepath.Join(dir, "busy/open"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open.WriteString("written before"); err != nil {
		t.Fatal(err)
	}
	open.Close()
	held, err := os.Open(filepath.Join(dir, "busy/open"))
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	var log bytes.Buffer
	unmount(slog.New(slog.NewTextHandler(&log, nil)), mine)
	left, err := readMounts("/proc/thread-self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range left {
		if strings.HasPrefix(m.dir, dir+"/") && (m.dir != dir+"/busy" || !m.readOnly) {
			t.Errorf("still mounted: %+v", m)
		}
	}
	if _, err := os.Create(filepath.Join(dir, "busy/more")); !errors.Is(err, unix.EROFS) {
		t.Errorf("writing to the one in use: %v, want a read-only filesystem", err)
	}
	if !strings.Contains(log.String(), "made read-only") {
		t.Errorf("log: %s", log.String())
	}
}

// runIsolated mounts three images and runs the test in a mount namespace that
// sees them.
func runIsolated(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	if _, err := exec.LookPath("mkfs.ext4"); err != nil {
		t.Skip("no mkfs:", err)
	}
	dir := t.TempDir()
	script := `set -e
cd "$ORBIT_DIR"
for n in outer busy; do
	truncate -s 8M $n.img; mkfs.ext4 -q $n.img; mkdir $n; mount -o loop $n.img $n
done
mkdir outer/inner; truncate -s 8M inner.img; mkfs.ext4 -q inner.img; mount -o loop inner.img outer/inner
exec "$@"`
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", script, "sh", self, "-test.run=^TestUnmount$")
	cmd.Env = append(os.Environ(), "ORBIT_ISOLATED=1", "ORBIT_DIR="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if out, err := cmd.CombinedOutput(); err != nil {
		if bytes.Contains(out, []byte("loop")) {
			t.Skipf("no loop mounts: %s", out)
		}
		t.Fatalf("in a mount namespace: %v\n%s", err, out)
	}
}

// TestLinksDown sets a real link down, in a network namespace of its own.
func TestLinksDown(t *testing.T) {
	if os.Getenv("ORBIT_ISOLATED") == "" {
		if os.Geteuid() != 0 {
			t.Skip("a network namespace needs root")
		}
		if _, err := exec.LookPath("ip"); err != nil {
			t.Skip("no ip command:", err)
		}
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("/bin/sh", "-c", `ip link add va type veth peer name vb && ip link set va up && ip link set vb up && ip link set lo up && exec "$0" -test.run='^TestLinksDown$'`, self)
		cmd.Env = append(os.Environ(), "ORBIT_ISOLATED=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNET}
		if out, err := cmd.CombinedOutput(); err != nil {
			if bytes.Contains(out, []byte("RTNETLINK")) {
				t.Skipf("no veth to be had: %s", out)
			}
			t.Fatalf("in a network namespace: %v\n%s", err, out)
		}
		return
	}
	up := func() (names []string) {
		ifs, err := net.Interfaces()
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range ifs {
			if i.Flags&net.FlagUp != 0 {
				names = append(names, i.Name)
			}
		}
		return names
	}
	if len(up()) != 3 {
		t.Fatalf("up before: %v", up())
	}
	linksDown(slog.New(slog.DiscardHandler))
	if diff := cmp.Diff([]string{"lo"}, up()); diff != "" {
		t.Errorf("up afterwards (-want +got):\n%s", diff)
	}
}
