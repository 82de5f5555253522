package qcow2

import (
	"bytes"
	"context"
	"encoding/binary"
	"testing"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

// seeds are tiny images of every kind, put together by hand.
func seeds(t testing.TB) [][]byte {
	const cluster, compressed = 512, 1 << 62
	text := bytes.Repeat([]byte("orbit "), cluster/6+1)[:cluster]
	var deflated bytes.Buffer
	w, err := flate.NewWriter(&deflated, 9)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(text)
	w.Close()
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	plain := build(9, 1, 3*cluster, 0, 1, 3*cluster)
	v2 := build(9, 1, 3*cluster, 0, 3*cluster)
	v2[7] = 2
	packed := build(9, 1, 3*cluster|compressed, 0, 3*cluster)
	copy(packed[3*cluster:], deflated.Bytes())
	z := build(9, 1, 3*cluster|compressed, 0, 3*cluster)
	z[79], z[104] = featureCompression, byte(zstandard)
	copy(z[3*cluster:], e.EncodeAll(text, nil))
	// Extended entries need clusters of 16 KiB. One of them is L1 table, L2
	// table and data: the first word is the L1 entry and that of the L2 table.
	x := make([]byte, 2*16*kib)
	copy(x, plain[:112])
	x[23], x[79] = 14, featureExtendedL2
	be := binary.BigEndian
	be.PutUint64(x[24:], 1024*16*kib)
	be.PutUint64(x[40:], 16*kib)
	be.PutUint64(x[16*kib:], 16*kib)
	be.PutUint64(x[16*kib+8:], 0x0f0f0000f0f00001)
	return [][]byte{plain, v2, packed, z, x}
}

// read does with a hostile image all that can be done.
func read(t *testing.T, b []byte) {
	m, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return
	}
	used, usedErr := m.Used(context.Background())
	if used.End() > m.Size() {
		t.Fatalf("used up to %d of %d", used.End(), m.Size())
	}
	got := make([]byte, min(m.Size(), 256*kib))
	n, err := m.ReadAt(got, 0)
	if err == nil && n != len(got) {
		t.Fatalf("read %d of %d bytes without an error", n, len(got))
	}
	if usedErr == nil {
		// What is not used reads as zeros.
		for r := range used.Complement(extent.Range{End: int64(n)}).All() {
			if bytes.Count(got[r.Off:r.End], []byte{0}) != int(r.Len()) {
				t.Fatalf("%v is not used and not zeros", r)
			}
		}
	}
	// In small pieces it must be the same.
	piece := make([]byte, 1000)
	for off := 0; off < n; off += len(piece) {
		k, err := m.ReadAt(piece, int64(off))
		if !bytes.Equal(piece[:min(k, n-off)], got[off:][:min(k, n-off)]) || k < min(len(piece), n-off) {
			t.Fatalf("piece at %d: %d bytes, %v", off, k, err)
		}
	}
}

func TestSeeds(t *testing.T) {
	for i, b := range seeds(t) {
		m, err := Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatalf("seed %d: %v", i, err)
		}
		got := make([]byte, min(m.Size(), 64*kib))
		if _, err := m.ReadAt(got, 0); err != nil || bytes.Count(got, []byte{0}) == len(got) {
			t.Errorf("seed %d: %v, or no data", i, err)
		}
		read(t, b)
	}
}

func FuzzOpen(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b)
	}
	f.Fuzz(read)
}
