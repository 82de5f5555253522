package netup

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// inside runs the calling test once more in a network namespace of its own
// and reports whether this is that second run.
func inside(t *testing.T) bool {
	t.Helper()
	if os.Getenv("NETUP_NAMESPACE") == t.Name() {
		return true
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root to make network namespaces")
	}
	for _, tool := range []string{"ip", "nsenter", "dnsmasq"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s: %v", tool, err)
		}
	}
	t.Parallel() // each in a namespace of its own
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.count=1")
	cmd.Env = append(os.Environ(), "NETUP_NAMESPACE="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	out, err := cmd.CombinedOutput()
	if err != nil && strings.Contains(err.Error(), "operation not permitted") {
		t.Skipf("may not make a network namespace: %v", err)
	}
	t.Logf("%s", out)
	if strings.Contains(string(out), "--- SKIP: "+t.Name()) {
		t.SkipNow() // the reason is in the log above
	}
	if err != nil {
		t.Fatal(err)
	}
	return false
}

// lab is a second namespace with the servers, joined by veth pairs.
type lab struct {
	t   *testing.T
	pid string
}

func newLab(t *testing.T) *lab {
	t.Helper()
	holder := exec.Command("sleep", "infinity")
	holder.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { holder.Process.Kill(); holder.Wait() })
	return &lab{t, strconv.Itoa(holder.Process.Pid)}
}

func (l *lab) run(args ...string) {
	l.t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		l.t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// there runs a command in the servers' namespace.
func (l *lab) there(args ...string) {
	l.t.Helper()
	l.run(append([]string{"nsenter", "-t", l.pid, "-n"}, args...)...)
}

// wire lays a cable from interface name here to s-name there; the far end gets
// the addresses, and is up unless there are none.
func (l *lab) wire(name, mac string, addrs ...string) {
	l.t.Helper()
	l.run("ip", "link", "add", "name", name, "address", mac, "type", "veth", "peer", "name", "s-"+name, "netns", l.pid)
	for _, a := range addrs {
		l.there("ip", "addr", "add", a, "dev", "s-"+name, "nodad")
	}
	if len(addrs) > 0 {
		l.there("ip", "link", "set", "s-"+name, "up")
	}
}

// dnsmasq starts a DHCP server on the far end and returns when it answers.
// The lines of its log go to the channel that is returned.
func (l *lab) dnsmasq(name string, args ...string) <-chan string {
	l.t.Helper()
	args = append([]string{
		"-t", l.pid, "-n", "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--no-ping",
		"--log-facility=-", "--log-dhcp", "--leasefile-ro", "--pid-file=", "--user=root", "--interface=s-" + name, "--bind-dynamic",
	}, args...)
	cmd := exec.Command("nsenter", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	lines, ready := make(chan string, 1024), make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() {
		defer close(lines)
		var once sync.Once
		for s := bufio.NewScanner(stderr); s.Scan(); {
			if strings.Contains(s.Text(), "sockets bound exclusively") {
				once.Do(func() { close(ready) })
			}
			select {
			case lines <- s.Text():
			default:
			}
		}
		once.Do(func() { close(ready) })
	})
	l.t.Cleanup(func() { cmd.Process.Kill(); reader.Wait(); cmd.Wait() })
	<-ready
	return lines
}

// await reads lines until one holds all the words.
func await(t *testing.T, lines <-chan string, words ...string) {
	t.Helper()
	for line := range lines {
		all := true
		for _, w := range words {
			all = all && strings.Contains(line, w)
		}
		if all {
			return
		}
	}
	t.Fatalf("the server ended without saying %q", words)
}

// config is a Config for tests: notes and log go to the test's output.
func config(t *testing.T) Config {
	return Config{
		Resolv: filepath.Join(t.TempDir(), "resolv.conf"),
		Note:   func(s string) { t.Log("note:", s) },
		Log:    slog.New(slog.NewTextHandler(testWriter{t}, nil)),
	}
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// onLog calls f once, when a log line has all the words.
func onLog(t *testing.T, f func(), words ...string) *slog.Logger {
	var once sync.Once
	return slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
		for _, w := range words {
			if !strings.Contains(string(p), w) {
				return testWriter{t}.Write(p)
			}
		}
		once.Do(f)
		return testWriter{t}.Write(p)
	}), nil))
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func up(t *testing.T, c Config) *Network {
	t.Helper()
	n, err := Up(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Down)
	return n
}

func ip(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("ip %v: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

const (
	macA = "02:00:00:00:00:0a"
	macB = "02:00:00:00:00:0b"
)

func subnet(n int) string { return fmt.Sprintf("10.77.%d.1/24", n) }
func pool(n int) string {
	return fmt.Sprintf("--dhcp-range=10.77.%d.100,10.77.%d.199,255.255.255.0,10m", n, n)
}
