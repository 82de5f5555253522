package imaging

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/qemu/lab"
)

func TestRoomWholeAndDelta(t *testing.T) {
	t.Parallel()
	disk, used, file := roomDisk(t, 64*mib)
	c := newClassroom(t, file, lab.Options{})
	server, _ := c.serve(bytes.NewReader(file), int64(len(file)), 0)
	dest := filepath.Join(t.TempDir(), "disk")
	r := c.write(WriteOptions{Disk: dest, Verify: VerifyDisk})
	holdsImage(t, dest, disk, used)
	if r.Multicast < int64(len(file))*9/10 {
		t.Errorf("%d of %d bytes came by multicast; notes: %q", r.Multicast, len(file), c.notes)
	}
	// The tail with the index, the head, and a table at the end.
	if n := c.served.Load(); n > 3*mib {
		t.Errorf("%d bytes by HTTP of an image of %d", n, len(file))
	}

	// Nothing is lacking: nobody joins.
	before := server.Stats()
	c.write(WriteOptions{Disk: dest})
	if n := c.opened.Load(); n != 0 {
		t.Errorf("a node that has it all opened %d sockets", n)
	}

	// A few spans are lacking: only their chunks are asked for.
	f, err := os.OpenFile(dest, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	spoil := 0
	for r := range used.All() {
		if r.Off > int64(spoil)*20*mib+10*mib && r.Len() > 4096 && spoil < 3 {
			spoil++
			f.WriteAt(bytes.Repeat([]byte{0x5a}, 4096), r.Off)
		}
	}
	f.Close()
	r = c.write(WriteOptions{Disk: dest})
	holdsImage(t, dest, disk, used)
	after := server.Stats()
	if n := after.Bytes - before.Bytes; n > 8*mib || n == 0 {
		t.Errorf("for %d spans the server sent %d bytes", spoil, n)
	}
	if r.Multicast == 0 || r.Written > 4*mib {
		t.Errorf("%d bytes by multicast, %d written", r.Multicast, r.Written)
	}
}

// TestRoomJumbo has a server of large blocks, which only its answer tells.
func TestRoomJumbo(t *testing.T) {
	t.Parallel()
	disk, used, file := roomDisk(t, 16*mib)
	c := newClassroom(t, file, lab.Options{})
	c.blocks = wire.Jumbo
	c.serve(bytes.NewReader(file), int64(len(file)), 0)
	dest := filepath.Join(t.TempDir(), "disk")
	r := c.write(WriteOptions{Disk: dest, Verify: VerifyDisk})
	holdsImage(t, dest, disk, used)
	if r.Multicast < int64(len(file))*9/10 {
		t.Errorf("%d of %d bytes came by multicast; notes: %q", r.Multicast, len(file), c.notes)
	}
	if n := c.opened.Load(); n != 2 {
		t.Errorf("%d sockets, want one of each kind", n)
	}
}

func TestRoomLoss(t *testing.T) {
	t.Parallel()
	disk, used, file := roomDisk(t, 48*mib)
	c := newClassroom(t, file, lab.Options{Seed: 4})
	if err := c.lab.Nodes[0].Impair(lab.Impairment{Loss: 0.05}, lab.Impairment{Loss: 0.05}); err != nil {
		t.Fatal(err)
	}
	c.serve(bytes.NewReader(file), int64(len(file)), 300e6)
	dest := filepath.Join(t.TempDir(), "disk")
	r := c.write(WriteOptions{Disk: dest, Verify: VerifyDisk})
	holdsImage(t, dest, disk, used)
	if r.Multicast < int64(len(file))*8/10 {
		t.Errorf("%d of %d bytes came by multicast; notes: %q", r.Multicast, len(file), c.notes)
	}
}

// TestRoomServerDies has the rest come by HTTP.
func TestRoomServerDies(t *testing.T) {
	t.Parallel()
	disk, used, file := roomDisk(t, 64*mib)
	c := newClassroom(t, file, lab.Options{})
	dying := &countdown{ReaderAt: bytes.NewReader(file)}
	_, stop := c.serve(dying, int64(len(file)), 200e6)
	dying.left.Store(int64(len(file)) / 3)
	dying.zero = func() { go stop() }
	dest := filepath.Join(t.TempDir(), "disk")
	r := c.write(WriteOptions{Disk: dest, Verify: VerifyDisk})
	holdsImage(t, dest, disk, used)
	if n := int64(len(file)); r.Multicast == 0 || r.Multicast > n*3/4 || c.served.Load() < n/4 {
		t.Errorf("of %d bytes %d came by multicast, %d by HTTP", n, r.Multicast, c.served.Load())
	}
	if n := c.said("fetching what multicast does not bring"); n != 1 {
		t.Errorf("said so %d times: %q", n, c.notes)
	}
}

// countdown calls zero when so many bytes were read.
type countdown struct {
	io.ReaderAt
	left atomic.Int64
	zero func()
}

func (c *countdown) ReadAt(p []byte, off int64) (int, error) {
	if n := c.left.Add(-int64(len(p))); n <= 0 && n > -int64(len(p)) {
		c.zero()
	}
	return c.ReaderAt.ReadAt(p, off)
}

// TestRoomSilent has no multicast at all: all comes by HTTP, and one note says so.
func TestRoomSilent(t *testing.T) {
	t.Parallel()
	disk, used, file := roomDisk(t, 16*mib)
	c := newClassroom(t, file, lab.Options{})
	dest := filepath.Join(t.TempDir(), "disk")
	r := c.write(WriteOptions{Disk: dest})
	holdsImage(t, dest, disk, used)
	if n := c.said("multicast does not arrive"); n != 1 || r.Multicast != 0 {
		t.Errorf("said so %d times: %q; %d bytes by multicast", n, c.notes, r.Multicast)
	}
	// Nor is there such an interface.
	room := c.room()
	room.open, room.Interface = nil, "none0"
	os.Remove(dest)
	c.write(WriteOptions{Disk: dest, Source: c.url, Room: room})
	holdsImage(t, dest, disk, used)
	if n := c.said("going by HTTP"); n != 1 {
		t.Errorf("said so %d times: %q", n, c.notes)
	}
}

// TestRoomOtherImage has a server with another image: of another size, and of
// the same. The disk is right, and what is wrong is not asked for for ever.
func TestRoomOtherImage(t *testing.T) {
	disk, used, file := roomDisk(t, 48*mib)
	noise := make([]byte, len(file))
	rand.NewChaCha8([32]byte{7}).Read(noise)
	spoilt := bytes.Clone(file)
	for off := 0; off < len(spoilt); off += mib {
		spoilt[off+mib/3%min(mib, len(spoilt)-off)] ^= 1
	}
	for name, other := range map[string][]byte{"size": noise[:len(noise)/2], "content": noise, "a bit of every chunk": spoilt} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClassroom(t, file, lab.Options{})
			server, _ := c.serve(bytes.NewReader(other), int64(len(other)), 0)
			dest := filepath.Join(t.TempDir(), "disk")
			c.write(WriteOptions{Disk: dest, Verify: VerifyDisk})
			holdsImage(t, dest, disk, used)
			if c.said("HTTP") == 0 {
				t.Errorf("nothing said: %q", c.notes)
			}
			if n := server.Stats().Bytes; n > uint64(len(other))*3/2 {
				t.Errorf("the server sent %d bytes of a file of %d", n, len(other))
			}
		})
	}
}

// TestRoomDiskFails ends with the disk's error, not with the network.
func TestRoomDiskFails(t *testing.T) {
	t.Parallel()
	_, _, file := roomDisk(t, 32*mib)
	c := newClassroom(t, file, lab.Options{})
	c.serve(bytes.NewReader(file), int64(len(file)), 0)
	dying := errors.New("the disk is dying")
	_, err := Write(t.Context(), WriteOptions{
		Source: c.url, Room: c.room(), Disk: filepath.Join(t.TempDir(), "disk"),
		seam: func(d device) device { return &tired{device: d, err: dying} },
	})
	var failed *FailedError
	if !errors.As(err, &failed) || !errors.Is(err, dying) {
		t.Errorf("got %v", err)
	}
}

// tired takes a few writes.
type tired struct {
	device
	writes atomic.Int32
	err    error
}

func (f *tired) WriteAt(p []byte, off int64) (int, error) {
	if f.writes.Add(1) > 10 {
		return 0, f.err
	}
	return f.device.WriteAt(p, off)
}

// TestRoomCancelled ends at once.
func TestRoomCancelled(t *testing.T) {
	t.Parallel()
	_, _, file := roomDisk(t, 32*mib)
	c := newClassroom(t, file, lab.Options{})
	slow := &countdown{ReaderAt: bytes.NewReader(file)}
	ctx, stop := context.WithCancel(t.Context())
	slow.left.Store(2 * mib)
	slow.zero = stop
	c.serve(slow, int64(len(file)), 50e6)
	begin := time.Now()
	_, err := Write(ctx, WriteOptions{Source: c.url, Room: c.room(), Disk: filepath.Join(t.TempDir(), "disk")})
	if !errors.Is(err, context.Canceled) || time.Since(begin) > 20*time.Second {
		t.Errorf("after %v: %v", time.Since(begin), err)
	}
}

// TestHalves gives the chunks of an image to a taker in random order: all frames
// are written where there is memory for halves, and never more is held than
// there may be.
func TestHalves(t *testing.T) {
	disk, used, file := roomDisk(t, 96*mib)
	for name, most := range map[string]int64{"plenty": mostHeld, "little": mib, "none": 0} {
		t.Run(name, func(t *testing.T) {
			dest := filepath.Join(t.TempDir(), "disk")
			source := store(t, "image", file)
			w, err := prepare(t.Context(), WriteOptions{Source: source, Disk: dest})
			if err != nil {
				t.Fatal(err)
			}
			defer w.close()
			if w.dev, err = w.o.seam.use(w.target.open(true)); err != nil {
				t.Fatal(err)
			}
			w.out = &output{dev: w.dev, fresh: w.target.fresh, room: w.target.room, seen: w.remember}
			w.out.hold(w.source.table.Regions())
			if err := w.loadHeld(t.Context()); err != nil {
				t.Fatal(err)
			}
			p := &pass{w: w, look: true}
			if err := p.run(t.Context(), w.source.frames); err != nil {
				t.Fatal(err)
			}
			taker := newFrameTaker(p, w.source.spans.(*indexed))
			taker.most = most
			for _, k := range rand.New(rand.NewPCG(1, 2)).Perm((len(file) + wire.ChunkSize - 1) / wire.ChunkSize) {
				if !taker.want(int32(k)) {
					continue
				}
				chunk := file[k*wire.ChunkSize : min(len(file), (k+1)*wire.ChunkSize)]
				if err := taker.take(t.Context(), int32(k), chunk); err != nil {
					t.Fatal(err)
				}
				sum := int64(0)
				for _, h := range taker.halves {
					for _, part := range h.parts {
						sum += int64(cap(part.data))
					}
				}
				if taker.held > most || sum > most*5/4 {
					t.Fatalf("%d bytes are held in %d, may be %d", taker.held, sum, most)
				}
			}
			left := taker.left()
			if (most == mostHeld) != (len(left) == 0) {
				t.Errorf("%d frames left of %d", len(left), len(p.needed))
			}
			if taker.held != 0 && most == mostHeld || taker.wrong.Load() > 0 {
				t.Errorf("%d bytes held in the end, %d frames wrong", taker.held, taker.wrong.Load())
			}
			if err := p.fetchAll(t.Context(), left); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, len(disk))
			if err := readAll(w.dev, got, 0); err != nil {
				t.Fatal(err)
			}
			for _, h := range w.out.all(w.source.head) {
				copy(got[h.off:], h.data)
			}
			for r := range used.All() {
				same(t, "disk", got[r.Off:r.End], disk[r.Off:r.End])
			}
		})
	}
}

func TestParseRoom(t *testing.T) {
	for s, want := range map[string]*Room{
		"239.1.2.3:7000":      {Peer: netip.MustParseAddrPort("239.1.2.3:7000")},
		"239.1.2.3:7000%eth0": {Peer: netip.MustParseAddrPort("239.1.2.3:7000"), Interface: "eth0"},
		"10.0.0.1:1":          {Peer: netip.MustParseAddrPort("10.0.0.1:1")},
		"239.1.2.3":           nil,
		"239.1.2.3:0":         nil,
		"239.1.2.3:7000%":     nil,
		"[ff02::1]:7000":      nil,
		"head:7000":           nil,
		"":                    nil,
	} {
		r, err := ParseRoom(s)
		if (want == nil) != (err != nil) || want != nil && (r.Peer != want.Peer || r.Interface != want.Interface) {
			t.Errorf("%q: %+v, %v", s, r, err)
		}
	}
}
