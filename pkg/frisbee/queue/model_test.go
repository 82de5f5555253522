package queue

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// model does what a Queue does, slowly: a list of chunks with sorted blocks,
// searched from end to end.
type model struct {
	layout wire.Layout
	most   int
	list   []wanted

	run     []int // blocks of the run being sent that are yet to be taken
	chunk   int   // it is of, or -1
	end     int   // block behind it
	whole   bool
	atFront bool // list[0] is what is left of the entry that the run is of
}

type wanted struct {
	chunk  int
	blocks []int
}

func insert(blocks []int, b int) []int {
	if i, found := slices.BinarySearch(blocks, b); !found {
		return slices.Insert(blocks, i, b)
	}
	return blocks
}

func (m *model) add(chunk int, blocks []int) Outcome {
	if m.chunk == chunk && m.whole && len(blocks) == m.layout.Len(int32(chunk)) {
		return Dropped
	}
	var rest []int
	for _, b := range blocks {
		switch {
		case m.chunk == chunk && slices.Contains(m.run, b):
		case m.chunk == chunk && m.atFront && b >= m.end:
			m.list[0].blocks = insert(m.list[0].blocks, b)
		default:
			rest = append(rest, b)
		}
	}
	if len(rest) == 0 {
		return Merged
	}
	first := 0
	if m.atFront {
		first = 1
	}
	for i := len(m.list) - 1; i >= first; i-- {
		if m.list[i].chunk == chunk {
			for _, b := range rest {
				m.list[i].blocks = insert(m.list[i].blocks, b)
			}
			return Merged
		}
	}
	if len(m.list)-first >= m.most {
		return Full
	}
	m.list = append(m.list, wanted{chunk, rest})
	return Appended
}

func (m *model) next(most int) (got []int) {
	if len(m.run) == 0 {
		m.chunk, m.atFront = -1, false
		if len(m.list) == 0 {
			return nil
		}
		e := &m.list[0]
		n := 1
		for n < len(e.blocks) && e.blocks[n] == e.blocks[0]+n {
			n++
		}
		m.run, e.blocks = e.blocks[:n:n], e.blocks[n:]
		m.chunk, m.end, m.whole, m.atFront = e.chunk, m.run[n-1]+1, n == m.layout.Len(int32(e.chunk)), true
		if len(e.blocks) == 0 {
			m.list, m.atFront = m.list[1:], false
		}
	}
	n := min(most, len(m.run))
	got, m.run = m.run[:n], m.run[n:]
	return got
}

func (m *model) blocks() (n int64) {
	for _, e := range m.list {
		n += int64(len(e.blocks))
	}
	return n + int64(len(m.run))
}

// random makes requests as clients do: whole chunks, a few blocks, a run.
func random(r *rand.Rand, l wire.Layout) (*wire.Partial, []int) {
	m := &wire.Partial{Chunk: int32(r.Int64N(l.Chunks()))}
	n := l.Len(m.Chunk)
	switch r.IntN(4) {
	case 0:
		m.Blocks.SetRange(0, n)
	case 1:
		first := r.IntN(n)
		m.Blocks.SetRange(first, 1+r.IntN(n-first))
	default:
		for range 1 + r.IntN(30) {
			m.Blocks.Set(r.IntN(n))
		}
	}
	var blocks []int
	for first, n := range m.Blocks.Runs() {
		for i := range n {
			blocks = append(blocks, first+i)
		}
	}
	return m, blocks
}

// TestModel compares with the model, step by step, and then empties the queue.
func TestModel(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 5))
		l := layout(t, 1+r.IntN(6*1024))
		if seed%2 == 1 {
			var err error
			if l, err = wire.NewLayout(wire.Jumbo, uint64(1+r.IntN(6<<20))); err != nil {
				t.Fatal(err)
			}
		}
		most := []int{1, 2, 3, 100}[r.IntN(4)]
		q, m := New(l, most), &model{layout: l, most: most, chunk: -1}
		busy := r.IntN(10) // how often it takes
		// owed is what was accepted and not given since.
		owed := map[[2]int]bool{}
		step := func(i int) bool {
			n := 1 + r.IntN(200)
			got, ok := q.Next(0, n)
			want := m.next(n)
			if ok != (want != nil) || ok && (int(got.Chunk) != m.chunk || int(got.First) != want[0] || int(got.Count) != len(want)) {
				t.Fatalf("seed %d, step %d: next %d is %v of chunk %d, want %v of %d", seed, i, n, got, got.Chunk, want, m.chunk)
			}
			if ok && l.CheckRequest(got.Request) != nil {
				t.Fatalf("seed %d, step %d: %v is not in the file", seed, i, got)
			}
			for b := range int(got.Count) {
				delete(owed, [2]int{int(got.Chunk), int(got.First) + b})
			}
			return ok
		}
		for i := range 1500 {
			if r.IntN(10) < busy {
				step(i)
				continue
			}
			p, blocks := random(r, l)
			got, err := q.Add(0, p)
			if want := m.add(int(p.Chunk), blocks); got != want || err != nil {
				t.Fatalf("seed %d, step %d: outcome %d, %v, want %d", seed, i, got, err, want)
			}
			if got == Appended || got == Merged {
				for _, b := range blocks {
					owed[[2]int{int(p.Chunk), b}] = true
				}
			}
			if q.Blocks() != m.blocks() || q.Entries() != len(m.list) {
				t.Fatalf("seed %d, step %d: %d blocks in %d entries, want %d in %d", seed, i, q.Blocks(), q.Entries(), m.blocks(), len(m.list))
			}
			if q.Entries() > min(most, int(l.Chunks()))+1 {
				t.Fatalf("seed %d, step %d: %d entries", seed, i, q.Entries())
			}
		}
		for n := q.Blocks(); step(-1); n = q.Blocks() {
			if q.Blocks() >= n {
				t.Fatalf("seed %d: %d blocks left, and there were %d", seed, q.Blocks(), n)
			}
		}
		if len(owed) > 0 || q.Blocks() != 0 || q.Entries() != 0 {
			t.Errorf("seed %d: never given: %d blocks; left: %d blocks in %d entries", seed, len(owed), q.Blocks(), q.Entries())
		}
		if s := q.Stats(); s.Sent > s.Asked {
			t.Errorf("seed %d: sent %d blocks, and was asked for %d", seed, s.Sent, s.Asked)
		}
	}
}
