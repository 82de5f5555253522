package receive

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

const ms = time.Millisecond

// script is a client and the time of a test.
type script struct {
	t   *testing.T
	c   *Client
	now time.Duration
}

// start makes a client of a file with so many jumbo chunks: 128 blocks each.
func start(t *testing.T, chunks float64, o Options) *script {
	t.Helper()
	o.Geometry = wire.Jumbo
	o.Bytes = uint64(chunks * wire.ChunkSize)
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return &script{t: t, c: c}
}

// content is what every block holds: its place.
func content(k, i, size int) []byte {
	return bytes.Repeat([]byte{byte(k), byte(i), byte(k >> 8), 7}, size/4)
}

// blocks lets n blocks of a chunk arrive, from first on.
func (s *script) blocks(k, first, n int) {
	for i := first; i < first+n; i++ {
		s.c.Block(s.now, wire.Block{Chunk: int32(k), Index: int32(i), Data: content(k, i, 8192)})
	}
}

// snoop lets another client ask for n blocks of a chunk, in one packet or the
// other.
func (s *script) snoop(k, first, n int) {
	s.c.Request(s.now, wire.Request{Chunk: int32(k), First: int32(first), Count: int32(n)})
}

func (s *script) partial(k, first, n int) {
	p := wire.Partial{Chunk: int32(k)}
	p.Blocks.SetRange(first, n)
	s.c.Partial(s.now, &p)
}

// silence lets time pass without packets, waking the client as it wishes.
func (s *script) silence(d time.Duration) {
	for end := s.now + d; ; {
		w := s.c.Wait(s.now)
		if s.now+w > end {
			s.now = end
			return
		}
		s.now += w
		s.c.Tick(s.now)
		if w == 0 {
			s.now += ms / 10
		}
	}
}

// sent gives the requests that the client sends: R chunk count, or P chunk
// blocks, and a ! for a repeat.
func (s *script) sent() string {
	var all []string
	for m, ok := s.c.Send(); ok; m, ok = s.c.Send() {
		all = append(all, show(m))
	}
	return strings.Join(all, ", ")
}

func show(m wire.Message) string {
	switch m := m.(type) {
	case wire.Request:
		if m.First != 0 {
			return fmt.Sprintf("R%d from %d", m.Chunk, m.First)
		}
		return fmt.Sprintf("R%d %d", m.Chunk, m.Count)
	case wire.Partial:
		var runs []string
		for first, n := range m.Blocks.Runs() {
			runs = append(runs, fmt.Sprintf("%d+%d", first, n))
		}
		return fmt.Sprintf("P%d %s%s", m.Chunk, strings.Join(runs, " "), strings.Repeat("!", int(m.Retries)))
	}
	return fmt.Sprintf("%T", m)
}

func (s *script) want(what, want string) {
	s.t.Helper()
	if diff := cmp.Diff(want, s.sent()); diff != "" {
		s.t.Errorf("at %v, %s: requests sent (-want +got):\n%s", s.now, what, diff)
	}
}

// take gives the numbers of the chunks that are complete, and releases them if
// told so.
func (s *script) take(release bool) []int32 {
	s.t.Helper()
	var all []int32
	for ch, ok := s.c.Chunk(); ok; ch, ok = s.c.Chunk() {
		for i := 0; i < len(ch.Data); i += 8192 {
			b := ch.Data[i:min(i+8192, len(ch.Data))]
			if !bytes.Equal(b, content(int(ch.Index), i/8192, 8192)[:len(b)]) {
				s.t.Fatalf("block %d of chunk %d is not what came", i/8192, ch.Index)
			}
		}
		all = append(all, ch.Index)
		if release {
			s.c.Release(s.now, ch)
		}
	}
	return all
}

func TestNew(t *testing.T) {
	var size *wire.SizeError
	for _, n := range []uint64{0, 1 << 62} {
		if _, err := New(Options{Bytes: n}); !errors.As(err, &size) {
			t.Errorf("New of %d bytes = %v; want a *wire.SizeError", n, err)
		}
	}
	s := start(t, 3.5, Options{Want: func(k int32) bool { return k > 1 }})
	if got := s.c.Lacking(); got != 2 {
		t.Errorf("lacks %d chunks; want 2", got)
	}
	for _, eager := range []bool{false, true} {
		s = start(t, 3.5, Options{Want: func(int32) bool { return false }, Eager: eager})
		if !s.c.Done() || !s.c.Missing().Empty() {
			t.Error("a client that lacks nothing is not done at once")
		}
		s.silence(10 * time.Second)
		s.want("nothing is lacking", "")
	}
}

func TestFirstRequest(t *testing.T) {
	s := start(t, 10, Options{})
	s.silence(29 * ms)
	s.want("before a tick is over", "")
	s.silence(ms)
	s.want("after one tick", "R0 128, R1 128")
}

// Silence after the first request: 3 ticks, then one more each time, 36 at most.
func TestBackoff(t *testing.T) {
	s := start(t, 1, Options{})
	var ticks []int
	last := time.Duration(0)
	for len(ticks) < 40 {
		s.silence(30 * ms)
		if s.sent() != "" {
			ticks = append(ticks, int((s.now-last)/(30*ms)))
			last = s.now
		}
	}
	want := []int{1}
	for i := 3; len(want) < 40; i = min(i+1, 36) {
		want = append(want, i)
	}
	if diff := cmp.Diff(want, ticks); diff != "" {
		t.Errorf("ticks between requests (-want +got):\n%s", diff)
	}
	if got := s.c.Counters().Timeouts; got != 40 {
		t.Errorf("%d timeouts; want 40", got)
	}

	s.blocks(0, 0, 1)
	s.silence(90 * ms)
	s.want("3 ticks after a block", "P0 1+127!")
	s.silence(90 * ms)
	s.want("3 ticks after that", "P0 1+127!")
	s.silence(110 * ms)
	s.want("less than 4 ticks after that", "")
}

func TestUselessPacketsPostpone(t *testing.T) {
	s := start(t, 10, Options{Want: func(k int32) bool { return k < 9 }})
	for range 20 {
		s.silence(20 * ms)
		s.blocks(9, 0, 1)
		s.silence(20 * ms)
		s.snoop(9, 0, 128)
	}
	s.want("the socket is never silent for a tick", "")
	s.silence(30 * ms)
	s.want("it is", "R0 128, R1 128")
}

func TestChunkComplete(t *testing.T) {
	s := start(t, 10, Options{})
	s.silence(30 * ms)
	s.want("start", "R0 128, R1 128")
	s.blocks(1, 0, 100)
	s.want("amid a chunk", "")
	s.blocks(0, 0, 128)
	if diff := cmp.Diff([]int32{0}, s.take(true)); diff != "" {
		t.Errorf("complete chunks (-want +got):\n%s", diff)
	}
	s.want("chunk 1 is being filled and was asked for", "R2 128, R3 128")
	s.now += time.Second - ms
	s.blocks(2, 0, 128)
	s.want("chunk 1 was heard of less than the redo delay ago, chunk 3 counts", "R4 128")
	s.now += ms
	s.blocks(4, 0, 128)
	s.want("chunk 1 and 3 were not heard of for the redo delay", "P1 100+28!, P3 0+128!, R5 128")
}

func TestShortLastChunk(t *testing.T) {
	s := start(t, 1.25, Options{})
	s.silence(30 * ms)
	s.want("start", "R0 128, R1 32")
	s.silence(90 * ms)
	s.want("again", "P0 0+128!, P1 0+32!")
	s.blocks(1, 0, 31)
	s.blocks(0, 0, 128)
	s.silence(90 * ms)
	s.want("the last block", "P1 31+1!")
	s.blocks(1, 31, 1)
	ch, _ := s.c.Chunk()
	last, _ := s.c.Chunk()
	if len(ch.Data) != wire.ChunkSize || len(last.Data) != wire.ChunkSize/4 {
		t.Errorf("chunks of %d and %d bytes", len(ch.Data), len(last.Data))
	}
	if s.c.Done() || s.c.Lacking() != 0 {
		t.Error("done before the chunks are released")
	}
	s.c.Release(s.now, ch)
	s.c.Release(s.now, ch)
	s.c.Release(s.now, Chunk{})
	s.c.Release(s.now, Chunk{Index: 1, Data: last.Data, slot: -1})
	s.c.Release(s.now, last)
	if !s.c.Done() {
		t.Error("not done when all is released")
	}
	if w := s.c.Wait(s.now); w < 0 {
		t.Errorf("waits %v", w)
	}
}

func TestInProgress(t *testing.T) {
	s := start(t, 20, Options{InProgress: 3})
	s.blocks(5, 0, 1)
	s.blocks(6, 0, 1)
	s.silence(90 * ms)
	s.want("two are being filled", "P5 1+127, P6 1+127, R0 128, R1 128")
	s.blocks(7, 0, 1)
	s.silence(90 * ms)
	s.want("three are", "P5 1+127!, P6 1+127!, P7 1+127")
}

func TestNoBuffer(t *testing.T) {
	s := start(t, 20, Options{Buffers: 2})
	s.blocks(5, 0, 128)
	s.want("one buffer is empty: it limits what is asked for", "R0 128")
	s.blocks(6, 0, 128)
	s.want("no buffer is empty", "")
	s.blocks(7, 0, 10)
	if got := s.c.Counters().NoBuffer; got != 10 {
		t.Errorf("%d blocks dropped for lack of a buffer; want 10", got)
	}
	s.silence(time.Second)
	s.want("no buffer is empty, and all is silent", "")
	s.take(true)
	s.silence(2 * time.Second)
	if s.sent() == "" {
		t.Error("asks for nothing when buffers are empty again")
	}
}

func TestDubious(t *testing.T) {
	s := start(t, 20, Options{Buffers: 2})
	s.blocks(5, 0, 128)
	s.blocks(6, 0, 128)
	s.blocks(7, 0, 50) // dropped
	s.take(true)
	s.blocks(7, 50, 78) // dubious
	s.blocks(8, 0, 5)
	s.blocks(9, 1, 1)
	if got := s.c.Counters().Dropped; got != 0 {
		t.Errorf("a buffer was recycled for a block that is not the first of its chunk")
	}
	s.blocks(9, 0, 128)
	if diff := cmp.Diff([]int32{9}, s.take(true)); diff != "" {
		t.Errorf("complete chunks (-want +got):\n%s", diff)
	}
	if got := s.c.Counters().Dropped; got != 1 {
		t.Errorf("%d partly filled chunks dropped; want 1", got)
	}

	s.blocks(7, 60, 68) // dubious again
	s.partial(7, 0, 60) // but no more
	s.blocks(10, 0, 128)
	s.blocks(7, 0, 60)
	if diff := cmp.Diff([]int32{7}, s.take(true)); diff != "" {
		t.Errorf("complete chunks (-want +got):\n%s", diff)
	}
}

// A dubious buffer is good when we ask for the rest ourselves, too.
func TestDubiousAsked(t *testing.T) {
	s := start(t, 20, Options{Buffers: 1})
	s.blocks(5, 0, 128)
	s.blocks(7, 0, 50)
	s.take(true)
	s.blocks(7, 50, 78)
	s.silence(90 * ms)
	s.want("silence", "P7 0+50")
	s.blocks(8, 0, 128)
	s.blocks(7, 0, 50)
	if diff := cmp.Diff([]int32{7}, s.take(true)); diff != "" {
		t.Errorf("complete chunks (-want +got):\n%s", diff)
	}
}

func TestSnooping(t *testing.T) {
	s := start(t, 10, Options{})
	s.silence(20 * ms)
	s.snoop(0, 0, 128)
	s.silence(30 * ms)
	s.want("a useful REQUEST puts the first request off", "")
	s.partial(1, 0, 128)
	s.silence(60 * ms)
	s.want("a PREQUEST does not, and a silence asks for what others have asked for", "R0 128, R1 128")

	s = start(t, 10, Options{})
	s.snoop(0, 0, 128)
	s.partial(1, 0, 128)
	s.blocks(4, 0, 128)
	s.want("what others ask for counts", "")

	s = start(t, 10, Options{})
	s.blocks(3, 0, 127)
	s.now += 900 * ms
	s.partial(3, 0, 127)
	s.now += 200 * ms
	s.blocks(4, 0, 128)
	s.want("another's request that covers nothing missing does not count", "P3 127+1, R0 128, R1 128")
	s.now += 900 * ms
	s.partial(3, 127, 1)
	s.now += 200 * ms
	s.blocks(5, 0, 128)
	s.want("one that does, does", "P0 0+128!, P1 0+128!")
	s.now += 900 * ms
	s.blocks(3, 0, 100)
	s.now += 200 * ms
	s.blocks(6, 0, 128)
	s.want("nor do duplicate blocks", "P3 127+1!, P0 0+128!, P1 0+128!")
}

func TestRetries(t *testing.T) {
	s := start(t, 10, Options{ReadAhead: 1})
	s.snoop(0, 0, 128)
	s.blocks(0, 0, 127)
	s.silence(90 * ms)
	s.want("another has asked for chunk 0", "P0 127+1, R1 128")
	s.silence(90 * ms)
	s.want("we have asked for both", "P0 127+1!, P1 0+128!")
	got := s.c.Stats(s.now)
	if got.Requests != 4 || got.Partials != 3 || got.Repeats != 2 || got.WholeRepeats != 1 || got.Again != 129 || got.Timeouts != 2 {
		t.Errorf("statistics %+v", got)
	}
}

func TestDuplicates(t *testing.T) {
	s := start(t, 3, Options{Want: func(k int32) bool { return k != 2 }})
	s.blocks(0, 0, 128)
	s.blocks(0, 3, 2)
	s.blocks(1, 0, 10)
	s.blocks(1, 0, 3)
	s.blocks(2, 0, 4)
	got := s.c.Counters()
	if got.DupDone != 2 || got.DupOpen != 3 || got.Unwanted != 4 || got.Useful != 138 {
		t.Errorf("counted %+v", got)
	}
}

func TestHostile(t *testing.T) {
	for _, eager := range []bool{false, true} {
		s := start(t, 3.5, Options{Eager: eager})
		before := s.c.Missing()
		data := make([]byte, 8192)
		for _, b := range []wire.Block{
			{Chunk: -1, Data: data}, {Chunk: 4, Data: data}, {Chunk: 1 << 30, Data: data},
			{Index: -1, Data: data}, {Index: 128, Data: data}, {Chunk: 3, Index: 64, Data: data},
			{Data: data[1:]}, {Data: make([]byte, 8193)}, {},
		} {
			s.c.Block(0, b)
		}
		for _, r := range []wire.Request{
			{Chunk: -1, Count: 1}, {Chunk: 4, Count: 1}, {Count: 0}, {Count: -1}, {First: -1, Count: 1},
			{First: 127, Count: 2}, {First: 1 << 30, Count: 1 << 30}, {Chunk: 3, Count: 65},
		} {
			s.c.Request(0, r)
		}
		s.c.Partial(0, &wire.Partial{})
		s.partial(3, 64, 1)
		s.partial(9, 0, 1)
		if got := s.c.Counters(); got.Bad != 9 || got.BadRequests != 11 || got.Snooped != 0 {
			t.Errorf("counted %+v", got)
		}
		if !s.c.Missing().Equal(before) {
			t.Error("something has been taken")
		}
		if m := s.sent(); m != "" {
			t.Errorf("requests sent: %s", m)
		}
	}
}

func TestSendIsBounded(t *testing.T) {
	for _, eager := range []bool{false, true} {
		s := start(t, 2000, Options{ReadAhead: 2000, InProgress: 2000, Buffers: 1000, Eager: eager})
		for range 100 {
			s.silence(time.Second)
		}
		n := 0
		for _, ok := s.c.Send(); ok; _, ok = s.c.Send() {
			n++
		}
		if n > maxOut {
			t.Errorf("%d requests wait to be sent", n)
		}
	}
}
