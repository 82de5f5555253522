package frisbee

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/qemu/lab"
)

// ranges is a way to repair: it reads from memory, and counts.
type ranges struct {
	data  []byte
	calls atomic.Int64
	bytes atomic.Int64
	fail  func(call int64) error // nil: never
}

func (r *ranges) get(_ context.Context, off, n int64) (io.ReadCloser, error) {
	call := r.calls.Add(1)
	if r.fail != nil {
		if err := r.fail(call); err != nil {
			return nil, err
		}
	}
	r.bytes.Add(n)
	return io.NopCloser(bytes.NewReader(r.data[off : off+n])), nil
}

func TestLateJoiner(t *testing.T) {
	l := lab.ForTest(t, lab.Options{Nodes: 2})
	data := file(8 << 20)
	s := serve(t, l, data, ServerOptions{Rate: 100e6})
	half := make(chan struct{})
	var chunks atomic.Int64
	early := client(t, l.Nodes[0].Host, len(data), ClientOptions{
		Chunk: func(context.Context, int32, []byte) error {
			if chunks.Add(1) == 4 {
				close(half)
			}
			return nil
		},
	})
	late := client(t, l.Nodes[1].Host, len(data), ClientOptions{})
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	var w sync.WaitGroup
	w.Go(func() { early.run(ctx) })
	w.Go(func() {
		select {
		case <-half:
		case <-ctx.Done():
		}
		late.run(ctx)
	})
	w.Wait()
	early.check(t, data)
	late.check(t, data)
	// It takes what flows, and asks for what it has missed.
	if n := s.Stats().Bytes; n > uint64(len(data))*18/10 {
		t.Errorf("%d bytes sent of a file of %d", n, len(data))
	}
}

func TestDyingClient(t *testing.T) {
	l := lab.ForTest(t, lab.Options{Nodes: 3})
	data := file(6 << 20)
	serve(t, l, data, ServerOptions{Rate: 150e6})
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	dead, die := context.WithCancel(ctx)
	var chunks atomic.Int64
	dying := client(t, l.Nodes[0].Host, len(data), ClientOptions{
		Chunk: func(context.Context, int32, []byte) error {
			if chunks.Add(1) == 2 {
				if err := l.Nodes[0].Unplug(); err != nil {
					t.Error(err)
				}
				die()
			}
			return nil
		},
	})
	others := []*sink{client(t, l.Nodes[1].Host, len(data), ClientOptions{}), client(t, l.Nodes[2].Host, len(data), ClientOptions{})}
	var w sync.WaitGroup
	w.Go(func() { dying.run(dead) })
	for _, o := range others {
		w.Go(func() { o.run(ctx) })
	}
	w.Wait()
	if !errors.Is(dying.err, context.Canceled) {
		t.Errorf("the dying client ends with %v", dying.err)
	}
	for _, o := range others {
		o.check(t, data)
	}
}

// TestSlowConsumer has a disk in the room that takes a tenth of what the others
// do. It has the file in the end, and the others need not wait for it.
func TestSlowConsumer(t *testing.T) {
	for _, repair := range []bool{false, true} {
		t.Run(fmt.Sprintf("repair %v", repair), func(t *testing.T) {
			l := lab.ForTest(t, lab.Options{Nodes: 3})
			size := 10 << 20
			if repair {
				size = 24 << 20 // it is told after a second at the earliest
			}
			data := file(size)
			s := serve(t, l, data, ServerOptions{Rate: 100e6})
			o := ClientOptions{
				Buffers: 3, Workers: 1, Behind: 0.3,
				Chunk: func(ctx context.Context, _ int32, _ []byte) error { return wait(ctx, 300*time.Millisecond) },
			}
			r := &ranges{data: data}
			if repair {
				o.Repair = r.get
			}
			slow := client(t, l.Nodes[0].Host, len(data), o)
			slow.span = 500 * time.Millisecond
			others := []*sink{client(t, l.Nodes[1].Host, len(data), ClientOptions{}), client(t, l.Nodes[2].Host, len(data), ClientOptions{})}
			receiveAll(t, append(others, slow)...)
			for _, c := range append(others, slow) {
				c.check(t, data)
			}
			for _, o := range others {
				if o.took > slow.took*3/4 {
					t.Errorf("%s took %v, and the slow one %v", o.host.Name, o.took, slow.took)
				}
			}
			if slow.away.Load() != repair || (slow.Stats().Repaired > 0) != repair {
				t.Errorf("the slow one is away: %v; %d bytes repaired", slow.away.Load(), slow.Stats().Repaired)
			}
			left := false
			for _, e := range s.told() {
				left = left || e.Kind == Left && e.Client == slow.host.Addr
			}
			if repair && !left {
				t.Error("the slow one has not said that it leaves")
			}
		})
	}
}

// TestTwoSessions has two files on one bridge, each with a server and a room.
func TestTwoSessions(t *testing.T) {
	l := lab.ForTest(t, lab.Options{Nodes: 4})
	groups := []netip.AddrPort{group, netip.MustParseAddrPort("239.192.4.2:7778")}
	files := [][]byte{file(4 << 20), file(4<<20 + 1000)}
	var all []*sink
	for i, g := range groups {
		serve(t, l, files[i], ServerOptions{Peer: g, Rate: 100e6})
		for _, n := range l.Nodes[2*i:][:2] {
			all = append(all, client(t, n.Host, len(files[i]), ClientOptions{Peer: g}))
		}
	}
	receiveAll(t, all...)
	for i, c := range all {
		c.check(t, files[i/2])
	}
}

// TestModes sends to one client, and to all of the subnet.
func TestModes(t *testing.T) {
	l := lab.ForTest(t, lab.Options{Nodes: 2})
	data := file(2<<20 + 5)
	t.Run("unicast", func(t *testing.T) {
		serve(t, l, data, ServerOptions{Peer: netip.AddrPortFrom(l.Nodes[0].Addr, 7800), Rate: 100e6})
		c := client(t, l.Nodes[0].Host, len(data), ClientOptions{Peer: netip.AddrPortFrom(l.Server.Addr, 7800)})
		receiveAll(t, c)
		c.check(t, data)
	})
	t.Run("broadcast", func(t *testing.T) {
		all := netip.MustParseAddrPort("255.255.255.255:7801")
		serve(t, l, data, ServerOptions{Peer: all, Rate: 100e6})
		a, b := client(t, l.Nodes[0].Host, len(data), ClientOptions{Peer: all}), client(t, l.Nodes[1].Host, len(data), ClientOptions{Peer: all})
		receiveAll(t, a, b)
		a.check(t, data)
		b.check(t, data)
	})
}

// TestDelta has a client that needs every other chunk, and one that needs none.
func TestDelta(t *testing.T) {
	l := lab.ForTest(t, lab.Options{Nodes: 2})
	data := file(6<<20 + 100)
	s := serve(t, l, data, ServerOptions{Rate: 200e6})
	odd := client(t, l.Nodes[0].Host, len(data), ClientOptions{Want: func(k int32) bool { return k%2 == 1 }})
	nothing := client(t, l.Nodes[1].Host, len(data), ClientOptions{Want: func(int32) bool { return false }})
	receiveAll(t, odd, nothing)
	if odd.err != nil || nothing.err != nil {
		t.Fatal(odd.err, nothing.err)
	}
	if diff := cmp.Diff(map[int32]int{1: 1, 3: 1, 5: 1}, odd.seen); diff != "" || len(nothing.seen) != 0 {
		t.Errorf("one that wants nothing has %v; the other (-want +got):\n%s", nothing.seen, diff)
	}
	for k := range int32(3) {
		at := (2*k + 1) << 20
		if !bytes.Equal(odd.got[at:at+1<<20], data[at:at+1<<20]) {
			t.Errorf("chunk %d is not that of the file", 2*k+1)
		}
	}
	if n := s.Stats().Bytes; n > 4<<20 {
		t.Errorf("%d bytes sent of 3 MiB that were wanted", n)
	}
	if nothing.took > time.Second {
		t.Errorf("one that wants nothing stayed for %v", nothing.took)
	}
}

// TestBadChunk has a consumer that finds chunks bad, for a while or for ever.
func TestBadChunk(t *testing.T) {
	l := lab.ForTest(t, lab.Options{Nodes: 1})
	data := file(3 << 20)
	serve(t, l, data, ServerOptions{Rate: 200e6})
	for _, x := range []struct {
		name   string
		bad    int64 // times
		repair bool
		want   error
	}{
		{name: "once", bad: 1},
		{name: "four times", bad: 4},
		{name: "five times", bad: 5, want: ErrBadChunk},
		{name: "twice, and repair", bad: 2, repair: true},
	} {
		t.Run(x.name, func(t *testing.T) {
			var bad atomic.Int64
			r := &ranges{data: data}
			o := ClientOptions{Chunk: func(_ context.Context, k int32, _ []byte) error {
				if k == 1 && bad.Add(1) <= x.bad {
					return fmt.Errorf("compare: %w", ErrBadChunk)
				}
				return nil
			}}
			if x.repair {
				o.Repair = r.get
			}
			c := client(t, l.Nodes[0].Host, len(data), o)
			receiveAll(t, c)
			if x.want != nil {
				var e *ChunkError
				if !errors.Is(c.err, x.want) || !errors.As(c.err, &e) || e.Index != 1 {
					t.Errorf("ends with %v", c.err)
				}
				return
			}
			c.check(t, data)
			if n := c.Stats().Spoilt; n != uint64(x.bad) || (r.calls.Load() > 0) != x.repair {
				t.Errorf("%d chunks were bad, %d ranges fetched", n, r.calls.Load())
			}
		})
	}
	t.Run("a consumer that fails", func(t *testing.T) {
		broken := errors.New("no room on the disk")
		c := client(t, l.Nodes[0].Host, len(data), ClientOptions{Chunk: func(context.Context, int32, []byte) error { return broken }})
		receiveAll(t, c)
		if !errors.Is(c.err, broken) {
			t.Errorf("ends with %v", c.err)
		}
	})
	t.Run("found out later", func(t *testing.T) {
		var c *sink
		var first atomic.Bool
		c = client(t, l.Nodes[0].Host, len(data), ClientOptions{
			Workers: 1,
			Chunk: func(_ context.Context, k int32, _ []byte) error {
				c.mu.Lock()
				n := len(c.seen)
				c.mu.Unlock()
				if n == 2 && first.CompareAndSwap(false, true) { // the last one
					for k := range int32(3) {
						if c.seen[k] > 0 && !c.Again(k) {
							t.Errorf("chunk %d cannot be had again", k)
						}
					}
				}
				return nil
			},
		})
		receiveAll(t, c)
		if c.err != nil || c.seen[0]+c.seen[1]+c.seen[2] != 5 {
			t.Errorf("handed over: %v; %v", c.seen, c.err)
		}
		if c.Again(0) {
			t.Error("a session that is over receives a chunk again")
		}
	})
}

// TestFinish has the end of a client fail.
func TestFinish(t *testing.T) {
	l := lab.ForTest(t, lab.Options{Nodes: 1})
	data := file(1 << 20)
	s := serve(t, l, data, ServerOptions{})
	broken := errors.New("cannot flush")
	c := client(t, l.Nodes[0].Host, len(data), ClientOptions{Finish: func(context.Context, *wire.Stats) error { return broken }})
	receiveAll(t, c)
	if !errors.Is(c.err, broken) {
		t.Errorf("ends with %v", c.err)
	}
	c = client(t, l.Nodes[0].Host, len(data), ClientOptions{Finish: func(_ context.Context, s *wire.Stats) error {
		s.Covered = 12345
		return nil
	}})
	receiveAll(t, c)
	c.check(t, data)
	p := newPeer(t, l.Nodes[0].Host, group)
	p.send(wire.Join2{ID: 1})
	p.want() // what came before is told
	var whole, part int
	for _, e := range s.told() {
		switch {
		case e.Kind == Left && e.Stats != nil && e.Stats.Covered == 12345 && e.Stats.Version == wire.StatsVersion && e.Stats.Requests > 0:
			whole++
		case e.Kind == Left && e.Stats == nil:
			part++
		}
	}
	if whole != 1 || part != 1 {
		t.Errorf("%d left with statistics and %d without: %+v", whole, part, s.told())
	}
}

// TestReport has a server ask for reports.
func TestReport(t *testing.T) {
	l := lab.ForTest(t, lab.Options{Nodes: 1})
	data := file(3 << 20)
	s := serve(t, l, data, ServerOptions{Rate: 40e6, Heartbeat: time.Second})
	c := client(t, l.Nodes[0].Host, len(data), ClientOptions{})
	c.delay = 10 * time.Millisecond
	receiveAll(t, c)
	c.check(t, data)
	var got []wire.ProgressReply
	for _, e := range s.told() {
		if e.Kind == Progress && e.Client == c.host.Addr && e.ID == c.id {
			got = append(got, *e.Report)
		}
	}
	if len(got) == 0 {
		t.Fatalf("no report: %+v", s.told())
	}
	r := got[0]
	if r.ID != c.id || r.Who != c.host.Addr.As4() || r.What != wire.ProgressSummary || r.Seq != 1 || r.Received < r.Expanded ||
		r.Written != uint64(r.Expanded)<<20 || time.Since(time.Unix(int64(r.Time), 0)) > time.Hour {
		t.Errorf("reported: %+v", r)
	}
}
