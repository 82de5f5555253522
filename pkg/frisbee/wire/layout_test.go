package wire

import (
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLayout(t *testing.T) {
	for _, c := range []struct {
		name   string
		g      Geometry
		bytes  uint64
		blocks int64
		chunks int64
		last   int // blocks of the last chunk
		bad    bool
	}{
		{name: "empty", bad: true},
		{name: "one byte", bytes: 1, blocks: 1, chunks: 1, last: 1},
		{name: "one block", bytes: 1024, blocks: 1, chunks: 1, last: 1},
		{name: "one chunk", bytes: 1 << 20, blocks: 1024, chunks: 1, last: 1024},
		{name: "one byte more", bytes: 1<<20 + 1, blocks: 1025, chunks: 2, last: 1},
		{name: "three chunks", bytes: 3 << 20, blocks: 3072, chunks: 3, last: 1024},
		{name: "most", bytes: math.MaxInt32 * 1024, blocks: math.MaxInt32, chunks: 1 << 21, last: 1023},
		{name: "too many", bytes: math.MaxInt32*1024 + 1, bad: true},
		{name: "negative", bytes: math.MaxUint64, bad: true},
		{name: "jumbo", g: Jumbo, bytes: 1<<20 + 8193, blocks: 130, chunks: 2, last: 2},
		{name: "jumbo most", g: Jumbo, bytes: math.MaxInt32 * 8192, blocks: math.MaxInt32, chunks: 1 << 24, last: 127},
		{name: "jumbo too many", g: Jumbo, bytes: math.MaxInt32*8192 + 1, bad: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := NewLayout(c.g, c.bytes)
			if c.bad {
				var size *SizeError
				if !errors.As(err, &size) || size.Bytes != c.bytes {
					t.Fatalf("got %v, want a size error", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if l.Blocks != c.blocks || l.Chunks() != c.chunks {
				t.Errorf("%d blocks in %d chunks, want %d in %d", l.Blocks, l.Chunks(), c.blocks, c.chunks)
			}
			end := int32(c.chunks)
			got := []int{l.Len(-1), l.Len(math.MinInt32), l.Len(end - 1), l.Len(end), l.Len(math.MaxInt32)}
			if diff := cmp.Diff([]int{0, 0, c.last, 0, 0}, got); diff != "" {
				t.Errorf("blocks of chunks (-want +got):\n%s", diff)
			}
			if end > 1 && l.Len(0) != c.g.Blocks() {
				t.Errorf("%d blocks in the first chunk", l.Len(0))
			}
		})
	}
}

func TestReplyLayout(t *testing.T) {
	want := Layout{Standard, 3072}
	if got, err := (JoinReply{3072}).Layout(Standard); err != nil || got != want {
		t.Errorf("join: %v, %v", got, err)
	}
	if got, err := (Join2Reply{ChunkBlocks: 1024, BlockSize: 1024, Bytes: 3072*1024 - 1}).Layout(Standard); err != nil || got != want {
		t.Errorf("join2: %v, %v", got, err)
	}
	var size *SizeError
	for _, blocks := range []int32{0, -1} {
		if _, err := (JoinReply{blocks}).Layout(Standard); !errors.As(err, &size) {
			t.Errorf("%d blocks: %v", blocks, err)
		}
	}
	if _, err := (Join2Reply{ChunkBlocks: 1024, BlockSize: 1024, Bytes: 1 << 63}).Layout(Standard); !errors.As(err, &size) {
		t.Errorf("2^63 bytes: %v", err)
	}
	for _, m := range []Join2Reply{{ChunkBlocks: 128, BlockSize: 8192, Bytes: 1}, {ChunkBlocks: 1024, Bytes: 1}, {ChunkBlocks: -1, BlockSize: 1024, Bytes: 1}} {
		_, err := m.Layout(Standard)
		want := &GeometryError{m.ChunkBlocks, m.BlockSize, Standard}
		var got *GeometryError
		if !errors.As(err, &got) || *got != *want {
			t.Errorf("%+v: %v", m, err)
		}
	}
}

func TestLayoutChecks(t *testing.T) {
	l, err := NewLayout(Standard, 1<<20+10*1024-5)
	if err != nil {
		t.Fatal(err)
	}
	part := func(chunk int32, blocks ...int) error {
		return l.CheckPartial(&Partial{Chunk: chunk, Blocks: bitmap(blocks...)})
	}
	for _, c := range []struct {
		name      string
		got, want error
	}{
		{"first block", l.CheckBlock(Block{}), nil},
		{"last of a chunk", l.CheckBlock(Block{Index: 1023}), nil},
		{"beyond a chunk", l.CheckBlock(Block{Index: 1024}), ErrBlock},
		{"last of the file", l.CheckBlock(Block{Chunk: 1, Index: 9}), nil},
		{"beyond the file", l.CheckBlock(Block{Chunk: 1, Index: 10}), ErrBlock},
		{"before the chunk", l.CheckBlock(Block{Chunk: 1, Index: -1}), ErrBlock},
		{"chunk 2", l.CheckBlock(Block{Chunk: 2}), ErrChunk},
		{"chunk -1", l.CheckBlock(Block{Chunk: -1}), ErrChunk},
		{"request", l.CheckRequest(Request{0, 0, 1024}), nil},
		{"request for the short chunk", l.CheckRequest(Request{1, 0, 10}), nil},
		{"request for more", l.CheckRequest(Request{1, 0, 11}), ErrBlock},
		{"request from within for more", l.CheckRequest(Request{1, 9, 2}), ErrBlock},
		{"request that overflows", l.CheckRequest(Request{1, math.MaxInt32, math.MaxInt32}), ErrCount},
		{"request for nothing", l.CheckRequest(Request{1, 0, 0}), ErrEmpty},
		{"request for less", l.CheckRequest(Request{1, 0, -1}), ErrCount},
		{"request for chunk 2", l.CheckRequest(Request{2, 0, 1}), ErrChunk},
		{"bitmap", part(0, 0, 1023), nil},
		{"bitmap of the short chunk", part(1, 0, 9), nil},
		{"a bit beyond", part(1, 0, 10), ErrBlock},
		{"the last bit beyond", part(1, 0, 1023), ErrBlock},
		{"bitmap without bits", part(1), ErrEmpty},
		{"bitmap of chunk 2", part(2, 0), ErrChunk},
		{"bitmap of chunk -1", part(-1, 0), ErrChunk},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
}
