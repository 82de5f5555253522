package lldp

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// inside runs the calling test once more in a network namespace of its own and
// reports whether this is that second run.
func inside(t *testing.T, tools ...string) bool {
	t.Helper()
	if os.Getenv("LLDP_NAMESPACE") == t.Name() {
		return true
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root to make network namespaces")
	}
	for _, tool := range append(tools, "ip", "nsenter") {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s: %v", tool, err)
		}
	}
	t.Parallel() // each in a namespace of its own
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.count=1")
	cmd.Env = append(os.Environ(), "LLDP_NAMESPACE="+t.Name())
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

// switches is a second namespace, where the other ends of the cables are.
type switches struct {
	t   *testing.T
	pid string
}

func newSwitches(t *testing.T) *switches {
	t.Helper()
	holder := exec.Command("sleep", "infinity")
	holder.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { holder.Process.Kill(); holder.Wait() })
	return &switches{t, strconv.Itoa(holder.Process.Pid)}
}

func (s *switches) run(args ...string) string {
	s.t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// there runs a command at the other end.
func (s *switches) there(args ...string) string {
	s.t.Helper()
	return s.run(append([]string{"nsenter", "-t", s.pid, "-n"}, args...)...)
}

// wire lays a cable from interface name here to s-name there.
func (s *switches) wire(name string, mac [6]byte) Port {
	s.t.Helper()
	s.run("ip", "link", "add", "name", name, "address", colons(string(mac[:])), "type", "veth", "peer", "name", "s-"+name, "netns", s.pid)
	s.there("ip", "link", "set", "s-"+name, "up")
	s.run("ip", "link", "set", name, "up")
	index, err := os.ReadFile("/sys/class/net/" + name + "/ifindex")
	if err != nil { // /sys shows the namespace it was mounted in
		index = bytes.SplitN([]byte(s.run("ip", "-o", "link", "show", name)), []byte(":"), 2)[0]
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(index)))
	if err != nil {
		s.t.Fatal(err)
	}
	return Port{Index: n, Name: name, MAC: mac}
}

// lldpd starts one at the other end, with lines of configuration, and returns
// when it sends. Its socket is returned for lldpcli.
func (s *switches) lldpd(config string, args ...string) string {
	s.t.Helper()
	dir := s.t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // lldpd gives up root
		s.t.Fatal(err)
	}
	file, control := filepath.Join(dir, "conf"), filepath.Join(dir, "socket")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		s.t.Fatal(err)
	}
	args = append([]string{"-t", s.pid, "-n", "lldpd", "-d", "-u", control, "-O", file}, args...)
	cmd := exec.Command("nsenter", args...)
	// lldpd is two processes; with a group of their own both end.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	var log bytes.Buffer
	ready, done := make(chan bool, 1), make(chan struct{})
	go func() { // it ends lines when the next begins
		defer close(done)
		defer close(ready)
		said := false
		for b := make([]byte, 4096); ; {
			n, err := stderr.Read(b)
			log.Write(b[:n])
			if !said && bytes.Contains(log.Bytes(), []byte("should resume operations")) {
				said = true
				ready <- true
			}
			if err != nil {
				return
			}
		}
	}()
	s.t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		late := time.AfterFunc(5*time.Second, func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		<-done
		cmd.Wait()
		late.Stop()
	})
	select {
	case ok := <-ready:
		if !ok {
			s.t.Fatalf("lldpd ended: %s", log.Bytes())
		}
	case <-time.After(20 * time.Second):
		s.t.Fatalf("lldpd does not start: %s", log.Bytes())
	}
	return control
}
