package imaging

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/frisbee/master"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/pkg/ndz"
	"github.com/orbit-pxe/orbit/pkg/ndz/ndztest/packed"
	"github.com/orbit-pxe/orbit/qemu/lab"
)

// alone are the options of a node that has nothing but multicast.
func (c *classroom) alone(disk string) WriteOptions {
	return WriteOptions{
		Source: "frisbee://" + roomPeer.String() + "%" + lab.Interface, Disk: disk, Verify: VerifyDisk,
		soloRoom: func(r *Room) *Room {
			s := c.room()
			s.Peer, s.Server = r.Peer, r.Server
			return s
		},
	}
}

// TestSolo writes images of the real tools, and of ours, by multicast alone.
func TestSolo(t *testing.T) {
	for _, g := range readGoldens(t) {
		if g.sealed() || g.Delta {
			continue
		}
		t.Run(g.name(), func(t *testing.T) {
			t.Parallel()
			file := g.read(t)
			c := newClassroom(t, nil, lab.Options{})
			c.serve(bytes.NewReader(file), int64(len(file)), 0)
			o := c.alone(filepath.Join(t.TempDir(), "disk"))
			r := c.write(o)
			if got := sum(bytesOf(t, o.Disk)); got != g.Zero.SHA256 || r.Bytes != g.Zero.Size {
				t.Errorf("%d bytes, %s, want %d, %s", r.Bytes, got, g.Zero.Size, g.Zero.SHA256)
			}
			if r.Multicast < int64(len(file)) || r.Stored != r.Multicast {
				t.Errorf("of %d bytes %d came by multicast; %d stored", len(file), r.Multicast, r.Stored)
			}
		})
	}
}

// TestSoloDisk writes over a disk that had another life, with losses.
func TestSoloDisk(t *testing.T) {
	t.Parallel()
	disk, used := usedDisk(t, 64*mib, 512, 6)
	file := packed.Used(t, disk, used)
	c := newClassroom(t, nil, lab.Options{Seed: 2})
	if err := c.lab.Nodes[0].Impair(lab.Impairment{Loss: 0.02}, lab.Impairment{Loss: 0.02}); err != nil {
		t.Fatal(err)
	}
	server, _ := c.serve(bytes.NewReader(file), int64(len(file)), 0)
	dev := otherLife(t, 64*mib, 512)
	for _, unused := range []Unused{Keep, Zero} {
		o := c.alone(dev)
		o.Unused = unused
		c.write(o)
		holdsImage(t, dev, disk, used)
	}
	if n := server.Stats().Bytes; n > uint64(len(file))*5/2 {
		t.Errorf("the server sent %d bytes of a file of %d, for two", n, len(file))
	}
	plan, err := MakePlan(t.Context(), c.alone(dev))
	if err != nil || plan.Err() != nil || !strings.Contains(plan.String(), "gpt") && !strings.Contains(plan.String(), "GPT") {
		t.Errorf("plan: %v\n%s", err, plan)
	}
	_, err = Write(t.Context(), func() WriteOptions { o := c.alone(loop(t, 32*mib, 512)); return o }())
	var small *TooSmallError
	if !errors.As(err, &small) || !strings.Contains(err.Error(), "nothing was changed") {
		t.Errorf("a small disk: %v", err)
	}
}

// TestSoloFails has sessions that cannot be written, or not to their end.
func TestSoloFails(t *testing.T) {
	disk, used := usedDisk(t, 48*mib, 512, 6)
	file := packed.Used(t, disk, used)
	orbit := orbitImage(t, disk, used, 512)
	spoilt := bytes.Clone(file)
	spoilt[5*ndz.ChunkSize+ndz.HeaderSize+5000] ^= 1
	missing := bytes.Clone(file)
	copy(missing[3*ndz.ChunkSize:], missing[4*ndz.ChunkSize:5*ndz.ChunkSize])
	for name, c := range map[string]struct {
		file    []byte // nil: no server
		dies    int64  // after so many bytes
		changed bool
		want    string
	}{
		"no server":       {nil, 0, false, "does the session run"},
		"Orbit image":     {orbit, 0, false, "needs its URL: imagenode --multicast 239.192.5.1:7788 URL DISK"},
		"whole MiB":       {orbit[:len(orbit)/mib*mib], 0, false, "needs its URL"},
		"damaged":         {spoilt, 0, true, "damaged data"},
		"chunk misplaced": {missing, 0, true, "chunk missing or misplaced"},
		"cut short":       {file[:len(file)-ndz.ChunkSize], 0, true, "truncated"},
		"server dies":     {file, 5 * mib, true, "chunks are missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			room := newClassroom(t, nil, lab.Options{})
			if c.file != nil {
				dying := &countdown{ReaderAt: bytes.NewReader(c.file)}
				dying.left.Store(1 << 40)
				_, stop := room.serve(dying, int64(len(c.file)), 200e6)
				if c.dies > 0 {
					dying.left.Store(c.dies)
				}
				dying.zero = func() { go stop() }
			}
			dev := loop(t, 48*mib, 512)
			before := bytesOf(t, dev)
			_, err := Write(t.Context(), room.alone(dev))
			var failed *FailedError
			if err == nil || !strings.Contains(err.Error(), c.want) || errors.As(err, &failed) != c.changed {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if c.changed {
				noTable(t, dev, 512)
			} else {
				same(t, dev, bytesOf(t, dev), before)
			}
		})
	}
}

// TestSoloRefuses what needs a file in order, or an index.
func TestSoloRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		o    WriteOptions
		want string
	}{
		"digest":  {WriteOptions{SHA256: strings.Repeat("0", 64)}, "any order"},
		"root":    {WriteOptions{Root: [32]byte{1}}, "no index"},
		"room":    {WriteOptions{Room: &Room{Peer: roomPeer}}, "URL"},
		"address": {WriteOptions{Source: "frisbee://head"}, "want frisbee://GROUP:PORT"},
	} {
		if c.o.Source == "" {
			c.o.Source = "frisbee://" + roomPeer.String()
		}
		c.o.Disk = filepath.Join(t.TempDir(), "disk")
		if _, err := Write(t.Context(), c.o); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "nothing was changed") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseFrisbee(t *testing.T) {
	for s, want := range map[string]frisbeeURL{
		"frisbee://239.1.2.3:7000":         {room: &Room{Peer: netip.MustParseAddrPort("239.1.2.3:7000")}},
		"frisbee://239.1.2.3:7000/":        {room: &Room{Peer: netip.MustParseAddrPort("239.1.2.3:7000")}},
		"frisbee://10.1.2.3:7000%eth1":     {room: &Room{Peer: netip.MustParseAddrPort("10.1.2.3:7000"), Interface: "eth1"}},
		"FRISBEE://boss/emulab-ops/UB:2":   {host: "boss", port: "64494", id: "emulab-ops/UB:2"},
		"frisbee://10.0.0.1:99/a%20b":      {host: "10.0.0.1", port: "99", id: "a b"},
		"frisbee://boss":                   {},
		"frisbee://boss:7000":              {},
		"frisbee://239.1.2.3":              {},
		"frisbee://239.1.2.3/image":        {},
		"frisbee://239.1.2.3:7000/image":   {},
		"frisbee:///image":                 {},
		"frisbee://boss/%zz":               {},
		"frisbee://[::1]:7000/image":       {},
		"frisbee://boss/" + long(300, 'x'): {},
	} {
		got, err := parseFrisbee(s)
		if bad := want == (frisbeeURL{}); bad != (err != nil) {
			t.Errorf("%s: %+v, %v", s, got, err)
		}
		if want.room != nil && got.room != nil {
			if got.room.Peer != want.room.Peer || got.room.Interface != want.room.Interface {
				t.Errorf("%s: %+v", s, got.room)
			}
			continue
		}
		if got != want {
			t.Errorf("%s: %+v", s, got)
		}
	}
	if IsFrisbee("frisbee:/x") || IsFrisbee("http://x") || !IsFrisbee("Frisbee://x") {
		t.Error("IsFrisbee is wrong")
	}
}

func long(n int, c byte) string { return string(bytes.Repeat([]byte{c}, n)) }

// keeper is a master server's images: one, in the session of a classroom.
type keeper struct {
	once  sync.Once
	start func()
	reply wire.GetReply
}

func (k *keeper) Get(_ context.Context, _ netip.Addr, m wire.Get) (wire.GetReply, error) {
	switch {
	case m.ID == "proj/secret":
		return wire.GetReply{}, wire.CodeDenied
	case m.ID != "proj/image":
		return wire.GetReply{}, wire.CodeUnknown
	case !m.Status:
		k.once.Do(k.start)
	}
	return k.reply, nil
}

func (*keeper) Put(context.Context, netip.Addr, wire.Put) (master.Upload, error) {
	return master.Upload{}, wire.CodeMissing
}

// TestSoloMaster asks a master server for the session.
func TestSoloMaster(t *testing.T) {
	t.Parallel()
	disk, used := usedDisk(t, 32*mib, 512, 6)
	file := packed.Used(t, disk, used)
	c := newClassroom(t, nil, lab.Options{})
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &keeper{
		start: func() { c.serve(bytes.NewReader(file), int64(len(file)), 0) },
		reply: wire.GetReply{Method: wire.Multicast, Running: true, Addr: roomPeer.Addr().As4(), Port: roomPeer.Port(), Size: uint64(len(file))},
	}
	s := &master.Server{Handler: k}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); s.Serve(ctx, l) }()
	defer func() { stop(); <-done }()

	o := c.alone(filepath.Join(t.TempDir(), "disk"))
	at := "frisbee://" + l.Addr().String() + "/proj/"
	o.Source = at + "image"
	c.write(o)
	holdsImage(t, o.Disk, disk, used)

	for id, want := range map[string]string{"other": "check the image id", "secret": "only to certain nodes"} {
		o.Source = at + id
		if _, err := Write(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "nothing was changed") {
			t.Errorf("%s: %v", id, err)
		}
	}
	// Another file than the master server speaks of is refused.
	k.reply.Size += mib
	o.Source = at + "image"
	if _, err := Write(t.Context(), o); err == nil || !strings.Contains(err.Error(), "bytes, not") {
		t.Errorf("of another size: %v", err)
	}
	stop()
	<-done
	if _, err := Write(t.Context(), o); err == nil || !strings.Contains(err.Error(), "does a frisbee master server run there") {
		t.Errorf("no master server: %v", err)
	}
}
