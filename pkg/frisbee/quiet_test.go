package frisbee

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/qemu/lab"
)

// TestNoMulticast has nobody answer, and somebody whose data does not arrive.
func TestNoMulticast(t *testing.T) {
	l := lab.ForTest(t, lab.Options{Nodes: 1})
	for _, x := range []struct {
		name     string
		answer   wire.Message // nil: none
		bytes    uint64
		want     error
		answered bool
	}{
		{name: "nobody", want: ErrNoMulticast},
		{name: "no data", answer: wire.Join2Reply{ChunkBlocks: 1024, BlockSize: 1024, Bytes: 5 << 20}, want: ErrNoMulticast, answered: true},
		{name: "another file", answer: wire.Join2Reply{ChunkBlocks: 1024, BlockSize: 1024, Bytes: 5 << 20}, bytes: 4 << 20, want: &OtherFileError{4 << 20, 5 << 20}},
		{name: "another geometry", answer: wire.Join2Reply{ChunkBlocks: 128, BlockSize: 8192, Bytes: 5 << 20}, want: &wire.GeometryError{ChunkBlocks: 128, BlockSize: 8192}},
		{name: "no file", answer: wire.Join2Reply{ChunkBlocks: 1024, BlockSize: 1024}, want: &wire.SizeError{Max: (1<<31 - 1) << 10}},
	} {
		t.Run(x.name, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			var w sync.WaitGroup
			defer w.Wait()
			defer stop()
			if x.answer != nil {
				p := newPeer(t, l.Server, group)
				w.Go(func() {
					for ctx.Err() == nil {
						h, ok := p.next(50 * time.Millisecond)
						if m, is := h.Join2(); ok && is {
							reply := x.answer.(wire.Join2Reply)
							reply.ID = m.ID
							p.send(reply)
						}
					}
				})
			}
			r := &ranges{data: file(5 << 20)}
			c := client(t, l.Nodes[0].Host, 5<<20, ClientOptions{NoData: 300 * time.Millisecond, Bytes: x.bytes, Repair: r.get})
			receiveAll(t, c)
			if errors.Is(x.want, ErrNoMulticast) {
				var silent *SilentError
				if !errors.Is(c.err, ErrNoMulticast) || !errors.As(c.err, &silent) || silent.Answered != x.answered {
					t.Errorf("ends with %v", c.err)
				}
			} else if c.err == nil || c.err.Error() != x.want.Error() {
				t.Errorf("ends with %v, want %v", c.err, x.want)
			}
			if c.took < 250*time.Millisecond || c.took > 10*time.Second {
				t.Errorf("it took %v", c.took)
			}
			if r.calls.Load() != 0 {
				t.Errorf("%d ranges were fetched although multicast never worked", r.calls.Load())
			}
		})
	}
}

// ending makes a client whose server ends when it has so many chunks.
func ending(t *testing.T, l *lab.Lab, s *running, after int64, size int, o ClientOptions) *sink {
	var chunks atomic.Int64
	o.Chunk = func(context.Context, int32, []byte) error {
		if chunks.Add(1) == after {
			s.end()
		}
		return nil
	}
	return client(t, l.Nodes[0].Host, size, o)
}

// TestRepair has the server die.
func TestRepair(t *testing.T) {
	data := file(8<<20 + 4321)
	l := lab.ForTest(t, lab.Options{Nodes: 1})
	t.Run("and the rest fetched", func(t *testing.T) {
		s := serve(t, l, data, ServerOptions{Rate: 80e6})
		r := &ranges{data: data}
		c := ending(t, l, s, 3, len(data), ClientOptions{Quiet: 300 * time.Millisecond, Repair: r.get})
		receiveAll(t, c)
		c.check(t, data)
		if n := r.bytes.Load(); n < 1<<20 || n > int64(len(data)) {
			t.Errorf("%d bytes in %d ranges were fetched", n, r.calls.Load())
		}
	})
	t.Run("with few buffers", func(t *testing.T) {
		s := serve(t, l, data, ServerOptions{Rate: 80e6})
		r := &ranges{data: data}
		c := ending(t, l, s, 1, len(data), ClientOptions{Quiet: 300 * time.Millisecond, Repair: r.get, Buffers: 2, Workers: 1})
		receiveAll(t, c)
		c.check(t, data)
	})
	t.Run("at the second try", func(t *testing.T) {
		s := serve(t, l, data, ServerOptions{Rate: 80e6})
		r := &ranges{data: data, fail: func(call int64) error {
			if call == 1 {
				return errors.New("not now")
			}
			return nil
		}}
		c := ending(t, l, s, 3, len(data), ClientOptions{Quiet: 300 * time.Millisecond, Repair: r.get})
		receiveAll(t, c)
		c.check(t, data)
	})
	t.Run("and nothing else", func(t *testing.T) {
		s := serve(t, l, data, ServerOptions{Rate: 80e6})
		c := ending(t, l, s, 3, len(data), ClientOptions{GiveUp: 300 * time.Millisecond})
		receiveAll(t, c)
		var quiet *QuietError
		if !errors.As(c.err, &quiet) || quiet.Missing < 1 || quiet.Missing > 8 {
			t.Errorf("ends with %v", c.err)
		}
		if missing := c.Missing(); missing.Empty() || missing.Len() > int64(len(data)) {
			t.Errorf("missing: %v", missing.Ranges())
		}
	})
}

// TestBackAgain has the server go away, and come back while the client repairs.
func TestBackAgain(t *testing.T) {
	l := lab.ForTest(t, lab.Options{Nodes: 1})
	data := file(8 << 20)
	s := serve(t, l, data, ServerOptions{Rate: 80e6})
	called := make(chan struct{})
	r := &ranges{data: data, fail: func(call int64) error {
		if call == 1 {
			close(called)
		}
		return errors.New("there is nothing but multicast")
	}}
	c := ending(t, l, s, 3, len(data), ClientOptions{Quiet: 300 * time.Millisecond, Repair: r.get})
	var w sync.WaitGroup
	w.Go(func() {
		<-called
		serve(t, l, data, ServerOptions{Rate: 80e6})
	})
	receiveAll(t, c)
	w.Wait()
	c.check(t, data)
}

func TestJoinRanges(t *testing.T) {
	const k = 1 << 10
	for _, x := range []struct{ in, want []extent.Range }{
		{nil, nil},
		{[]extent.Range{{Off: 0, End: 1}}, []extent.Range{{Off: 0, End: 1}}},
		{[]extent.Range{{Off: 0, End: k}, {Off: 65 * k, End: 66 * k}}, []extent.Range{{Off: 0, End: 66 * k}}},
		{[]extent.Range{{Off: 0, End: k}, {Off: 65*k + 1, End: 66 * k}}, []extent.Range{{Off: 0, End: k}, {Off: 65*k + 1, End: 66 * k}}},
		{[]extent.Range{{Off: k, End: 1 + 33<<20}}, []extent.Range{{Off: k, End: k + 16<<20}, {Off: k + 16<<20, End: k + 32<<20}, {Off: k + 32<<20, End: 1 + 33<<20}}},
		{[]extent.Range{{Off: 0, End: 16 << 20}, {Off: 16<<20 + k, End: 17 << 20}}, []extent.Range{{Off: 0, End: 16 << 20}, {Off: 16<<20 + k, End: 17 << 20}}},
	} {
		if diff := cmp.Diff(x.want, join(x.in)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", x.in, diff)
		}
	}
}

// TestUselessData has nothing arrive any more but a block that the client has
// long had, again and again: it does not wait for ever.
func TestUselessData(t *testing.T) {
	for _, repair := range []bool{true, false} {
		l := lab.ForTest(t, lab.Options{Nodes: 1})
		data := file(8 << 20)
		s := serve(t, l, data, ServerOptions{Rate: 100e6})
		r := &ranges{data: data}
		o := ClientOptions{Quiet: 200 * time.Millisecond, GiveUp: 300 * time.Millisecond}
		if repair {
			o.Repair = r.get
		}
		c := ending(t, l, s, 2, len(data), o)
		ctx, stop := context.WithTimeout(t.Context(), patience)
		var w sync.WaitGroup
		w.Go(func() {
			<-s.done
			p := newPeer(t, l.Server, group)
			for ctx.Err() == nil {
				c.mu.Lock()
				had := int32(-1)
				for k := range c.seen {
					had = k
				}
				c.mu.Unlock()
				if had >= 0 {
					p.send(wire.Block{Chunk: had, Data: data[:1024]})
				}
				wait(ctx, 20*time.Millisecond)
			}
		})
		c.run(ctx)
		stop()
		w.Wait()
		var quiet *QuietError
		if !repair && (!errors.As(c.err, &quiet) || c.took < 5*o.GiveUp) {
			t.Errorf("ends with %v after %v", c.err, c.took)
		}
		if repair {
			c.check(t, data)
			if r.calls.Load() == 0 {
				t.Error("nothing was repaired")
			}
		}
	}
}
