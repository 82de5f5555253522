package receive

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// eagerly is a client that holds nothing back at random. It waits 1.25 ms for
// what may only be late.
func eagerly(t *testing.T, chunks float64, o Options) *script {
	o.Eager = true
	return start(t, chunks, o)
}

func TestEagerStart(t *testing.T) {
	s := eagerly(t, 10, Options{})
	s.silence(9 * ms)
	s.want("it listens first", "")
	s.silence(ms)
	s.want("then it asks", "R0 128, R1 128")
	s.silence(5 * ms)
	s.blocks(0, 0, 127)
	s.want("one chunk is on its way", "R2 128")
}

func TestEagerGap(t *testing.T) {
	s := eagerly(t, 2, Options{})
	s.silence(10 * ms)
	s.want("start", "R0 128, R1 128")
	s.blocks(0, 0, 5)
	s.blocks(0, 6, 100)
	s.silence(10 * ms)
	s.want("the pass goes on", "")
	s.blocks(0, 106, 22)
	s.silence(ms)
	s.want("what is missing may be late", "")
	s.silence(ms)
	s.want("it is lost", "P0 5+1!")

	s.blocks(1, 0, 100)
	s.blocks(0, 5, 1)
	s.silence(5 * ms)
	s.want("a block of another chunk may be early", "")
	if diff := cmp.Diff([]int32{0}, s.take(true)); diff != "" {
		t.Errorf("complete chunks (-want +got):\n%s", diff)
	}
	for range window {
		s.blocks(0, 5, 1)
	}
	s.silence(5 * ms)
	s.want("many mean that the pass is over", "P1 100+28!")
	s.blocks(1, 103, 24)
	s.silence(5 * ms)
	s.want("the last block asked for may come", "")
	for range window {
		s.blocks(0, 5, 1)
	}
	s.silence(5 * ms)
	s.want("it has not", "P1 100+3 127+1!")
	s.blocks(1, 100, 28)
	s.silence(time.Second)
	s.want("nothing is lacking", "")
	if got := s.c.Counters(); got.Timeouts != 0 {
		t.Errorf("%d timeouts", got.Timeouts)
	}
}

func TestEagerLateBlock(t *testing.T) {
	s := eagerly(t, 1, Options{})
	s.silence(10 * ms)
	s.want("start", "R0 128")
	s.blocks(0, 0, 60)
	s.blocks(0, 61, 67)
	s.silence(ms)
	s.blocks(0, 60, 1)
	s.silence(10 * ms)
	s.want("it was only late", "")
	if len(s.take(true)) != 1 {
		t.Error("the chunk is not complete")
	}
}

func TestEagerHoldsBack(t *testing.T) {
	s := eagerly(t, 1, Options{})
	s.snoop(0, 0, 128)
	s.blocks(0, 10, 100)
	s.blocks(0, 127, 1)
	s.silence(ms)
	s.partial(0, 0, 20)
	s.silence(ms)
	s.want("another has asked for a part", "P0 110+17")
	s.silence(10 * ms)
	s.blocks(0, 0, 5)
	s.silence(10 * ms)
	s.want("it comes, and its end will", "")
	s.blocks(0, 120, 7)
	s.silence(5 * ms)
	s.want("what both passes have not brought", "P0 5+5 110+10!")
}

func TestEagerPassedBy(t *testing.T) {
	s := eagerly(t, 10, Options{Want: func(k int32) bool { return k < 3 }})
	s.snoop(0, 0, 128)
	s.silence(10 * ms)
	s.want("another asks, too", "R1 128")
	s.silence(10 * ms)
	s.snoop(7, 0, 10)
	s.silence(ms)
	s.blocks(7, 0, 1)
	s.silence(ms)
	s.want("a later request is served: the earlier ones were lost", "R0 128, P1 0+128!")
	s.blocks(0, 0, 100)
	s.silence(10 * ms)
	s.partial(0, 0, 50)
	s.silence(10 * ms)
	s.snoop(8, 0, 10)
	s.blocks(0, 100, 28)
	s.blocks(1, 0, 128)
	s.silence(10 * ms)
	s.blocks(2, 0, 128)
	if diff := cmp.Diff([]int32{0, 1, 2}, s.take(true)); diff != "" {
		t.Errorf("complete chunks (-want +got):\n%s", diff)
	}
}

func TestEagerSilence(t *testing.T) {
	s := eagerly(t, 1, Options{})
	var at []int
	for len(at) < 6 {
		s.silence(ms / 2)
		if m := s.sent(); m != "" {
			at = append(at, int(s.now/ms))
		}
	}
	// 10 ms of listening, and 30 ms that grow by as much for every silence.
	for i := 1; i < len(at); i++ {
		if d := at[i] - at[i-1]; d < 30*i-10 || d > 30*(i+1) {
			t.Errorf("asked at %v ms: %d ms between", at, d)
		}
	}
	for range 200 {
		s.silence(100 * ms)
	}
	s.sent()
	n, from := 0, s.now
	for s.now-from < 60*time.Second {
		s.silence(10 * ms)
		if s.sent() != "" {
			n++
		}
	}
	if n < 50 || n > 70 {
		t.Errorf("asks a dead server %d times a minute", n)
	}
}

func TestEagerJoiner(t *testing.T) {
	s := eagerly(t, 100, Options{})
	for i := range 100 {
		s.silence(ms)
		s.blocks(30+i/20, 6*(i%20), 6)
	}
	if m := s.sent(); strings.Contains(m, "R") {
		t.Errorf("blocks flow that others asked for, and it sends %s", m)
	}
	s.silence(50 * ms)
	if s.sent() == "" {
		t.Error("asks for nothing when they flow no more")
	}
}

// A fast server needs more requests ahead.
func TestEagerDepth(t *testing.T) {
	for _, tt := range []struct {
		blocks int // in each ms
		most   int
	}{{1, 2}, {8, 4}, {64, 8}} {
		s := eagerly(t, 300, Options{})
		s.silence(10 * ms)
		s.sent()
		k, i := 0, 0
		for range 300 {
			s.now += ms
			for range tt.blocks {
				s.blocks(k, i, 1)
				if i++; i == 128 {
					k, i = k+1, 0
				}
			}
			s.silence(0)
			s.take(true)
			s.sent()
		}
		ahead := len(s.c.eager.queue)
		if ahead < tt.most-2 || ahead > tt.most {
			t.Errorf("%d blocks in a ms: %d chunks asked for ahead; want about %d", tt.blocks, ahead, tt.most)
		}
	}
}

func TestMute(t *testing.T) {
	for _, eager := range []bool{false, true} {
		s := start(t, 10, Options{Eager: eager})
		s.c.Mute(true)
		s.silence(time.Second)
		s.blocks(0, 0, 128)
		s.blocks(1, 5, 50)
		s.silence(time.Second)
		s.want("muted", "")
		if diff := cmp.Diff([]int32{0}, s.take(true)); diff != "" {
			t.Errorf("complete chunks (-want +got):\n%s", diff)
		}
		s.c.Mute(false)
		s.silence(2 * time.Second)
		if s.sent() == "" {
			t.Error("asks for nothing when not muted any more")
		}
	}
}

// What is on its way of chunks being filled counts.
func TestEagerOnItsWay(t *testing.T) {
	s := eagerly(t, 10, Options{})
	s.silence(10 * ms)
	s.want("start", "R0 128, R1 128")
	s.blocks(0, 0, 1)
	s.blocks(1, 0, 1)
	s.silence(2 * ms)
	s.want("less than two chunks are on their way", "R2 128")
	s.blocks(2, 0, 1)
	s.silence(2 * ms)
	s.want("more are", "")
}

// A chunk that was dropped for lack of a buffer is asked for again.
func TestEagerNoBuffer(t *testing.T) {
	s := eagerly(t, 4, Options{Buffers: 2})
	s.silence(10 * ms)
	s.want("start", "R0 128, R1 128")
	s.blocks(2, 0, 128)
	s.blocks(3, 0, 128)
	s.blocks(0, 0, 128)
	s.want("no buffer is empty", "")
	s.take(true)
	s.silence(5 * ms)
	s.want("one is", "P0 0+128!")
}

// So is one of which sums for others came meanwhile, and the blocks that it had
// asked for got lost.
func TestEagerNoBufferForSums(t *testing.T) {
	s := eagerly(t, 3, Options{Buffers: 2, Coded: true})
	s.silence(10 * ms)
	s.want("start", "R0 128, R1 128")
	s.blocks(2, 0, 128)
	s.blocks(0, 0, 128)
	m := wire.Coded{Chunk: 1, Data: content(1, 0, 8192)}
	m.Blocks.Set(0)
	s.c.Coded(s.now, &m)
	s.want("no buffer is empty", "")
	s.take(true)
	s.silence(500 * ms)
	if s.sent() == "" {
		t.Errorf("asks for nothing, and lacks %d chunks", s.c.Lacking())
	}
}

// Two passes over a chunk in a row, both with losses.
func TestEagerNextPass(t *testing.T) {
	s := eagerly(t, 1, Options{})
	s.silence(10 * ms)
	s.want("start", "R0 128")
	s.blocks(0, 0, 5)
	s.blocks(0, 6, 54)
	s.blocks(0, 61, 66)
	s.partial(0, 5, 1)
	s.partial(0, 60, 1)
	s.silence(ms)
	s.blocks(0, 60, 1)
	s.silence(5 * ms)
	s.want("the ends of both are lost", "P0 5+1 127+1!")
}

// A network that reorders makes it wait for longer.
func TestEagerReordered(t *testing.T) {
	s := eagerly(t, 1, Options{})
	s.silence(10 * ms)
	s.want("start", "R0 128")
	for i := 0; i < 126; i += 2 {
		s.blocks(0, i+1, 1)
		s.blocks(0, i, 1)
	}
	s.blocks(0, 127, 1)
	s.silence(8 * ms)
	s.want("the last but one may come", "")
	s.silence(4 * ms)
	s.want("it does not", "P0 126+1!")
}
