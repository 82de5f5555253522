package receive

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// check looks for a contradiction in what a client keeps.
func check(t *testing.T, c *Client) {
	t.Helper()
	var count [handed + 1]int
	var memory int
	for i := range c.slots {
		s := &c.slots[i]
		count[s.state]++
		memory += len(s.data)
		if s.state == filling && (int(c.chunks[s.chunk].slot) != i+1 || s.lacks == 0) || s.lacks != s.missing.Count() && s.state == filling {
			t.Errorf("slot %d of chunk %d, which is in slot %d, with %d missing blocks", i, s.chunk, c.chunks[s.chunk].slot-1, s.missing.Count())
		}
	}
	lacking, open := 0, 0
	for k := range c.chunks {
		st := &c.chunks[k]
		if st.lacks() {
			lacking++
		}
		if st.slot != 0 {
			open++
		}
		if st.slot != 0 && !st.lacks() {
			t.Errorf("chunk %d is not lacking and is being filled", k)
		}
	}
	if count[empty] != c.empty || count[filling] != c.filling || open != c.filling || count[ready] != len(c.ready) || lacking != c.lacking {
		t.Errorf("slots in states: %v, chunks lacking: %d, in slots: %d; counted %d empty, %d filling, %d lacking",
			count, lacking, open, c.empty, c.filling, c.lacking)
	}
	if memory > c.o.Buffers*wire.ChunkSize || len(c.out) > maxOut || len(c.eager.queue) > maxQueue {
		t.Errorf("%d bytes of buffers, %d requests and %d chunks queued", memory, len(c.out), len(c.eager.queue))
	}
}

// FuzzClient lets happen what the input says, and compares with a plain list of
// the blocks that have come.
func FuzzClient(f *testing.F) {
	const chunks, tail = 6, 3*8192 + 77
	const size = (chunks-1)*wire.ChunkSize + tail
	padded := file(chunks * wire.ChunkSize)
	data := padded[:size]
	clear(padded[size : size+8192-77]) // the end of the last block
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 7))
		b := make([]byte, 600)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		next := func() int {
			if len(in) == 0 {
				return 0
			}
			v := int(in[0])
			in = in[1:]
			return v
		}
		in = in[:min(len(in), 400)]
		mode := next()
		skip := int32(next() % 12)
		seed := uint64(next())
		o := Options{
			Geometry: wire.Jumbo, Bytes: size, Eager: mode&1 != 0, Buffers: 1 + mode>>1&3, Run: 1 + mode>>3&3,
			InProgress: 1 + mode>>5&3, Want: func(k int32) bool { return k != skip },
		}
		if mode>>7 != 0 {
			o.Random = rand.New(rand.NewPCG(seed, 1)).IntN
		}
		c, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		s := &script{t: t, c: c}
		missing := c.Missing()
		if missing.Len() != size && skip >= chunks {
			t.Fatalf("lacks %d bytes at first", missing.Len())
		}
		var out []Chunk
		for len(in) > 0 {
			op, a, b := next(), int32(next()%(chunks+1)), next()
			n := 1 + next()
			first := int(int8(b))
			dropped := c.Counters().Dropped
			switch op % 10 {
			case 0, 1, 2:
				for i := first; i < first+n; i++ {
					d := padded[:8192]
					if off := int(a)*wire.ChunkSize + i*8192; off >= 0 && off < len(padded) {
						d = padded[off : off+8192]
					}
					if i%16 == 15 && op&16 != 0 {
						d = d[:len(d)-1] // refused
					}
					c.Block(s.now, wire.Block{Chunk: a, Index: int32(i), Data: d})
				}
			case 3:
				s.snoop(int(a), first, n)
			case 4:
				s.partial(int(a), first, n)
			case 5:
				s.silence(time.Duration(n*n) * ms / 32)
			case 6:
				if len(out) > 0 {
					i := b % len(out)
					c.Release(s.now, out[i])
					c.Release(s.now, out[i])
					out = append(out[:i], out[i+1:]...)
				}
			case 7:
				off := int64(a)*wire.ChunkSize + int64(first)*8192
				if off >= 0 && off < size {
					c.Supply(s.now, off, data[off:min(off+int64(n)*4096, size)])
				}
			case 8:
				if b > 200 {
					c.Again(a)
				}
				c.Mute(b&7 == 7)
			case 9:
				if ch, ok := c.Chunk(); ok {
					off := int64(ch.Index) * wire.ChunkSize
					if !bytes.Equal(data[off:min(off+wire.ChunkSize, size)], ch.Data) {
						t.Fatalf("chunk %d is not what came", ch.Index)
					}
					out = append(out, ch)
				}
			}
			check(t, c)
			now := c.Missing()
			if op%10 != 8 && c.Counters().Dropped == dropped && !now.Subtract(missing).Empty() {
				t.Fatalf("lacks what it had: %v", now.Subtract(missing).Ranges())
			}
			missing = now
			for m, ok := c.Send(); ok; m, ok = c.Send() {
				requested(t, c, m)
			}
			if c.Wait(s.now) < 0 {
				t.Fatal("waits for less than no time")
			}
			if t.Failed() {
				t.Fatalf("after %d", op%10)
			}
		}
		finish(s, out, data)
	})
}

// requested checks that a request may be sent, and is for what is not needed less
// than wholly.
func requested(t *testing.T, c *Client, m wire.Message) {
	var p wire.Partial
	switch m := m.(type) {
	case wire.Request:
		if err := c.layout.CheckRequest(m); err != nil {
			t.Fatal(err)
		}
		return
	case wire.Partial:
		p = m
	}
	if err := c.layout.CheckPartial(&p); err != nil {
		t.Fatal(err)
	}
}

// finish serves what the client asks for until it is done: it must ask for all.
func finish(s *script, out []Chunk, data []byte) {
	s.c.Mute(false)
	for _, ch := range out {
		s.c.Release(s.now, ch)
	}
	had := extent.NewSet(extent.Range{Off: 0, End: int64(len(data))}).Subtract(s.c.Missing())
	for range 1000 {
		s.take(true)
		if s.c.Done() {
			return
		}
		s.silence(10 * ms)
		for m, ok := s.c.Send(); ok; m, ok = s.c.Send() {
			requested(s.t, s.c, m)
			switch m := m.(type) {
			case wire.Request:
				s.blocks(int(m.Chunk), int(m.First), int(m.Count))
			case wire.Partial:
				for first, n := range m.Blocks.Runs() {
					s.blocks(int(m.Chunk), first, n)
				}
			}
			s.take(true)
		}
	}
	s.t.Fatalf("not done, lacks %v; had %v at first", s.c.Missing().Ranges(), had.Ranges())
}
