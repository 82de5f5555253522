package room_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/frisbee"
	"github.com/orbit-pxe/orbit/qemu/lab"
	"github.com/orbit-pxe/orbit/qemu/room"
)

func TestMain(m *testing.M) {
	room.Main()
	os.Exit(m.Run())
}

var group = netip.MustParseAddrPort("239.192.4.1:7777")

const mib = 1 << 20

// scene is a lab with an image on the server.
type scene struct {
	*lab.Lab
	t     *testing.T
	ctx   context.Context
	dir   string
	image string
	data  []byte
}

// newScene makes one in memory, for the disk of a busy machine has moods.
func newScene(t *testing.T, o lab.Options, size int) *scene {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(stop)
	dir, err := os.MkdirTemp("/dev/shm", "orbit-room")
	if err != nil {
		dir = t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &scene{Lab: lab.ForTest(t, o), t: t, ctx: ctx, dir: dir}
	s.image, s.data = s.file("image", size)
	return s
}

// file makes one of noise.
func (s *scene) file(name string, size int) (path string, data []byte) {
	s.t.Helper()
	var seed [32]byte
	copy(seed[:], name)
	data = make([]byte, size)
	rand.NewChaCha8(seed).Read(data)
	path = filepath.Join(s.dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path, data
}

func (s *scene) out(n *lab.Node) string { return filepath.Join(s.dir, n.Name) }

// ready starts a role that is to wait for its start.
func (s *scene) ready(h *lab.Host, r room.Role) *room.Process {
	s.t.Helper()
	p, err := room.Start(s.ctx, h, r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(p.Kill)
	if err := p.Ready(); err != nil {
		s.t.Fatal(err)
	}
	return p
}

// begin starts a role.
func (s *scene) begin(h *lab.Host, r room.Role) *room.Process {
	s.t.Helper()
	p := s.ready(h, r)
	s.release(p)
	return p
}

func (s *scene) release(p *room.Process) {
	s.t.Helper()
	if err := p.Go(); err != nil {
		s.t.Fatal(err)
	}
}

// web serves the image by HTTP, and gives the URL.
func (s *scene) web() string {
	s.t.Helper()
	w := &room.Web{File: s.image, Addr: netip.AddrPortFrom(s.Server.Addr, 8080)}
	s.begin(s.Server, w)
	return w.URL()
}

// finish waits for a client, which must have the data.
func (s *scene) finish(p *room.Process, n *lab.Node, data []byte) room.Got {
	s.t.Helper()
	var got room.Got
	if err := p.Wait(&got); err != nil {
		s.t.Errorf("%v; %+v", err, got.Stats)
		return got
	}
	s.check(n, data)
	return got
}

func (s *scene) check(n *lab.Node, data []byte) {
	s.t.Helper()
	b, err := os.ReadFile(s.out(n))
	if err != nil || !bytes.Equal(b, data) {
		s.t.Errorf("%s has %d bytes that are not the %d of the image (%v)", n.Name, len(b), len(data), err)
	}
}

// end ends a server.
func (s *scene) end(p *room.Process) frisbee.ServerStats {
	s.t.Helper()
	var n frisbee.ServerStats
	if err := p.Stop(&n); err != nil {
		s.t.Error(err)
	}
	return n
}

// fill has all nodes take the image from a server, and gives what each tells.
func (s *scene) fill(server *room.Serve, get func(n *lab.Node) *room.Get) ([]room.Got, frisbee.ServerStats) {
	s.t.Helper()
	server.File, server.Peer = s.image, group
	p := s.begin(s.Server, server)
	var all []*room.Process
	for _, n := range s.Nodes {
		g := get(n)
		g.File, g.Peer = s.out(n), group
		all = append(all, s.ready(n.Host, g))
	}
	for _, p := range all {
		s.release(p)
	}
	var told []room.Got
	for i, p := range all {
		told = append(told, s.finish(p, s.Nodes[i], s.data))
	}
	return told, s.end(p)
}

// until waits for something that a process does.
func (s *scene) until(what string, happened func() bool) {
	s.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !happened() {
		select {
		case <-s.ctx.Done():
			s.t.Fatalf("%s: %v", what, context.Cause(s.ctx))
		case <-tick.C:
		}
	}
}

// has waits until a node has written so many bytes of its file.
func (s *scene) has(n *lab.Node, bytes int64) {
	s.t.Helper()
	s.until(n.Name+" gets data", func() bool { return onDisk(s.t, s.out(n)) >= bytes })
}

// onDisk is how much of a file there is, holes not counted.
func onDisk(t *testing.T, path string) int64 {
	t.Helper()
	var st unix.Stat_t
	err := unix.Stat(path, &st)
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return st.Blocks * 512
}

func slow(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("ORBIT_SLOW") == "" {
		t.Skip(why + " (set ORBIT_SLOW=1)")
	}
}

func longest(all []room.Got) (d time.Duration) {
	for _, g := range all {
		d = max(d, g.Took)
	}
	return d
}
