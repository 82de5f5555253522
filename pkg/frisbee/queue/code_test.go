package queue

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

const ms = time.Millisecond

// sent is a piece: chunk, first block or -1 for coded ones, number, and how many
// coded ones are to follow.
type sent [4]int

// drain takes all that there is at a time.
func drain(q *Queue, now time.Duration, most int) (all []sent) {
	for w, ok := q.Next(now, most); ok; w, ok = q.Next(now, most) {
		s := sent{int(w.Chunk), int(w.First), int(w.Count), w.Left}
		if w.Coded {
			s[1] = -1
		}
		all = append(all, s)
	}
	return all
}

func TestCode(t *testing.T) {
	type at struct {
		now  time.Duration
		m    *wire.Partial
		want []sent // of what is to be sent then, if m is nil
		off  bool   // coding, from then on
	}
	many := func(chunk, first, n int) *wire.Partial { return want(chunk, [2]int{first, n}) }
	for _, c := range []struct {
		name  string
		steps []at
	}{
		{"the neediest decides", []at{
			{m: many(0, 10, 20)}, {m: many(0, 100, 30)}, {now: 5 * ms, m: many(0, 200, 8)},
			{now: 9 * ms}, {now: 10 * ms, want: []sent{{0, -1, 32, 0}}},
		}},
		{"one may speak for others", []at{{m: many(0, 10, 20)}, {now: 10 * ms, want: []sent{{0, -1, 22, 0}}}}},
		{"few blocks of few clients are plain", []at{
			{m: many(0, 10, 1)}, {m: many(0, 100, 2)}, {now: 10 * ms, want: []sent{{0, 10, 1, 0}, {0, 100, 2, 0}}},
		}},
		{"few blocks of many clients are not", []at{
			{m: many(0, 10, 1)}, {m: many(0, 100, 2)}, {m: many(0, 200, 2)}, {m: many(0, 300, 2)}, {now: 10 * ms, want: []sent{{0, -1, 4, 0}}},
		}},
		{"whole chunks are plain and do not wait", []at{{m: whole(0)}, {want: []sent{{0, 0, 64, 0}, {0, 64, 64, 0}, {0, 128, 64, 0}, {0, 192, 64, 0},
			{0, 256, 64, 0}, {0, 320, 64, 0}, {0, 384, 64, 0}, {0, 448, 64, 0}, {0, 512, 64, 0}, {0, 576, 64, 0}, {0, 640, 64, 0}, {0, 704, 64, 0},
			{0, 768, 64, 0}, {0, 832, 64, 0}, {0, 896, 64, 0}, {0, 960, 64, 0}}}}},
		{"so is what one lacks too much of", []at{
			{m: many(0, 0, 50)}, {m: many(0, 40, 385)}, {want: []sent{
				{0, 0, 64, 0}, {0, 64, 64, 0}, {0, 128, 64, 0}, {0, 192, 64, 0}, {0, 256, 64, 0}, {0, 320, 64, 0}, {0, 384, 41, 0},
			}},
		}},
		{"what is ripe later is overtaken", []at{
			{m: many(0, 10, 20)}, {now: ms, m: many(2, 0, 100)}, {now: 3 * ms, want: []sent{{2, 0, 64, 0}, {2, 64, 36, 0}}},
			{now: 12 * ms, want: []sent{{0, -1, 22, 0}}},
		}},
		{"off before its time", []at{
			{m: many(0, 10, 20)}, {now: 2 * ms}, {now: 3 * ms, off: true, want: []sent{{0, 10, 20, 0}}},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := New(layout(t, 2148), 0)
			q.Code(true, 10*ms)
			for _, s := range c.steps {
				if s.off {
					q.Code(false, 10*ms)
				}
				if s.m != nil {
					if _, err := q.Add(s.now, s.m); err != nil {
						t.Fatal(err)
					}
				} else if diff := cmp.Diff(s.want, drain(q, s.now, 64)); diff != "" {
					t.Errorf("at %v (-want +got):\n%s", s.now, diff)
				}
			}
			if _, ok := q.Due(); ok || q.Blocks() != 0 || q.Entries() != 0 {
				t.Errorf("%d blocks in %d entries are left", q.Blocks(), q.Entries())
			}
		})
	}
}

// TestBatchGrows has more clients ask while a batch is being sent.
func TestBatchGrows(t *testing.T) {
	q := New(layout(t, 2048), 0)
	q.Code(true, 10*ms)
	add := func(first, n int) {
		if o, err := q.Add(20*ms, want(0, [2]int{first, n})); err != nil || o != Merged && first > 0 {
			t.Errorf("outcome %d, %v", o, err)
		}
	}
	add(0, 20)
	w, _ := q.Next(40*ms, 10)
	add(500, 15) // has its share in what is coming
	add(600, 30) // needs some more
	for range 1000 {
		add(600, 30) // and no more, however often it is said
	}
	got := append([]sent{{int(w.Chunk), -1, int(w.Count), w.Left}}, drain(q, 40*ms, 10)...)
	want := []sent{{0, -1, 10, 12}, {0, -1, 10, 12}, {0, -1, 10, 2}, {0, -1, 2, 0}}
	if diff := cmp.Diff(want, got); diff != "" || q.Blocks() != 0 {
		t.Errorf("%d blocks left (-want +got):\n%s", q.Blocks(), diff)
	}
}

// TestCodeModel adds and takes at random. Whoever asked gets what it asked for,
// or as many coded blocks and two more, and nobody makes the queue send more
// than twice the chunk for one round.
func TestCodeModel(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 6))
		l := layout(t, 1+r.IntN(6*1024))
		q, now := New(l, 0), time.Duration(0)
		type debt struct {
			blocks wire.Bitmap
			n      int
		}
		owed := map[int32][]*debt{}
		asked, on := 0, true
		take := func() bool {
			q.Code(on, 10*ms)
			w, ok := q.Next(now, 1+r.IntN(100))
			if !ok {
				return false
			}
			if w.Coded && (w.Left < 0 || !on) {
				t.Fatalf("seed %d: %+v, coding is %v", seed, w, on)
			}
			keep := owed[w.Chunk][:0]
			for _, d := range owed[w.Chunk] {
				if w.Coded {
					d.n -= int(w.Count)
				} else {
					d.blocks.ClearRange(int(w.First), int(w.Count))
				}
				if d.n > -2 && !d.blocks.Empty() {
					keep = append(keep, d)
				}
			}
			owed[w.Chunk] = keep
			return true
		}
		for range 1000 {
			now += time.Duration(r.IntN(4)) * ms
			if r.IntN(3) > 0 {
				take()
				continue
			}
			p, blocks := random(r, l)
			if r.IntN(2) == 0 {
				q.Lost(p)
			}
			if o, err := q.Add(now, p); err != nil {
				t.Fatal(err)
			} else if o == Appended { // others may join a batch that is partly over
				owed[p.Chunk] = append(owed[p.Chunk], &debt{p.Blocks, len(blocks)})
			}
			asked += len(blocks)
			if q.Blocks() < 0 || q.Entries() > int(l.Chunks())+1 {
				t.Fatalf("seed %d: %d blocks in %d entries", seed, q.Blocks(), q.Entries())
			}
		}
		for take() {
		}
		for due, ok := q.Due(); ok; due, ok = q.Due() {
			if now >= due {
				t.Fatalf("seed %d: what is due at %v waits at %v", seed, due, now)
			}
			for now = due; take(); {
			}
		}
		for k, d := range owed {
			if len(d) > 0 {
				t.Errorf("seed %d: chunk %d: %d blocks are owed to one", seed, k, d[0].n)
			}
		}
		if q.Blocks() != 0 || q.Entries() != 0 {
			t.Errorf("seed %d: %d blocks in %d entries left", seed, q.Blocks(), q.Entries())
		}
		if s := q.Stats(); s.Coded == 0 && l.Chunks() > 1 || s.Sent > uint64(2*asked) {
			t.Errorf("seed %d: asked for %d: %+v", seed, asked, s)
		}
		// In the middle of a batch a stranger comes.
		q.Code(true, 0)
		if l.Len(0) > 100 {
			q.Add(now, want(0, [2]int{0, 30}))
			if w, _ := q.Next(now, 5); !w.Coded {
				t.Fatalf("seed %d: %+v is not coded", seed, w)
			}
			q.Code(false, 0)
			if w, ok := q.Next(now, 5); ok || q.Blocks() != 0 {
				t.Errorf("seed %d: %+v is sent, and %d blocks are left", seed, w, q.Blocks())
			}
		}
	}
}

func TestMixer(t *testing.T) {
	for _, g := range []wire.Geometry{wire.Standard, wire.Jumbo} {
		for _, blocks := range []int{1, 2, 100, g.Blocks()} {
			r := rand.New(rand.NewPCG(1, uint64(blocks)))
			chunk := make([]byte, blocks*g.BlockSize())
			rand.NewChaCha8([32]byte{1}).Read(chunk)
			m := NewMixer(g, r)
			for _, n := range []int{1, 10, 300} {
				m.Batch(n)
				count, rounds := 0, 100
				for range rounds {
					got := bytes.Repeat([]byte{9}, g.BlockSize())
					set := m.Mix(got, chunk)
					want := make([]byte, g.BlockSize())
					for b := range blocks {
						if set.Has(b) {
							for i := range want {
								want[i] ^= chunk[b*len(want)+i]
							}
						}
					}
					if _, beyond := set.Run(blocks); set.Empty() || beyond > 0 || !bytes.Equal(got, want) {
						t.Fatalf("%d blocks of %d bytes: a sum of %d is wrong", blocks, len(want), set.Count())
					}
					count += set.Count()
				}
				if share := float64(count) / float64(rounds*blocks); blocks >= 100 && (share > 0.55 || n == 300 && share > 0.06 || n == 10 && share < 0.45) {
					t.Errorf("%d sums: each of %.2f of the blocks", n, share)
				}
			}
		}
	}
}

func BenchmarkMix(b *testing.B) {
	chunk, dst := make([]byte, wire.ChunkSize), make([]byte, 1024)
	for name, n := range map[string]int{"20 sums": 20, "300 sums": 300} {
		b.Run(name, func(b *testing.B) {
			m := NewMixer(wire.Standard, rand.New(rand.NewPCG(1, 2)))
			m.Batch(n)
			b.SetBytes(1024)
			for b.Loop() {
				m.Mix(dst, chunk)
			}
		})
	}
}
