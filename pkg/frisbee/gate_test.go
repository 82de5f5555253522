package frisbee

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/frisbee/queue"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/qemu/lab"
)

func TestGate(t *testing.T) {
	const s = time.Second
	type pass struct {
		At   time.Duration
		Here int
		Most int
		Next time.Duration
		Open bool
	}
	for _, c := range []struct {
		name string
		gate gate
		want []pass
	}{
		{"nobody to wait for", gate{most: s}, []pass{{0, 0, 64, 0, true}}},
		{"one", gate{clients: 1, most: s}, []pass{{5 * s, 1, 64, 0, true}}},
		{"three", gate{clients: 3, most: 10 * s}, []pass{
			{5 * s, 1, 1, 0, false}, {5 * s, 2, 0, 5*s + signOfLife, false}, {6 * s, 2, 1, 0, false}, {6*s + 1, 3, 64, 0, true},
		}},
		{"three, of whom one does not come", gate{clients: 3, most: 2 * s}, []pass{
			{5 * s, 2, 1, 0, false}, {6*s + 9*s/10, 2, 1, 0, false}, {6*s + 9*s/10, 2, 0, 7 * s, false}, {7 * s, 2, 64, 0, true},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []pass
			for _, p := range c.want {
				p.Most, p.Next = c.gate.pass(p.At, p.Here, 64)
				p.Open = c.gate.open
				got = append(got, p)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestMinReceivers has two clients wait for a third, with nothing but signs of
// life, and then nobody has to be sent anything again.
func TestMinReceivers(t *testing.T) {
	l := lab.ForTest(t, lab.Options{Nodes: 3})
	data := file(3<<20 + 5)
	s := serve(t, l, data, ServerOptions{Rate: 200e6, MinReceivers: 3})
	all := make([]*sink, 3)
	for i := range all {
		all[i] = client(t, l.Nodes[i].Host, len(data), ClientOptions{})
	}
	early := make(chan struct{})
	go func() {
		defer close(early)
		receiveAll(t, all[:2]...)
	}()
	const signs = 3
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(patience); s.Stats().Queue.Sent < signs && time.Now().Before(end); {
		<-look.C
	}
	if n := s.Stats().Queue.Sent; n < signs || n > signs+1 {
		t.Errorf("%d blocks were sent to a room that waits", n)
	}
	receiveAll(t, all[2])
	<-early
	for _, c := range all {
		c.check(t, data)
	}
	// The third has the signs of life repaired, which it has not seen.
	if n, blocks := s.Stats().Queue.Sent, uint64(3*1024+1); n > blocks+50 {
		t.Errorf("%d blocks were sent, and the file has %d", n, blocks)
	}
}

// TestMaxWait has one client, and nobody else comes.
func TestMaxWait(t *testing.T) {
	l := lab.ForTest(t, lab.Options{Nodes: 1})
	data := file(2 << 20)
	serve(t, l, data, ServerOptions{Rate: 200e6, MinReceivers: 2, MaxWait: 300 * time.Millisecond})
	c := client(t, l.Nodes[0].Host, len(data), ClientOptions{})
	receiveAll(t, c)
	c.check(t, data)
	if c.took < 300*time.Millisecond {
		t.Errorf("the server began before its time, %v", c.took)
	}
}

// TestCrossed tells requests that were sent before a client saw what came from
// those for what it has lost.
func TestCrossed(t *testing.T) {
	layout, err := wire.NewLayout(wire.Standard, 4<<20)
	if err != nil {
		t.Fatal(err)
	}
	const ms = time.Millisecond
	ask := func(chunk int32, n int) *wire.Partial {
		m := &wire.Partial{Chunk: chunk}
		m.Blocks.SetRange(0, n)
		return m
	}
	for _, c := range []struct {
		name string
		c    member
		n    int
		now  time.Duration
		want bool
	}{
		{"the chunk", member{coded: true}, 1024, 1050 * ms, true},
		{"half of it", member{coded: true}, 512, 1050 * ms, true},
		{"what may get lost", member{coded: true}, 60, 1050 * ms, false},
		{"long after it was sent", member{coded: true}, 1024, 1200 * ms, false},
		{"a real client", member{}, 1024, 1050 * ms, false},
	} {
		s := &Server{layout: layout, queue: queue.New(layout, 0), sent: make([]passed, 4)}
		s.sent[2].at = stamp(time.Second)
		if got := s.crossed(c.now, &c.c, ask(2, c.n)); got != c.want {
			t.Errorf("%s: crossed is %v", c.name, got)
		}
	}
}
