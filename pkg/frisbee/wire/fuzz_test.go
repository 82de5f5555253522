package wire

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func FuzzParse(f *testing.F) {
	for _, g := range []Geometry{Standard, Jumbo} {
		for _, m := range []Message{
			Join{1}, JoinReply{3072}, Join2{1, UnderstandsCoded, 1024, 1024}, Join2Reply{1, 0, 1024, 1024, 5 << 20}, Leave{1, 2}, Leave2{1, 2, stats},
			Block{1, 2, []byte("data")}, Request{1, 0, int32(g.Blocks())}, Partial{1, 1, bitmap(5, 6, 100)},
			Coded{1, 2, bitmap(0, 3, 127), []byte("sum")},
			Progress{What: 1}, ProgressReply{ID: 1, What: 3, Stats: stats}, ProgressReply{ID: 1},
		} {
			f.Add(m.Append(nil, g, node11), g == Jumbo, uint64(3<<20))
		}
	}
	f.Fuzz(func(t *testing.T, d []byte, jumbo bool, size uint64) {
		g := Standard
		if jumbo {
			g = Jumbo
		}
		p, err := Parse(d, g)
		m := p.Message()
		if err != nil {
			if _, ok := err.(Error); !ok || m != nil {
				t.Fatalf("%v, and a %T", err, m)
			}
			return
		}
		// Whatever is accepted can be encoded, and is then the same.
		raw := m.Append(nil, g, p.Source)
		q, err := Parse(raw, g)
		if err != nil {
			t.Fatalf("%T encoded again: %v", m, err)
		}
		if p.Kind != q.Kind || p.Source != q.Source || !bytes.Equal(raw, q.Message().Append(nil, g, q.Source)) {
			t.Fatalf("encoded again (-want +got):\n%s", cmp.Diff(m, q.Message()))
		}
		same := len(raw)
		switch p.Kind {
		case KindJoin2:
			same = 24 // a request has nothing to say about the file
		case KindLeave2, KindProgress:
			same = min(same, len(raw)-statsLen+statsUsed)
		}
		if same > HeaderLen && !bytes.Equal(raw[HeaderLen:same], d[HeaderLen:same]) {
			t.Fatalf("a %T was %x, and is encoded as %x", m, d, raw)
		}
		l, err := NewLayout(g, size)
		if err != nil {
			return
		}
		if b, ok := p.Block(); ok && l.CheckBlock(b) == nil {
			if off := int64(b.Chunk)*ChunkSize + int64(b.Index)*int64(g.BlockSize()); off < 0 || uint64(off) >= size {
				t.Fatalf("block at %d of %d bytes", off, size)
			}
		}
		if c, ok := p.Coded(); ok && l.CheckCoded(&c) == nil {
			if c.Blocks.Empty() || len(c.Data) != g.BlockSize() {
				t.Fatalf("a sum of %d blocks has %d bytes", c.Blocks.Count(), len(c.Data))
			}
			for first, n := range c.Blocks.Runs() {
				if end := int64(c.Chunk)*int64(g.Blocks()) + int64(first+n); end > l.Blocks {
					t.Fatalf("sum of blocks up to %d of %d", end, l.Blocks)
				}
			}
		}
		if w, ok := p.Wanted(); ok {
			err := l.CheckPartial(&w)
			if r, ok := p.Request(); ok && l.CheckRequest(r) != err {
				t.Fatalf("request: %v, as a bitmap: %v", l.CheckRequest(r), err)
			}
			for first, n := range w.Blocks.Runs() {
				if end := int64(w.Chunk)*int64(g.Blocks()) + int64(first+n); err == nil && end > l.Blocks {
					t.Fatalf("blocks up to %d of %d", end, l.Blocks)
				}
			}
		}
		if r, ok := m.(JoinReply); ok {
			r.Layout(g)
		}
		if r, ok := m.(Join2Reply); ok {
			r.Layout(g)
		}
	})
}

func FuzzMaster(f *testing.F) {
	for _, m := range []MasterRequest{Get{node11, AnyMethod, true, "image"}, Put{node11, false, "image", 1, 2, 3}} {
		b, err := m.Append(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add(GetReply{Multicast, true, 0, node11, node12, 1, ModTimeSignature(5), 6}.Append(nil))
	f.Add(PutReply{CodeTooBig, node12, 1, true, ModTimeSignature(5), 6, 7}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := ReadRequest(bytes.NewReader(b)); err == nil {
			raw, err := m.Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			same(t, m, raw, b, ReadRequest)
		} else if m != nil {
			t.Fatalf("%v, and %v", err, m)
		}
		if m, err := ReadGetReply(bytes.NewReader(b)); valid(err) {
			same(t, m, m.Append(nil), b, ReadGetReply)
		}
		if m, err := ReadPutReply(bytes.NewReader(b)); valid(err) {
			same(t, m, m.Append(nil), b, ReadPutReply)
		}
	})
}

// valid tells whether a reply with this error was read.
func valid(err error) bool {
	var code Code
	return err == nil || errors.As(err, &code)
}

// same reads what m was encoded to, which must not be longer than what m was
// read from.
func same[M any](t *testing.T, m M, raw, from []byte, read func(io.Reader) (M, error)) {
	t.Helper()
	if len(raw) > len(from) {
		t.Fatalf("%T read from %d bytes has %d", m, len(from), len(raw))
	}
	again, err := read(bytes.NewReader(raw))
	if !valid(err) {
		t.Fatalf("%T encoded again: %v", m, err)
	}
	if diff := cmp.Diff(m, again); diff != "" {
		t.Fatalf("encoded again (-want +got):\n%s", diff)
	}
}
