package queue

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

func layout(t testing.TB, blocks int) wire.Layout {
	t.Helper()
	l, err := wire.NewLayout(wire.Standard, uint64(blocks)*1024)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// run is chunk, first block and number.
type run = [3]int

func want(chunk int, runs ...[2]int) *wire.Partial {
	m := &wire.Partial{Chunk: int32(chunk)}
	for _, r := range runs {
		m.Blocks.SetRange(r[0], r[1])
	}
	return m
}

func retry(m *wire.Partial) *wire.Partial {
	m.Retries = 1
	return m
}

func whole(chunk int) *wire.Partial { return want(chunk, [2]int{0, 1024}) }

// step adds a request, or takes pieces.
type step struct {
	add  *wire.Partial
	want Outcome
	next int // size of pieces
	runs []run
}

func take(next int, runs ...run) step { return step{next: next, runs: runs} }

func (s step) do(t *testing.T, i int, q *Queue) {
	t.Helper()
	if s.add != nil {
		if got, err := q.Add(0, s.add); got != s.want || err != nil {
			t.Errorf("step %d: outcome %d, %v, want %d", i, got, err, s.want)
		}
		return
	}
	var got []run
	for range s.runs {
		if r, ok := q.Next(0, s.next); ok {
			got = append(got, run{int(r.Chunk), int(r.First), int(r.Count)})
		} else {
			got = append(got, run{-1})
		}
	}
	if diff := cmp.Diff(s.runs, got); diff != "" {
		t.Errorf("step %d (-want +got):\n%s", i, diff)
	}
}

// TestQueue's file has two whole chunks and one of 100 blocks.
func TestQueue(t *testing.T) {
	empty := run{-1}
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"nothing", []step{take(32, empty, empty)}},
		{"five of the same", []step{
			{add: whole(1), want: Appended}, {add: whole(1), want: Merged}, {add: whole(1), want: Merged}, {add: whole(1), want: Merged}, {add: whole(1), want: Merged},
			take(1024, run{1, 0, 1024}, empty),
		}},
		{"in order of asking, in pieces", []step{
			{add: whole(1), want: Appended}, {add: whole(0), want: Appended}, {add: want(1, [2]int{5, 3}), want: Merged},
			take(600, run{1, 0, 600}, run{1, 600, 424}, run{0, 0, 600}, run{0, 600, 424}, empty),
		}},
		{"single blocks", []step{
			{add: want(0, [2]int{9, 1}, [2]int{3, 2}), want: Appended}, {add: want(0, [2]int{1023, 1}, [2]int{5, 1}), want: Merged},
			take(32, run{0, 3, 3}, run{0, 9, 1}, run{0, 1023, 1}, empty),
		}},
		{"pieces of no blocks are of one", []step{
			{add: want(0, [2]int{1, 2}), want: Appended},
			take(0, run{0, 1, 1}), take(-5, run{0, 2, 1}, empty),
		}},
		{"whole while it is sent as a whole", []step{
			{add: whole(0), want: Appended}, {add: whole(1), want: Appended},
			take(1000, run{0, 0, 1000}), {add: whole(0), want: Dropped},
			take(1000, run{0, 1000, 24}), {add: whole(0), want: Dropped},
			take(1000, run{1, 0, 1000}), {add: whole(0), want: Appended},
			take(1024, run{1, 1000, 24}, run{0, 0, 1024}, empty),
			{add: whole(0), want: Appended},
		}},
		{"the short chunk as a whole", []step{
			{add: want(2, [2]int{0, 100}), want: Appended},
			take(99, run{2, 0, 99}), {add: want(2, [2]int{0, 100}), want: Dropped}, {add: want(2, [2]int{0, 99}), want: Appended},
			take(99, run{2, 99, 1}, run{2, 0, 99}), {add: want(2, [2]int{0, 100}), want: Appended},
		}},
		{"part of a chunk that is sent as a whole", []step{
			{add: whole(0), want: Appended},
			take(100, run{0, 0, 100}), {add: want(0, [2]int{150, 20}), want: Merged}, {add: want(0, [2]int{50, 100}), want: Appended},
			take(1024, run{0, 100, 924}, run{0, 50, 50}, empty),
		}},
		{"before and behind the run being sent", []step{
			{add: want(0, [2]int{10, 10}, [2]int{30, 10}), want: Appended}, {add: whole(1), want: Appended},
			take(5, run{0, 10, 5}),
			{add: want(0, [2]int{0, 50}), want: Appended}, {add: want(0, [2]int{16, 34}), want: Merged},
			take(1024, run{0, 15, 5}, run{0, 20, 30}, run{1, 0, 1024}, run{0, 0, 15}, empty),
		}},
		{"again what was sent of the run", []step{
			{add: want(0, [2]int{10, 10}, [2]int{30, 10}), want: Appended}, {add: whole(1), want: Appended},
			take(5, run{0, 10, 5}),
			{add: want(0, [2]int{10, 30}), want: Appended}, {add: want(0, [2]int{11, 1}, [2]int{200, 1}), want: Merged},
			take(1024, run{0, 15, 5}, run{0, 20, 20}, run{0, 200, 1}, run{1, 0, 1024}, run{0, 10, 5}, empty),
		}},
		{"behind the last run being sent", []step{
			{add: want(0, [2]int{10, 10}), want: Appended}, {add: whole(1), want: Appended},
			take(32, run{0, 10, 10}), {add: want(0, [2]int{15, 10}), want: Appended},
			take(1024, run{1, 0, 1024}, run{0, 15, 10}, empty),
		}},
		{"the last piece is sent when the next is asked for", []step{
			{add: want(0, [2]int{10, 10}), want: Appended},
			take(32, run{0, 10, 10}, empty), {add: want(0, [2]int{10, 10}), want: Appended},
			take(32, run{0, 10, 10}),
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := New(layout(t, 2148), 0)
			for i, s := range c.steps {
				s.do(t, i, q)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	q := New(layout(t, 2148), 0)
	for _, c := range []struct {
		name string
		m    *wire.Partial
		want error
	}{
		{"no blocks", want(0), wire.ErrEmpty},
		{"chunk 3", whole(3), wire.ErrChunk},
		{"chunk -1", whole(-1), wire.ErrChunk},
		{"chunk far away", whole(math.MaxInt32), wire.ErrChunk},
		{"beyond the short chunk", want(2, [2]int{100, 1}), wire.ErrBlock},
		{"the short chunk as if it were whole", whole(2), wire.ErrBlock},
	} {
		if got, err := q.Add(0, c.m); got != Refused || !errors.Is(err, c.want) {
			t.Errorf("%s: %d, %v, want %v", c.name, got, err, c.want)
		}
	}
	if q.Entries() != 0 || q.Blocks() != 0 || q.Stats() != (Stats{Refused: 6}) {
		t.Errorf("%d entries, %d blocks, %+v", q.Entries(), q.Blocks(), q.Stats())
	}
}

func TestFull(t *testing.T) {
	q := New(layout(t, 10*1024), 2)
	for i, s := range []step{
		{add: whole(3), want: Appended}, {add: whole(4), want: Appended}, {add: whole(5), want: Full}, {add: want(4, [2]int{1, 1}), want: Merged},
		take(32, run{3, 0, 32}),
		{add: whole(5), want: Appended}, {add: whole(6), want: Full}, {add: want(3, [2]int{0, 1}), want: Full},
		take(1024, run{3, 32, 992}, run{4, 0, 1024}, run{5, 0, 1024}, run{-1}),
		{add: whole(6), want: Appended},
	} {
		s.do(t, i, q)
	}
}

func TestStats(t *testing.T) {
	q := New(layout(t, 2148), 1)
	for i, s := range []step{
		{add: whole(0), want: Appended},
		{add: retry(want(0, [2]int{0, 3})), want: Merged},
		take(1000, run{0, 0, 1000}),
		{add: retry(whole(0)), want: Dropped},
		{add: want(0, [2]int{0, 3}), want: Appended},
		{add: retry(want(1, [2]int{0, 3})), want: Full},
		take(1000, run{0, 1000, 24}, run{0, 0, 3}, run{-1}),
		{add: retry(want(0, [2]int{7, 1})), want: Appended},
		{add: retry(want(0, [2]int{8, 1})), want: Merged},
	} {
		s.do(t, i, q)
	}
	want := Stats{Appended: 3, Merged: 2, Dropped: 1, Full: 1, Retries: 5, Losses: 2, Asked: 2059, Repairs: 11, Sent: 1027, Wanted: 1029}
	if diff := cmp.Diff(want, q.Stats()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestMemory asks for everything of a large file, in all ways, again and again.
func TestMemory(t *testing.T) {
	const chunks = 3000
	for _, c := range []struct{ limit, most int }{{0, chunks + 1}, {100, 101}} {
		q := New(layout(t, chunks*1024), c.limit)
		r := rand.New(rand.NewPCG(3, 4))
		for i := range 100_000 {
			chunk := r.IntN(chunks)
			if i < 4*chunks {
				chunk = i % chunks
			}
			q.Add(0, want(chunk, [2]int{r.IntN(1024), 1 + r.IntN(100)}))
			if i%3 == 0 {
				q.Next(0, 32)
			}
		}
		if len(q.entries) > c.most || q.Entries() > c.most {
			t.Errorf("%d entries, %d in memory, want at most %d", q.Entries(), len(q.entries), c.most)
		}
	}
}
