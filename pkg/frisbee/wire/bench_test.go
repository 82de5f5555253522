package wire

import (
	"bytes"
	"testing"
)

func BenchmarkParseBlock(b *testing.B) {
	d := Block{1, 2, bytes.Repeat([]byte{1}, 1024)}.Append(nil, Standard, server)
	layout := Layout{Standard, 3072}
	b.ReportAllocs()
	b.SetBytes(int64(len(d)))
	n := 0
	for b.Loop() {
		p, err := Parse(d, Standard)
		if err != nil {
			b.Fatal(err)
		}
		m, _ := p.Block()
		if err := layout.CheckBlock(m); err != nil {
			b.Fatal(err)
		}
		n += len(m.Data)
	}
}

func BenchmarkAppendBlockHeader(b *testing.B) {
	buf := make([]byte, 0, 64*BlockHeaderLen)
	b.ReportAllocs()
	for b.Loop() {
		buf = buf[:0]
		for i := range int32(64) {
			buf = AppendBlockHeader(buf, Standard, server, 1, i)
		}
	}
}

func BenchmarkAppendBlock(b *testing.B) {
	m := Block{1, 2, bytes.Repeat([]byte{1}, 1024)}
	buf := make([]byte, 0, Standard.MaxPacket())
	b.ReportAllocs()
	b.SetBytes(int64(Standard.MaxPacket()))
	for b.Loop() {
		buf = m.Append(buf[:0], Standard, server)
	}
}

// BenchmarkMergePartial is what a server does with a request for a chunk that it
// has in its queue.
func BenchmarkMergePartial(b *testing.B) {
	var m Partial
	for i := range 40 {
		m.Blocks.Set(i * 25)
	}
	d := m.Append(nil, Standard, node11)
	layout := Layout{Standard, 3072}
	var queued Bitmap
	b.ReportAllocs()
	for b.Loop() {
		p, err := Parse(d, Standard)
		if err != nil {
			b.Fatal(err)
		}
		w, _ := p.Wanted()
		if err := layout.CheckPartial(&w); err != nil {
			b.Fatal(err)
		}
		queued.Or(&w.Blocks)
	}
}

func BenchmarkMergeRequest(b *testing.B) {
	d := Request{1, 0, 1024}.Append(nil, Standard, node11)
	var queued Bitmap
	b.ReportAllocs()
	for b.Loop() {
		p, err := Parse(d, Standard)
		if err != nil {
			b.Fatal(err)
		}
		w, _ := p.Wanted()
		queued.Or(&w.Blocks)
	}
}

// BenchmarkRefuse is a flood of bad packets.
func BenchmarkRefuse(b *testing.B) {
	d := Request{1, 0, 0}.Append(nil, Standard, node11)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(d, Standard); err != ErrEmpty {
			b.Fatal(err)
		}
	}
}

// TestNoAllocations keeps the hot paths free of them.
func TestNoAllocations(t *testing.T) {
	block := Block{1, 2, make([]byte, 1024)}.Append(nil, Standard, server)
	partial := Partial{Blocks: bitmap(1)}.Append(nil, Standard, server)
	bad := Request{1, 0, 0}.Append(nil, Standard, node11)
	buf := make([]byte, 0, Standard.MaxPacket())
	layout := Layout{Standard, 3072}
	var queued Bitmap
	for name, f := range map[string]func(){
		"parse a block": func() {
			p, _ := Parse(block, Standard)
			m, _ := p.Block()
			layout.CheckBlock(m)
		},
		"append a header": func() { AppendBlockHeader(buf, Standard, server, 1, 2) },
		"append a leave":  func() { Leave2{}.Append(buf, Standard, server) },
		"append a request": func() {
			Partial{Blocks: queued}.Append(buf, Standard, server)
		},
		"merge": func() {
			p, _ := Parse(partial, Standard)
			w, _ := p.Wanted()
			queued.Or(&w.Blocks)
		},
		"refuse": func() { Parse(bad, Standard) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
