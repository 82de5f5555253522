package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/frisbee"
	"github.com/orbit-pxe/orbit/pkg/imaging"
	"github.com/orbit-pxe/orbit/pkg/ndz"
	"github.com/orbit-pxe/orbit/qemu/lab"
)

var session = netip.MustParseAddrPort("239.192.6.1:7799")

// send sends a file to the room until the test ends.
func send(t *testing.T, l *lab.Lab, file []byte) (s *frisbee.Server) {
	t.Helper()
	err := l.Server.Do(func() (err error) {
		s, err = frisbee.NewServer(frisbee.ServerOptions{File: bytes.NewReader(file), Size: int64(len(file)), Peer: session, Interface: lab.Interface})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	return s
}

// web serves a directory by HTTP on the server of a lab.
func web(t *testing.T, l *lab.Lab, dir string) string {
	t.Helper()
	server := httptest.NewUnstartedServer(http.FileServer(http.Dir(dir)))
	server.Listener.Close()
	err := l.Server.Do(func() (err error) {
		server.Listener, err = net.Listen("tcp4", ":0")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	server.Start()
	t.Cleanup(server.Close)
	return "http://" + netip.AddrPortFrom(l.Server.Addr, uint16(server.Listener.Addr().(*net.TCPAddr).Port)).String()
}

// TestMulticast writes an image by multicast, as a process on a node of a lab,
// which finds the interface by itself.
func TestMulticast(t *testing.T) {
	l := lab.ForTest(t, lab.Options{Nodes: 1})
	raw, dir := filepath.Join(t.TempDir(), "raw"), t.TempDir()
	if err := os.WriteFile(raw, diskImage(t, 64*mib), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := imaging.Save(t.Context(), imaging.SaveOptions{Disk: raw, Dest: filepath.Join(dir, "x.img.zst")}); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(filepath.Join(dir, "x.img.zst"))
	if err != nil {
		t.Fatal(err)
	}
	send(t, l, file)
	url, disk := web(t, l, dir)+"/x.img.zst", filepath.Join(t.TempDir(), "disk")
	r := onNode(t, l, "--json", "--multicast", session.String(), url, disk)
	if r.Multicast < int64(len(file))*9/10 {
		t.Errorf("of %d bytes %d came by multicast", len(file), r.Multicast)
	}
	if out, err := exec.Command("cmp", raw, disk).CombinedOutput(); err != nil {
		t.Errorf("the disk is not what was saved: %v %s", err, out)
	}
}

// TestFrisbee writes an .ndz that comes by multicast alone.
func TestFrisbee(t *testing.T) {
	l := lab.ForTest(t, lab.Options{Nodes: 1})
	want := diskImage(t, 48*mib)
	var file bytes.Buffer
	whole := extent.NewSet(extent.Range{End: int64(len(want))})
	if _, err := ndz.Write(t.Context(), &file, bytes.NewReader(want), int64(len(want)), whole, ndz.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	send(t, l, file.Bytes())
	disk := filepath.Join(t.TempDir(), "disk")
	onNode(t, l, "--json", "frisbee://"+session.String()+"%"+lab.Interface, disk)
	if got, err := os.ReadFile(disk); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the disk is not the image: %v", err)
	}
}

// onNode runs imagenode on the first node, and gives its receipt.
func onNode(t *testing.T, l *lab.Lab, args ...string) imaging.Receipt {
	t.Helper()
	cmd := program(t, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := l.Nodes[0].Run(cmd); err != nil {
		t.Fatalf("%v: %v\n%s%s", args, err, &stdout, &stderr)
	}
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	var last struct{ Receipt imaging.Receipt }
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatalf("%s: %v", lines[len(lines)-1], err)
	}
	return last.Receipt
}

func TestMulticastUsage(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--multicast", "239.1.2.3", "http://head/x", "disk"}, "ADDRESS:PORT"},
		{[]string{"--multicast", "239.1.2.3:7000", "image.zst", "disk"}, "URL"},
		{[]string{"--multicast", "239.1.2.3:7000", "frisbee://239.1.2.3:7000", "disk"}, "--multicast is for"},
		{[]string{"--multicast", "239.1.2.3:7000", "http.img.zst", "disk"}, "--multicast needs the http"},
		{[]string{"frisbee://239.1.2.3", "disk"}, "frisbee://GROUP:PORT"},
		{[]string{"frisbee://239.1.2.3/image", "disk"}, "master server has"},
		{[]string{"frisbee://head", "disk"}, "frisbee://SERVER/IMAGEID"},
	} {
		var stderr bytes.Buffer
		cmd := program(t, c.args...)
		cmd.Stderr = &stderr
		cmd.Run()
		if code := cmd.ProcessState.ExitCode(); code != 2 || !strings.Contains(stderr.String(), c.want) {
			t.Errorf("%v: exit %d, %s", c.args, code, &stderr)
		}
	}
}
