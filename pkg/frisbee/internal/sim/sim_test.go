package sim

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// listener notes what arrives when.
type listener struct {
	at   []time.Duration
	got  []string
	woke []time.Duration
}

func (l *listener) Packet(now time.Duration, d []byte) {
	l.at = append(l.at, now)
	if p, err := wire.Parse(d, wire.Jumbo); err == nil {
		b, _ := p.Block()
		l.got = append(l.got, fmt.Sprintf("%d.%d", b.Chunk, b.Index))
	}
}

func (l *listener) Wake(now time.Duration) { l.woke = append(l.woke, now) }

func never() bool { return false }

func TestHeap(t *testing.T) {
	n := NewNet(1)
	var got []int
	for i := range 500 {
		at := time.Duration(n.Rand.IntN(100))
		n.At(at, func() { got = append(got, int(n.Now())*1000+i) })
	}
	n.Run(time.Hour, never)
	if len(got) != 500 || !slices.IsSorted(got) {
		t.Errorf("events of the same time or of different ones are out of order: %v", got)
	}
}

func TestWake(t *testing.T) {
	n := NewNet(1)
	l := &listener{}
	id := n.Join(l, Link{}, Link{})
	n.WakeAt(id, 50)
	n.WakeAt(id, 100)
	n.Run(time.Hour, never)
	n.WakeAt(id, 300)
	n.WakeAt(id, 200)
	n.Run(time.Hour, never)
	if diff := cmp.Diff([]time.Duration{100, 200}, l.woke); diff != "" {
		t.Errorf("woken (-want +got):\n%s", diff)
	}
}

func TestLinks(t *testing.T) {
	const many = 20_000
	for _, tt := range []struct {
		name   string
		rx, tx Link
		want   float64
	}{
		{"perfect", Link{}, Link{}, 1},
		{"lossy", Link{Loss: 0.2}, Link{}, 0.8},
		{"bursts", Link{Loss: 0.2, Burst: 10}, Link{}, 0.8},
		{"lossy at the source", Link{}, Link{Loss: 0.1}, 0.9},
		{"duplicating", Link{Dup: 0.5}, Link{}, 1.5},
	} {
		var runs [2][]time.Duration
		for i := range runs {
			n := NewNet(5)
			a, b := &listener{}, &listener{}
			src := n.Join(a, Link{}, tt.tx)
			tt.rx.Delay, tt.rx.Jitter = time.Millisecond, time.Millisecond
			n.Join(b, tt.rx, Link{})
			for j := range many {
				n.At(time.Duration(j)*10*time.Microsecond, func() { n.Multicast(src, []byte{1}) })
			}
			n.Run(time.Hour, never)
			if len(a.at) != 0 {
				t.Errorf("%s: a node hears itself", tt.name)
			}
			if got := float64(len(b.at)) / many; math.Abs(got-tt.want) > 0.03 {
				t.Errorf("%s: %.3f arrive; want about %.3f", tt.name, got, tt.want)
			}
			runs[i] = b.at
		}
		if !slices.Equal(runs[0], runs[1]) {
			t.Errorf("%s: two runs of the same seed differ", tt.name)
		}
	}
}

func TestRate(t *testing.T) {
	n := NewNet(1)
	l := &listener{}
	src := n.Join(&listener{}, Link{}, Link{Rate: 1e6})
	n.Join(l, Link{Delay: time.Millisecond}, Link{})
	for range 3 {
		n.Multicast(src, make([]byte, 125)) // 1 ms each
	}
	n.Run(time.Hour, never)
	want := []time.Duration{2 * time.Millisecond, 3 * time.Millisecond, 4 * time.Millisecond}
	if diff := cmp.Diff(want, l.at); diff != "" {
		t.Errorf("arrivals (-want +got):\n%s", diff)
	}
}

// serve lets a server send what is asked for. Requests come before it begins, but
// for those that come after so many blocks.
func serve(t *testing.T, asks []wire.Partial, after map[int]wire.Partial) []string {
	t.Helper()
	layout, err := wire.NewLayout(wire.Jumbo, 3*wire.ChunkSize+8192*2)
	if err != nil {
		t.Fatal(err)
	}
	n := NewNet(1)
	s := &Server{Net: n, Layout: layout, File: make([]byte, 3*wire.ChunkSize+8192*2-5), Burst: 1, Interval: time.Millisecond}
	s.Start(Link{}, Link{})
	l := &listener{}
	id := n.Join(l, Link{}, Link{})
	for _, m := range asks {
		n.Multicast(id, m.Append(nil, wire.Jumbo, [4]byte{}))
	}
	n.Run(time.Hour, func() bool {
		if m, ok := after[len(l.got)]; ok {
			delete(after, len(l.got))
			n.Multicast(id, m.Append(nil, wire.Jumbo, [4]byte{}))
		}
		return false
	})
	if s.Sent != len(l.got) {
		t.Errorf("sent %d blocks, %d came", s.Sent, len(l.got))
	}
	return l.got
}

func partial(k int32, runs ...int) wire.Partial {
	p := wire.Partial{Chunk: k}
	for i := 0; i < len(runs); i += 2 {
		p.Blocks.SetRange(runs[i], runs[i+1])
	}
	return p
}

func TestServer(t *testing.T) {
	for _, tt := range []struct {
		name  string
		asks  []wire.Partial
		after map[int]wire.Partial
		want  []string
	}{
		{"nothing", nil, nil, nil},
		{"copies", []wire.Partial{partial(0, 3, 2), partial(0, 3, 2), partial(0, 3, 2)}, nil, []string{"0.3", "0.4"}},
		{"merged", []wire.Partial{partial(1, 3, 1), partial(0, 0, 1), partial(1, 1, 1, 3, 1)}, nil, []string{"1.1", "1.3", "0.0"}},
		{"outside", []wire.Partial{partial(4, 0, 1), partial(3, 2, 1), partial(3, 1, 1)}, nil, []string{"3.1"}},
		{
			"behind what is being sent", []wire.Partial{partial(0, 3, 4, 9, 1), partial(1, 0, 1)},
			map[int]wire.Partial{2: partial(0, 4, 1)}, []string{"0.3", "0.4", "0.5", "0.6", "0.9", "1.0", "0.4"},
		},
		{
			"before what is to be sent", []wire.Partial{partial(0, 3, 2, 9, 1), partial(1, 0, 1)},
			map[int]wire.Partial{1: partial(0, 7, 1)}, []string{"0.3", "0.4", "0.7", "0.9", "1.0"},
		},
		{
			"the whole chunk that is being sent", []wire.Partial{partial(3, 0, 2)},
			map[int]wire.Partial{1: partial(3, 0, 2)}, []string{"3.0", "3.1"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, serve(t, tt.asks, tt.after)); diff != "" {
				t.Errorf("blocks sent (-want +got):\n%s", diff)
			}
		})
	}
}
