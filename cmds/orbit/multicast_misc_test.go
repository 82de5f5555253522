//go:build !node

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/frisbee"
	"github.com/orbit-pxe/orbit/pkg/frisbee/master"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// shelf is a master server's store of one image.
type shelf struct{ path string }

func (s *shelf) Get(_ context.Context, _ netip.Addr, m wire.Get) (r wire.GetReply, err error) {
	if m.ID != "proj/img" {
		return r, wire.CodeUnknown
	}
	var u master.Upload
	if err := u.Stat(s.path); err != nil || !u.Exists {
		return r, wire.CodeUnknown
	}
	r.Method, r.Running, r.Size, r.Signature = wire.Multicast, true, u.Size, u.Signature
	r.Server, r.Addr, r.Port = [4]byte{127, 0, 0, 1}, [4]byte{239, 1, 2, 3}, 7000
	return r, nil
}

func (s *shelf) Put(_ context.Context, _ netip.Addr, m wire.Put) (u master.Upload, err error) {
	if m.ID != "proj/img" {
		return u, wire.CodeDenied
	}
	u.Max = 1 << 30
	u.Create = func(context.Context) (master.Writer, error) { return master.Create(s.path) }
	return u, u.Stat(s.path)
}

func TestMaster(t *testing.T) {
	path, want := random(t, "img.ndz", 3*mib)
	store := &shelf{filepath.Join(t.TempDir(), "stored")}
	listen, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- (&master.Server{Handler: store}).Serve(ctx, listen) }()
	defer func() { stop(); <-done }()
	at := listen.Addr().String()
	if out, errs, status := orbit(t, "multicast", "status", at, "proj/img"); status != 0 || !strings.Contains(out, "get  refused: ") || !strings.Contains(out, "put  makes it anew, at most 1.0 GiB") {
		t.Errorf("status before: %d\n%s%s", status, out, errs)
	}
	out, errs, status := orbit(t, "multicast", "upload", at, "proj/img", path)
	if status != 0 || !strings.Contains(out, at+" has proj/img: 3.0 MiB in ") {
		t.Errorf("upload: %d\n%s%s", status, out, errs)
	}
	if got, _ := os.ReadFile(store.path); !bytes.Equal(got, want) {
		t.Errorf("the server has %d bytes, which are not the image", len(got))
	}
	out, errs, status = orbit(t, "multicast", "status", at, "proj/img")
	if status != 0 || !strings.Contains(out, "get  3.0 MiB (3145728 bytes) of 20") || !strings.Contains(out, "being sent by multicast to 239.1.2.3:7000 from 127.0.0.1") || !strings.Contains(out, "put  replaces 3145728 bytes") {
		t.Errorf("status: %d\n%s%s", status, out, errs)
	}
	if _, errs, status := orbit(t, "multicast", "upload", at, "proj/other", path); status != 1 || !strings.Contains(errs, "denied") {
		t.Errorf("upload elsewhere: %d %s", status, errs)
	}
}

func TestMulticastUsage(t *testing.T) {
	dir := t.TempDir()
	store(t, dir, "a", []byte("a"))
	store(t, dir, "empty", nil)
	t.Chdir(dir)
	for _, test := range []struct {
		args   string
		status int
		words  string
	}{
		{"fly", 2, `no verb multicast "fly"`},
		{"serve", 2, "want one IMAGE"},
		{"serve none", 1, "no such file"},
		{"serve empty", 1, "is empty"},
		{"serve .", 1, "not a regular file"},
		{"serve --group 1.2.3.4 a", 2, "ADDRESS:PORT"},
		{"serve --rate 5 a", 2, "bits in a second"},
		{"serve --rate 5M --max-rate 5M a", 2, "exclude"},
		{"serve --share 2 a", 2, "--share"},
		{"serve --ttl 0 a", 2, "--ttl"},
		{"serve --idle -1s a", 2, "--idle"},
		{"serve --interface none0 a", 1, "none0"},
		{"get 239.1.1.1:7000", 2, "want PEER and FILE"},
		{"get nobody x", 2, "ADDRESS:PORT"},
		{"get --wait 0s 239.1.1.1:7000 x", 2, "--wait"},
		{"get --interface lo 239.1.1.1:7000 .", 1, "imagenode writes disks"},
		{"check", 2, "want one PEER"},
		{"upload 127.0.0.1:1 id none", 1, "no such file"},
		{"upload 127.0.0.1:1 id a", 1, "refused"},
		{"upload 127.0.0.1:x id a", 2, "HOST:PORT"},
		{"status 127.0.0.1:1 id", 1, "refused"},
	} {
		out, errs, status := orbit(t, append([]string{"multicast"}, strings.Fields(test.args)...)...)
		if status != test.status || !strings.Contains(out+errs, test.words) {
			t.Errorf("%s: status %d, want %d; %q in\n%s%s", test.args, status, test.status, test.words, out, errs)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 2 {
		t.Errorf("files are left behind: %v %v", files, err)
	}
}

func TestMulticastHelp(t *testing.T) {
	out, _, status := orbit(t, "multicast")
	if status != 0 {
		t.Errorf("status %d", status)
	}
	for _, v := range multicastVerbs() {
		text, errs, status := orbit(t, "multicast", v.name, "--help")
		if status != 0 || errs != "" {
			t.Errorf("%s --help: %d %s", v.name, status, errs)
		}
		out += "\n" + text
	}
	golden(t, "multicast-help.txt", out)
}

// The sums of a file lie beside it, whatever its URL asks for besides.
func TestSumsBeside(t *testing.T) {
	_, file := random(t, "x", 2*mib)
	sums, err := frisbee.Sum(t.Context(), bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	text, err := sums.AppendText(nil)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.RawQuery != "token=a/b":
			w.WriteHeader(http.StatusForbidden)
		case r.URL.Path == "/a b.ndz":
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file))
		case r.URL.Path == "/a b.ndz"+frisbee.SumsSuffix:
			w.Write(text)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer web.Close()
	g := &reception{url: web.URL + "/a%20b.ndz?token=a/b"}
	if err := g.openWeb(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer g.web.Close()
	if g.sums == nil || !g.sums.Check(0, file[:mib]) {
		t.Error("the sums beside the file are not found")
	}
}

// The live line is redrawn in place, and never reaches the last column.
func TestTeller(t *testing.T) {
	pair, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo terminals here: ", err)
	}
	defer pair.Close()
	n, err := unix.IoctlGetInt(int(pair.Fd()), unix.TIOCGPTN)
	if err := errors.Join(err, unix.IoctlSetPointerInt(int(pair.Fd()), unix.TIOCSPTLCK, 0)); err != nil {
		t.Fatal(err)
	}
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo terminals here: ", err)
	}
	defer terminal.Close()
	if err := unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 30}); err != nil {
		t.Fatal(err)
	}
	w := newTeller(terminal, false)
	w.state("a line that is longer than the terminal is wide ×")
	w.line("joined  %s", "10.0.0.1")
	w.state("short ×")
	w.close()
	w.line("end")
	b := make([]byte, 4096)
	var got string
	for !strings.Contains(got, "end\r\n") {
		n, err := pair.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		got += string(b[:n])
	}
	long := "a line that is longer than th"
	pad := len(long) - len([]rune("short ×"))
	want := "\r" + long + "\r" + strings.Repeat(" ", 29) + "\rjoined  10.0.0.1\r\n" +
		"\r" + long + "\rshort ×" + strings.Repeat(" ", pad) + strings.Repeat("\b", pad) + "\r" + strings.Repeat(" ", 7) + "\rend\r\n"
	if got != want {
		t.Errorf("the terminal gets\n%q, want\n%q", got, want)
	}
}
