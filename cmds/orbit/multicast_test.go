//go:build !node

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee"
	"github.com/orbit-pxe/orbit/qemu/lab"
)

// TestMain is orbit itself where a test starts it as a process.
func TestMain(m *testing.M) {
	if os.Getenv("ORBIT_TEST_MAIN") != "" {
		main()
	}
	os.Exit(m.Run())
}

// command is orbit as a process.
func command(ctx context.Context, t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(ctx, self, args...)
	c.Env = append(os.Environ(), "ORBIT_TEST_MAIN=1")
	return c
}

// random is a file of random bytes.
func random(t *testing.T, name string, size int) (path string, b []byte) {
	t.Helper()
	b = make([]byte, size)
	rand.NewChaCha8([32]byte{byte(size)}).Read(b)
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path, b
}

// sending is orbit multicast serve, running.
type sending struct {
	cmd   *exec.Cmd
	out   *bufio.Scanner
	errs  bytes.Buffer
	ended chan error
	first struct {
		Peer     netip.AddrPort
		URL      string
		Commands []string
	}
}

// event is any line of JSON.
type event struct {
	Event   string
	Client  string
	Sent    int64
	Times   float64
	Joined  int
	Clients json.RawMessage
	HTTP    int64

	Bytes, Multicast, Repaired int64
	Checked                    bool
	CPU, Seconds               float64
	Error                      string
}

func startServe(t *testing.T, l *lab.Lab, args ...string) *sending {
	t.Helper()
	s := &sending{cmd: command(t.Context(), t, append([]string{"multicast", "serve", "--json", "--interface", lab.Interface}, args...)...), ended: make(chan error, 1)}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	s.cmd.Stdout, s.cmd.Stderr = w, &s.errs
	p, err := l.Server.Start(s.cmd)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	go func() { s.ended <- p.Wait() }()
	s.out = bufio.NewScanner(r)
	s.out.Buffer(nil, 1<<20)
	if !s.out.Scan() {
		t.Fatalf("serve: %v %s", <-s.ended, s.errs.String())
	}
	if err := json.Unmarshal(s.out.Bytes(), &s.first); err != nil {
		t.Fatal(err)
	}
	return s
}

// end is Ctrl-C. It gives the last event.
func (s *sending) end(t *testing.T) (last event) {
	t.Helper()
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for s.out.Scan() {
		last = event{}
		if err := json.Unmarshal(s.out.Bytes(), &last); err != nil {
			t.Errorf("%s: %v", s.out.Text(), err)
		}
		seen[last.Event]++
	}
	if err := <-s.ended; err != nil {
		t.Errorf("serve: %v\n%s", err, s.errs.String())
	}
	if last.Event != "done" || seen["joined"] != last.Joined || seen["left"] != last.Joined {
		t.Errorf("last event %+v; seen %v", last, seen)
	}
	return last
}

// runOn runs orbit on a node, and gives the last line of JSON that it prints.
func runOn(t *testing.T, n *lab.Node, args ...string) (last event, err error) {
	var out, errs bytes.Buffer
	c := command(t.Context(), t, append([]string{"multicast"}, args...)...)
	c.Stdout, c.Stderr = &out, &errs
	if err = n.Run(c); err != nil {
		err = fmt.Errorf("%w: %s", err, errs.String())
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if bad := json.Unmarshal([]byte(lines[len(lines)-1]), &last); bad != nil && err == nil && args[0] == "get" {
		t.Errorf("%q: %v in %s", args, bad, out.String())
	}
	return last, err
}

// A file goes to several machines at once, as processes in network namespaces;
// what nodes need beside multicast is there.
func TestMulticast(t *testing.T) {
	l := lab.ForTest(t, lab.Options{Nodes: 4})
	path, want := random(t, "my image", 9*mib+777)
	s := startServe(t, l, "--group", "239.195.7.7:7007", "--http", ":8123", path)
	url := "http://" + l.Server.Addr.String() + ":8123/my%20image"
	if s.first.URL != url || s.first.Peer.String() != "239.195.7.7:7007" || len(s.first.Commands) == 0 {
		t.Errorf("it says %+v", s.first)
	}
	dir := t.TempDir()
	var all sync.WaitGroup
	for i, args := range [][]string{{"--http", url}, {}, {"--http", url, "--classic"}} {
		all.Go(func() {
			out := filepath.Join(dir, fmt.Sprint(i))
			e, err := runOn(t, l.Nodes[i], append([]string{"get", "--json", "--interface", lab.Interface, s.first.Peer.String(), out}, args...)...)
			if err != nil {
				t.Error(err)
				return
			}
			got, _ := os.ReadFile(out)
			if !bytes.Equal(got, want) {
				t.Errorf("node %d has %d bytes, which are not the file", i, len(got))
			}
			if e.Event != "done" || e.Bytes != int64(len(want)) || e.Multicast+e.Repaired != e.Bytes || e.Multicast == 0 ||
				e.Checked != (len(args) > 0) || e.CPU <= 0 || e.Seconds <= 0 || e.Error != "" {
				t.Errorf("node %d: %+v", i, e)
			}
		})
	}
	all.Wait()
	if _, err := runOn(t, l.Nodes[3], "check", s.first.Peer.String()+"%"+lab.Interface); err != nil {
		t.Errorf("check: %v", err)
	}
	var code *exec.ExitError
	if _, err := runOn(t, l.Nodes[3], "check", "--wait", "300ms", "239.195.7.8:7008%"+lab.Interface); !errors.As(err, &code) || code.ExitCode() != exitSilent {
		t.Errorf("check of a group that nobody sends to: %v", err)
	}
	// No multicast: all by HTTP, and it says so.
	out := filepath.Join(dir, "web")
	e, err := runOn(t, l.Nodes[3], "get", "--json", "--wait", "300ms", "--http", url, "239.195.7.8:7008%"+lab.Interface, out)
	if got, _ := os.ReadFile(out); err != nil || !bytes.Equal(got, want) || e.Repaired != int64(len(want)) || e.Multicast != 0 {
		t.Errorf("without multicast: %v, %+v", err, e)
	}
	checkWeb(t, l, url, want)
	last := s.end(t)
	// Three, and the one that checks.
	if last.Joined != 4 || last.Sent < int64(len(want)) || last.Times < 1 || last.Times > 4 || last.HTTP < int64(len(want)) {
		t.Errorf("totals %+v", last)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 4 {
		t.Errorf("%d files are left: %v", len(files), err)
	}
}

// checkWeb looks at what is served by HTTP.
func checkWeb(t *testing.T, l *lab.Lab, url string, want []byte) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DialContext: l.Nodes[0].DialContext, DisableKeepAlives: true}}
	get := func(method, url, r string) (*http.Response, []byte) {
		req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if r != "" {
			req.Header.Set("Range", "bytes="+r)
		}
		a, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		b, err := io.ReadAll(a.Body)
		if err != nil {
			t.Fatal(err)
		}
		return a, b
	}
	n := len(want)
	for r, part := range map[string][]byte{"0-0": want[:1], "1048570-1048590": want[1048570:1048591], fmt.Sprintf("%d-", n-5): want[n-5:], "-7": want[n-7:]} {
		if a, b := get("GET", url, r); a.StatusCode != 206 || !bytes.Equal(b, part) || a.Header.Get("ETag") == "" {
			t.Errorf("range %s: %s, %d bytes", r, a.Status, len(b))
		}
	}
	if a, _ := get("GET", url, "99999999-"); a.StatusCode != 416 {
		t.Errorf("behind the end: %s", a.Status)
	}
	if a, b := get("HEAD", url, ""); a.StatusCode != 200 || a.ContentLength != int64(n) || len(b) > 0 {
		t.Errorf("HEAD: %s, %d bytes", a.Status, a.ContentLength)
	}
	if a, _ := get("DELETE", url, ""); a.StatusCode != 405 {
		t.Errorf("DELETE: %s", a.Status)
	}
	if a, _ := get("GET", url+"/../../etc/passwd", ""); a.StatusCode != 404 {
		t.Errorf("elsewhere: %s", a.Status)
	}
	sums, err := frisbee.Sum(t.Context(), bytes.NewReader(want))
	if err != nil {
		t.Fatal(err)
	}
	text, _ := sums.AppendText(nil)
	if a, b := get("GET", url+frisbee.SumsSuffix, ""); a.StatusCode != 200 || !bytes.Equal(b, text) {
		t.Errorf("sums: %s\n%s", a.Status, b)
	}
}

// A session ends by itself when it is told to.
func TestMulticastEnds(t *testing.T) {
	l := lab.ForTest(t, lab.Options{Nodes: 1, MTU: 9000})
	path, want := random(t, "x.raw", 2*mib)
	for _, args := range [][]string{{"--idle", "500ms"}, {"--once", "--rate", "100M"}, {"--jumbo", "--once", "--classic"}} {
		s := startServe(t, l, append(args, "--http", "", "--group", "239.195.7.9:7009", path)...)
		if s.first.URL != "" {
			t.Errorf("URL %s", s.first.URL)
		}
		out := filepath.Join(t.TempDir(), "out")
		jumbo := fmt.Sprintf("--jumbo=%t", args[0] == "--jumbo")
		if _, err := runOn(t, l.Nodes[0], "get", "--json", jumbo, "239.195.7.9:7009%"+lab.Interface, out); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(out); !bytes.Equal(got, want) {
			t.Errorf("%q: %d bytes, which are not the file", args, len(got))
		}
		select {
		case err := <-s.ended:
			if err != nil {
				t.Errorf("%q: %v %s", args, err, s.errs.String())
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%q does not end", args)
		}
	}
}
