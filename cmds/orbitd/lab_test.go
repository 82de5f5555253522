package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// asOrbitd makes the test binary be orbitd, so that it can run in a network
// namespace of its own.
const asOrbitd = "ORBITD_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asOrbitd) == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	os.Exit(exitCode(run(ctx, os.Stdout, os.Stderr, os.Args[1:]), os.Stderr))
}

// namespace is a network of one machine.
type namespace struct {
	t  *testing.T
	fd *os.File
}

// within runs f on a thread that is in the namespace, and ends the thread.
func (n *namespace) within(f func() error) error {
	ended := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread is spoilt for others
		err := unix.Setns(int(n.fd.Fd()), unix.CLONE_NEWNET)
		if err == nil {
			err = f()
		}
		ended <- err
	}()
	return <-ended
}

func (n *namespace) must(f func() error) {
	n.t.Helper()
	if err := n.within(f); err != nil {
		n.t.Fatal(err)
	}
}

func newNamespace(t *testing.T) *namespace {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("network namespaces need root")
	}
	n := &namespace{t: t}
	ended := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			n.fd, err = os.Open("/proc/thread-self/ns/net")
		}
		ended <- err
	}()
	if err := <-ended; err != nil {
		t.Skipf("no network namespace can be made here: %v", err)
	}
	t.Cleanup(func() { n.fd.Close() })
	n.must(func() error {
		// Link-local addresses are to work at once, without the check for twins.
		return errors.Join(os.WriteFile("/proc/sys/net/ipv6/conf/default/accept_dad", []byte("0"), 0o644), up("lo"))
	})
	return n
}

func up(name string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(link)
}

// newHead makes the head's machine, with 10.77.0.1/24 on a bridge.
func newHead(t *testing.T) *namespace {
	t.Helper()
	n := newNamespace(t)
	n.must(func() error {
		br := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}
		addr, err := netlink.ParseAddr("10.77.0.1/24")
		return errors.Join(err, netlink.LinkAdd(br), netlink.AddrAdd(br, addr), netlink.LinkSetUp(br))
	})
	return n
}

// newNode makes a machine with eth0 on the head's bridge; address may be "".
func newNode(t *testing.T, head *namespace, port, mac, address string) *namespace {
	t.Helper()
	n := newNamespace(t)
	hw, err := net.ParseMAC(mac)
	if err != nil {
		t.Fatal(err)
	}
	head.must(func() error {
		br, err := netlink.LinkByName("br0")
		if err != nil {
			return err
		}
		veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: port, MasterIndex: br.Attrs().Index},
			PeerName: "eth0", PeerHardwareAddr: hw, PeerNamespace: netlink.NsFd(n.fd.Fd())}
		return errors.Join(netlink.LinkAdd(veth), netlink.LinkSetUp(veth))
	})
	n.must(func() error {
		if address != "" {
			link, err := netlink.LinkByName("eth0")
			if err != nil {
				return err
			}
			addr, err := netlink.ParseAddr(address)
			if err := errors.Join(err, netlink.AddrAdd(link, addr)); err != nil {
				return err
			}
		}
		return up("eth0")
	})
	return n
}

// start runs a command in the namespace until its context ends.
func (n *namespace) start(cmd *exec.Cmd) {
	n.t.Helper()
	n.must(cmd.Start)
}

// orbitd runs a verb to its end.
func (n *namespace) orbitd(args ...string) (string, error) {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asOrbitd+"=1")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := n.within(cmd.Run)
	return out.String(), err
}

// serve runs orbitd in the namespace and returns when it is ready. The function
// returned stops it and returns its log.
func (n *namespace) serve(dir string, args ...string) (stop func() string) {
	n.t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{"serve", "--interface", "br0", "--dir", dir, "-v"}, args...)...)
	cmd.Env = append(os.Environ(), asOrbitd+"=1")
	pipe, err := cmd.StderrPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	n.start(cmd)
	ready := make(chan bool, 1)
	var log strings.Builder
	var reading sync.WaitGroup
	reading.Go(func() {
		for lines := bufio.NewScanner(pipe); lines.Scan(); {
			log.WriteString(lines.Text() + "\n")
			if strings.Contains(lines.Text(), "msg=serving") {
				ready <- true
			}
		}
		close(ready)
	})
	stop = sync.OnceValue(func() string {
		n.t.Helper()
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			n.t.Errorf("stop orbitd: %v", err)
		}
		reading.Wait()
		if err := cmd.Wait(); err != nil {
			n.t.Errorf("orbitd ended with %v", err)
		}
		if n.t.Failed() {
			n.t.Logf("orbitd log:\n%s", log.String())
		}
		return log.String()
	})
	n.t.Cleanup(func() { stop() })
	if !<-ready {
		n.t.Fatal("orbitd ended before it was ready")
	}
	return stop
}

// get fetches a URL from inside the namespace.
func (n *namespace) get(url string) string {
	n.t.Helper()
	status, body := n.call(http.MethodGet, url, "")
	if status != http.StatusOK {
		n.t.Fatalf("get %s: %d\n%s", url, status, body)
	}
	return body
}

// call makes a request from inside the namespace.
func (n *namespace) call(method, url, body string) (status int, reply string) {
	n.t.Helper()
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: n.dial}}
	req, err := http.NewRequestWithContext(n.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		n.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		n.t.Fatalf("%s %s: %v", method, url, err)
	}
	return resp.StatusCode, string(data)
}

// dial makes a connection from inside the namespace.
func (n *namespace) dial(ctx context.Context, network, addr string) (conn net.Conn, err error) {
	err = n.within(func() error {
		conn, err = (&net.Dialer{}).DialContext(ctx, network, addr)
		return err
	})
	return conn, err
}
