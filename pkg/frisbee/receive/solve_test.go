package receive

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/frisbee/queue"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// solver is a client of a file of one chunk.
type solver struct {
	*Client
	file []byte // with the padding of its last block
	size int    // of the file
}

func newSolver(t testing.TB, g wire.Geometry, size int) *solver {
	t.Helper()
	l, err := wire.NewLayout(g, uint64(size))
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(Options{Geometry: g, Bytes: uint64(size), Eager: true})
	if err != nil {
		t.Fatal(err)
	}
	s := &solver{c, make([]byte, int(l.Blocks)*g.BlockSize()), size}
	rand.NewChaCha8([32]byte{byte(size)}).Read(s.file[:size])
	return s
}

func (s *solver) block(i int) {
	s.Block(0, wire.Block{Index: int32(i), Data: s.file[i*s.blockSize:][:s.blockSize]})
}

// sound checks that the equations are true and that the system is what it says.
func (s *solver) sound(t testing.TB) {
	t.Helper()
	slot := s.slotOf(0)
	if slot == nil || slot.system == nil {
		return
	}
	y := slot.system
	if n := slot.missing.Count(); n != slot.lacks || len(y.rows) > n || y.pivots.Count() != len(y.rows) {
		t.Fatalf("%d blocks missing, %d said to be, %d equations with %d pivots", n, slot.lacks, len(y.rows), y.pivots.Count())
	}
	for i, r := range y.rows {
		open := r.blocks
		known := r.blocks
		known.AndNot(&slot.missing)
		open.AndNot(&known)
		if first, _ := open.Run(0); first != r.pivot || int(y.at[r.pivot]) != i+1 || !y.pivots.Has(r.pivot) {
			t.Fatalf("equation %d begins at %d, and has the pivot %d", i, first, r.pivot)
		}
	}
}

// TestSolve gives clients some blocks and many sums, in any order.
func TestSolve(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 3))
		g := wire.Geometry(seed % 2)
		size := 1 + r.IntN(wire.ChunkSize/4)
		if seed%5 == 0 {
			size = wire.ChunkSize
		}
		s := newSolver(t, g, size)
		n := len(s.file) / g.BlockSize()
		missing := 1 + r.IntN(min(n, 100))
		mixer := queue.NewMixer(g, r)
		mixer.Batch(missing)
		order := r.Perm(n)
		var used int
		slot := 0
		for i := 0; s.Lacking() > 0; i++ {
			if i > 20*n+1000 {
				t.Fatalf("seed %d: %d sums do not solve %d of %d blocks", seed, used, missing, n)
			}
			if slot < n-missing && r.IntN(n) > missing/2 || slot == 0 {
				s.block(order[slot])
				slot++
			} else {
				data := make([]byte, g.BlockSize())
				set := mixer.Mix(data, s.file)
				s.Coded(0, &wire.Coded{Blocks: set, Data: data})
				used++
			}
			s.sound(t)
		}
		ch, ok := s.Chunk()
		if !ok || !bytes.Equal(ch.Data, s.file[:size]) {
			t.Fatalf("seed %d: what was solved is not the file", seed)
		}
	}
}

// TestSolveFew tells how many sums are needed: about two more than are missing.
func TestSolveFew(t *testing.T) {
	for _, missing := range []int{1, 5, 20, 100, 300} {
		total := 0
		const tries = 40
		for seed := range uint64(tries) {
			r := rand.New(rand.NewPCG(seed, 4))
			s := newSolver(t, wire.Standard, wire.ChunkSize)
			for _, i := range r.Perm(1024)[missing:] {
				s.block(i)
			}
			mixer := queue.NewMixer(wire.Standard, r)
			mixer.Batch(missing + 2)
			data := make([]byte, 1024)
			for s.Lacking() > 0 {
				set := mixer.Mix(data, s.file)
				s.Coded(0, &wire.Coded{Blocks: set, Data: data})
				total++
			}
		}
		more := float64(total)/tries - float64(missing)
		t.Logf("%d missing: %.2f sums more", missing, more)
		if more > 3 {
			t.Errorf("%d missing blocks need %.2f sums more", missing, more)
		}
	}
}

// TestAgainForgetsSums has a chunk that a forged sum has spoilt.
func TestAgainForgetsSums(t *testing.T) {
	s := newSolver(t, wire.Standard, 16<<10)
	for i := range 14 {
		s.block(i)
	}
	forge := func(blocks ...int) {
		m := wire.Coded{Data: bytes.Repeat([]byte{7}, 1024)}
		for _, b := range blocks {
			m.Blocks.Set(b)
		}
		s.Coded(0, &m)
	}
	forge(14, 15)
	forge(15)
	ch, ok := s.Chunk()
	if !ok || bytes.Equal(ch.Data, s.file) {
		t.Fatal("a forged sum is not found in the chunk")
	}
	s.Again(0)
	s.Release(0, ch)
	for i := range 16 {
		s.block(i)
	}
	if ch, ok := s.Chunk(); !ok || !bytes.Equal(ch.Data, s.file) {
		t.Error("what was received again is not the file")
	}
}

// FuzzSolve mixes blocks, sums, repairs and forged sums as the input says. As
// long as nothing is forged, a chunk that is complete is the file.
func FuzzSolve(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 250, 1, 2, 3, 4, 250, 9, 8, 7, 6}, uint16(5000), false)
	f.Add([]byte{255, 1, 1, 1, 1, 255, 3, 3, 3, 3}, uint16(20000), true)
	f.Fuzz(func(t *testing.T, in []byte, size uint16, jumbo bool) {
		g := wire.Standard
		if jumbo {
			g = wire.Jumbo
		}
		s := newSolver(t, g, 1+int(size))
		n := len(s.file) / g.BlockSize()
		forged := false
		for len(in) >= 5 && s.Lacking() > 0 {
			op, arg := in[0], uint64(in[1])|uint64(in[2])<<8|uint64(in[3])<<16|uint64(in[4])<<24
			in = in[5:]
			switch {
			case op < 200:
				s.block(int(arg) % n)
			case op < 245:
				m := wire.Coded{Left: int32(arg >> 16 & 15)}
				for i := range m.Blocks {
					m.Blocks[i] = arg * 0x9e3779b97f4a7c15 >> (i % 32)
				}
				m.Blocks.ClearRange(n, wire.MaxBlocks)
				m.Data = make([]byte, g.BlockSize())
				if m.Blocks.Sum(m.Data, s.file); op == 244 {
					m.Data[arg%1024]++
					forged = true
				}
				s.Coded(0, &m)
			case op < 250:
				off := int(arg) % n * g.BlockSize()
				s.Supply(0, int64(off), s.file[off:s.size])
			default: // not of the file
				m := wire.Coded{Chunk: int32(arg), Data: make([]byte, arg%2000)}
				m.Blocks[15] = arg << 32
				s.Coded(0, &m)
			}
			s.sound(t)
		}
		if ch, ok := s.Chunk(); ok && !forged && !bytes.Equal(ch.Data, s.file[:s.size]) {
			t.Fatal("what was solved is not the file")
		}
	})
}

// BenchmarkSolve repairs a chunk that lacks one, five or twenty percent.
func BenchmarkSolve(b *testing.B) {
	for _, missing := range []int{10, 51, 205} {
		b.Run(map[int]string{10: "1 %", 51: "5 %", 205: "20 %"}[missing], func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 4))
			s := newSolver(b, wire.Standard, wire.ChunkSize)
			mixer := queue.NewMixer(wire.Standard, r)
			mixer.Batch(missing + 2)
			sums := make([]wire.Coded, missing+40)
			for i := range sums {
				sums[i].Data = make([]byte, 1024)
				sums[i].Blocks = mixer.Mix(sums[i].Data, s.file)
			}
			order := r.Perm(1024)[missing:]
			b.SetBytes(wire.ChunkSize)
			for b.Loop() {
				for _, i := range order {
					s.block(i)
				}
				for i := range sums {
					s.Coded(0, &sums[i])
				}
				ch, ok := s.Chunk()
				if !ok {
					b.Fatal("not solved")
				}
				s.Again(0)
				s.Release(0, ch)
			}
		})
	}
}
