package queue

import (
	"testing"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// BenchmarkMerge adds datagrams for chunks that wait already.
func BenchmarkMerge(b *testing.B) {
	l := layout(b, 100*1024)
	q := New(l, 0)
	var datagrams [][]byte
	for c := range 100 {
		datagrams = append(datagrams, want(c, [2]int{c, 3}, [2]int{500, 1}).Append(nil, wire.Standard, [4]byte{10, 0, 0, 1}))
		q.Add(0, whole(c))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		p, err := wire.Parse(datagrams[i%100], wire.Standard)
		if err != nil {
			b.Fatal(err)
		}
		m, _ := p.Wanted()
		if _, err := q.Add(0, &m); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkServe asks for a chunk and takes it in pieces.
func BenchmarkServe(b *testing.B) {
	q := New(layout(b, 100*1024), 0)
	m := whole(0)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		m.Chunk = int32(i % 100)
		q.Add(0, m)
		for range 32 {
			q.Next(0, 32)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	q := New(layout(t, 100*1024), 0)
	m, i := want(0, [2]int{1, 1}, [2]int{9, 9}), 0
	f := func() {
		m.Chunk = int32(i % 100)
		i++
		q.Add(0, m)
		q.Add(0, m)
		q.Next(0, 32)
		q.Next(0, 32)
	}
	for range 200 {
		f()
	}
	if n := testing.AllocsPerRun(1000, f); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
