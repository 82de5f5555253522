package ndz

import (
	"bytes"
	"compress/zlib"
	"testing"
)

// makeChunk is a chunk with header h, whose Size is set, that expands to data.
func makeChunk(t testing.TB, h Header, data []byte) []byte {
	t.Helper()
	z := deflate(t, data)
	h.Size = len(z)
	b := make([]byte, ChunkSize)
	if err := h.Put(b); err != nil {
		t.Fatal(err)
	}
	copy(b[HeaderSize:], z)
	return b
}

func deflate(t testing.TB, data []byte) []byte {
	t.Helper()
	var z bytes.Buffer
	w, err := zlib.NewWriterLevel(&z, 1)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(data)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if z.Len() > MaxData {
		t.Fatalf("%d bytes of data do not fit into a chunk", len(data))
	}
	return z.Bytes()
}

// pattern is n sectors that differ.
func pattern(n int) []byte {
	b := make([]byte, n*Sector)
	for i := range b {
		b[i] = byte(i/Sector) ^ byte(i)*7
	}
	return b
}

// image is three chunks: sectors 0 to 4 and 8 to 12 of 16, 20 to 24 of 32, and
// 32 to 40 of 64.
func image(t testing.TB, version int) []byte {
	t.Helper()
	headers := []Header{
		{Last: 16, Regions: []Region{{0, 4}, {8, 4}}},
		{First: 16, Last: 32, Regions: []Region{{20, 4}}},
		{First: 32, Last: 64, Regions: []Region{{32, 8}}},
	}
	var b []byte
	for i, h := range headers {
		h.Version, h.Index = version, int32(i)
		switch version {
		case 1:
			h.Total = int32(len(headers))
			h.First, h.Last = h.Regions[0].Start, h.Regions[len(h.Regions)-1].End()
		case 4, 5:
			h.ID = [16]byte{1, 2, 3}
		}
		b = append(b, makeChunk(t, h, pattern(int(h.Sectors())))...)
	}
	return b
}
