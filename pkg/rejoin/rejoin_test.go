package rejoin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/bootparam"
	"github.com/orbit-pxe/orbit/pkg/kexec"
	"github.com/orbit-pxe/orbit/pkg/transfer"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// artifacts serves a directory of artifacts over HTTP.
func artifacts(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(s.Close)
	return s.URL
}

func sums(files map[string]string) string {
	var b strings.Builder
	for name, content := range files {
		fmt.Fprintf(&b, "%x  %s\n", sha256.Sum256([]byte(content)), name)
	}
	return b.String()
}

// TestDryRun goes through everything but the load. On a machine that would
// refuse kexec the plan is printed all the same, and the refusal returned.
func TestDryRun(t *testing.T) {
	files := map[string]string{"vmlinuz": strings.Repeat("k", 5000), "initramfs": "i"}
	files["SHA256SUMS"] = sums(files)
	var out bytes.Buffer
	err := Run(context.Background(), Options{
		URL: artifacts(t, files) + "/", Head: "http://10.0.0.1:8080", DryRun: true, Out: &out, Log: quiet(),
		Job:      api.Job{Kind: api.Image, Image: "http://10.0.0.1/a b.zst", Disk: "first"},
		Consoles: []string{"tty0", "ttyS1,115200"}, Append: "panic=60",
	})
	var refused *kexec.RefusedError
	if err != nil && !errors.As(err, &refused) && os.Geteuid() == 0 {
		t.Fatal(err)
	}
	for _, want := range []string{"kernel       5000 bytes", "initramfs    1 bytes", "interface    any", "orbit.head=http://10.0.0.1:8080", "console=tty0 console=ttyS1,115200 panic=60"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("plan lacks %q:\n%s", want, out.String())
		}
	}
	_, line, _ := strings.Cut(out.String(), "command line ")
	line, _, _ = strings.Cut(line, "\n")
	p, err := bootparam.Parse(line)
	if err != nil || p.Job.Image != "http://10.0.0.1/a b.zst" || p.Job.Disk != "first" || p.Job.Kind != api.Image {
		t.Errorf("Orbit would read %+v, %v from %q", p, err, line)
	}
}

func TestBadArtifacts(t *testing.T) {
	good := map[string]string{"vmlinuz": "kernel", "initramfs": "initrd"}
	with := func(change map[string]string) map[string]string {
		files := map[string]string{"vmlinuz": "kernel", "initramfs": "initrd", "SHA256SUMS": sums(good)}
		for k, v := range change {
			files[k] = v
		}
		return files
	}
	missing := with(nil)
	delete(missing, "initramfs")
	var wrong *transfer.HashError
	for _, tc := range []struct {
		name  string
		files map[string]string
		want  string
		as    any
	}{
		{"no checksums", good, "SHA256SUMS", nil},
		{"kernel not listed", with(map[string]string{"SHA256SUMS": sums(map[string]string{"initramfs": "initrd"})}), "no line for vmlinuz", nil},
		{"changed kernel", with(map[string]string{"vmlinuz": "kernem"}), "vmlinuz", &wrong},
		{"truncated initramfs", with(map[string]string{"initramfs": "init"}), "initramfs", &wrong},
		{"no initramfs", missing, "404", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out bytes.Buffer
			err := Run(context.Background(), Options{URL: artifacts(t, tc.files), DryRun: true, Out: &out, Log: quiet()})
			if err == nil || !strings.Contains(err.Error(), tc.want) || out.Len() > 0 {
				t.Errorf("error %v, want one with %q; printed %q", err, tc.want, out.String())
			}
			if tc.as != nil && !errors.As(err, tc.as) {
				t.Errorf("error %v is not a %T", err, tc.as)
			}
		})
	}
}

// TestRefused checks that a machine that cannot kexec says so before anything
// is fetched.
func TestRefused(t *testing.T) {
	if kexec.Preflight(0) == nil && os.Geteuid() == 0 {
		t.Skip("this machine would really do it")
	}
	asked := false
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer s.Close()
	if err := Run(context.Background(), Options{URL: s.URL, Log: quiet()}); err == nil || asked {
		t.Errorf("error %v, artifacts asked for: %v", err, asked)
	}
}

func TestTooLong(t *testing.T) {
	_, _, err := cmdline(Options{URL: "/artifacts", Log: quiet(), Append: strings.Repeat("x", 2048)}, t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "2048 bytes long") {
		t.Errorf("error %v for a line that does not fit", err)
	}
}

// root makes a root directory out of file contents.
func root(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestConsoles(t *testing.T) {
	const active = "tty0                 -WU (E     )    4:7\nttyS0                -W- (EC  p a)    4:64\nnetcon0              -W- (E     )\n"
	for _, tc := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"command line", map[string]string{"proc/cmdline": "BOOT_IMAGE=/x console=tty0 quiet console=ttyS1,115200n8\n", "proc/consoles": active}, []string{"tty0", "ttyS1,115200n8"}},
		{"in use", map[string]string{"proc/cmdline": "root=/dev/sda1\n", "proc/consoles": active}, []string{"tty0", "ttyS0"}},
		{"nothing known", nil, nil},
	} {
		if diff := cmp.Diff(tc.want, consoles(root(t, tc.files))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

func TestAdapter(t *testing.T) {
	const sys = "sys/class/net/"
	dir := root(t, map[string]string{
		sys + "eth0/address": "52:54:00:AA:bb:01\n", sys + "eth0/device/x": "",
		sys + "vlan7/address": "52:54:00:aa:bb:01\n", sys + "vlan7/lower_eth0/x": "",
		"proc/net/vlan/vlan7": "vlan7  VID: 7\t REORDER_HDR: 1  dev->priv_flags: 1021\n",
		sys + "br0/address":   "52:54:00:aa:bb:99\n", sys + "br0/lower_tap0/x": "", sys + "br0/lower_vlan7/x": "", sys + "tap0/address": "0a:00:00:00:00:01\n",
		sys + "br1/address": "52:54:00:aa:bb:99\n", sys + "br1/lower_tap0/x": "", sys + "br1/lower_eth0/x": "",
		sys + "bond0/address": "52:54:00:aa:bb:01\n", sys + "bond0/bonding/active_slave": "eth2\n", sys + "bond0/lower_eth0/x": "",
		sys + "eth2/address": "52:54:00:aa:bb:01\n", sys + "eth2/bonding_slave/perm_hwaddr": "52:54:00:aa:bb:02\n",
		sys + "ib0/address":       "80:00:02:08:fe:80:00:00:00:00:00:00:00:02:c9:03:00:0a:0b:0c\n",
		sys + "self/lower_self/x": "",
	})
	for name, want := range map[string]link{
		"eth0":  {"eth0", "52:54:00:aa:bb:01", 0},
		"vlan7": {"vlan7", "52:54:00:aa:bb:01", 7},
		"br1":   {"br1", "52:54:00:aa:bb:01", 0},
		"bond0": {"bond0", "52:54:00:aa:bb:02", 0},
		"ib0":   {}, "none": {}, "self": {},
	} {
		got, err := adapter(dir, name)
		if got != want || (err != nil) != (want == link{}) {
			t.Errorf("adapter(%s) = %+v, %v, want %+v", name, got, err, want)
		}
	}
}

func TestUplink(t *testing.T) {
	for _, source := range []string{"http://127.0.0.1:1/x", "/srv/artifacts", "http://[::1]/"} {
		if l, err := uplink(source, "/"); err == nil {
			t.Errorf("uplink(%s) = %+v, want an error", source, l)
		}
	}
}

// TestUplinkRoute follows a real route, in a network namespace of its own.
func TestUplinkRoute(t *testing.T) {
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
		cmd := exec.Command("/bin/sh", "-c", `set -e
mount -t sysfs sysfs /sys
ip link add va address 52:54:00:12:34:56 type veth peer name vb
ip link set va up; ip link set vb up
ip addr add 192.0.2.1/24 dev va
ip route add 198.51.100.0/24 via 192.0.2.2
exec "$0" -test.run='^TestUplinkRoute$'`, self)
		cmd.Env = append(os.Environ(), "ORBIT_ISOLATED=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
		if out, err := cmd.CombinedOutput(); err != nil {
			if bytes.Contains(out, []byte("RTNETLINK")) || bytes.Contains(out, []byte("mount:")) {
				t.Skipf("no network namespace with links to be had: %s", out)
			}
			t.Fatalf("in a network namespace: %v\n%s", err, out)
		}
		return
	}
	for _, source := range []string{"http://192.0.2.7:8080/artifacts", "https://198.51.100.9/"} {
		got, err := uplink(source, "/")
		if want := (link{"va", "52:54:00:12:34:56", 0}); got != want || err != nil {
			t.Errorf("uplink(%s) = %+v, %v, want %+v", source, got, err, want)
		}
	}
	if got, err := uplink("http://203.0.113.1/", "/"); err == nil {
		t.Errorf("uplink without a route = %+v", got)
	}
}

func TestSystemdVersion(t *testing.T) {
	for out, want := range map[string]int{"systemd 252 (252.39-1~deb12u2)\n+PAM": 252, "systemd 219\n": 219, "systemd 257.4-3.fc42": 257, "": 0, "busybox 1": 0} {
		if got := systemdVersion(out); got != want {
			t.Errorf("systemdVersion(%q) = %d, want %d", out, got, want)
		}
	}
}

// TestStop stops real processes: one that ends when asked, one that is
// stopped, one that does not listen.
func TestStop(t *testing.T) {
	var pids []int
	for _, script := range []string{"exec sleep 1000", "kill -STOP $$; sleep 1000", "trap '' TERM; echo ready; while :; do sleep 1000; done"} {
		cmd := exec.Command("/bin/sh", "-c", script)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Skip("no shell:", err)
		}
		if strings.Contains(script, "ready") {
			if _, err := io.ReadFull(out, make([]byte, 6)); err != nil {
				t.Fatal(err)
			}
		}
		pids = append(pids, cmd.Process.Pid)
		reaped := make(chan struct{})
		go func() { cmd.Wait(); close(reaped) }()
		t.Cleanup(func() {
			syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-reaped
		})
	}
	all, err := processes("/proc")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[int]bool{}
	for _, p := range all {
		listed[p] = true
	}
	if listed[1] || listed[os.Getpid()] || !listed[pids[0]] {
		t.Errorf("list of processes: init %v, self %v, child %v", listed[1], listed[os.Getpid()], listed[pids[0]])
	}
	if left := stop("/proc", pids, syscall.SIGTERM, time.Second); left != 1 {
		t.Errorf("%d processes left after SIGTERM, want the deaf one", left)
	}
	if left := stop("/proc", pids, syscall.SIGKILL, 10*time.Second); left != 0 {
		t.Errorf("%d processes left after SIGKILL", left)
	}
}

func TestStoppable(t *testing.T) {
	dir := root(t, map[string]string{"2/cmdline": "", "3/cmdline": "@mdmon\x00md0\x00", "4/cmdline": "sshd\x00", "1/cmdline": "init\x00", "self/cmdline": "x"})
	got, err := processes(dir)
	if diff := cmp.Diff([]int{4}, got); diff != "" || err != nil {
		t.Errorf("processes (-want +got, %v):\n%s", err, diff)
	}
	if _, err := processes(t.TempDir()); err == nil {
		t.Error("no error where /proc is empty")
	}
}
