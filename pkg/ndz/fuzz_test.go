package ndz

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/ndz/ndztest"
)

// seeds gives f chunks without their padding: our own, and the short ones of
// the real tools if they are here.
func seeds(f *testing.F, most int) {
	for version := MinVersion; version <= MaxVersion; version++ {
		f.Add(trim(image(f, version)))
	}
	h := Header{Version: 3, Last: 4, Regions: []Region{{0, 4}}, Relocs: []Reloc{
		{RelocLILO, 0, 3, 5}, {RelocLILOMap, 1, 0, Sector}, {RelocLILOSum, 1, 478, 2}, {RelocFreeBSD, 1, 0, 276}, {RelocShort, 3, 0, 9},
	}}
	f.Add(trim(makeChunk(f, h, append(pattern(1), append(label(part{1, 0}), pattern(2)...)...))))
	if _, err := os.Stat(filepath.Join(goldens, "manifest.json")); err != nil {
		return
	}
	for _, g := range readGoldens(f) {
		b := load(f, g.File)
		for i := 0; i < len(b); i += ChunkSize {
			if c := trim(b[i:][:ChunkSize]); len(c) <= most {
				f.Add(c)
			}
		}
	}
}

func trim(chunk []byte) []byte {
	return chunk[:HeaderSize+int(binary.LittleEndian.Uint32(chunk[4:]))]
}

// FuzzHeader parses headers, and writes those that are good again.
func FuzzHeader(f *testing.F) {
	seeds(f, HeaderSize+100)
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHeader(b)
		if err != nil {
			var d Defect
			if !errors.As(err, &d) {
				t.Fatalf("%v is no defect", err)
			}
			return
		}
		written, err := h.AppendTo(nil)
		if err != nil {
			t.Fatalf("write what was read: %v", err)
		}
		again, err := ParseHeader(written)
		if err != nil {
			t.Fatalf("read what was written: %v", err)
		}
		if diff := cmp.Diff(h, again); diff != "" {
			t.Errorf("another header (-read +again):\n%s", diff)
		}
		if h.end() < 0 || h.Sectors() == 0 || h.Sectors() > h.Last-h.First {
			t.Errorf("%d sectors in %d to %d", h.Sectors(), h.First, h.Last)
		}
	})
}

// FuzzChunk expands chunks, and compares with a plain decoder.
func FuzzChunk(f *testing.F) {
	seeds(f, 100<<10)
	const most = 8 << 20
	d := NewDecoder(Options{Target: Target{Start: 5, Sectors: 1 << 20}})
	chunk := make([]byte, ChunkSize)
	enough := errors.New("enough")
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHeader(b)
		if err != nil {
			return
		}
		clear(chunk[copy(chunk, b):])
		var got []byte
		at := int64(h.First) * Sector
		err = d.Decode(t.Context(), &h, chunk, func(off int64, p []byte) error {
			if off < at || len(p) == 0 || off+int64(len(p)) > h.end() {
				t.Fatalf("%d bytes at %d, expected them between %d and %d", len(p), off, at, h.end())
			}
			at = off + int64(len(p))
			if len(got)+len(p) > most {
				return enough
			}
			got = append(got, p...)
			return nil
		})
		if err == enough || len(h.Relocs) > 0 {
			return
		}
		if err == nil && len(got) != int(h.Sectors()*Sector) {
			t.Fatalf("%d bytes, expected %d sectors", len(got), h.Sectors())
		}
		if h.Sectors()*Sector > most {
			return
		}
		var want []byte
		r := ndztest.Check(chunk, func(_ uint64, p []byte) { want = append(want, p...) })
		if err == nil && !bytes.Equal(got, want) {
			t.Fatalf("%d bytes, expected %d others; problems %q", len(got), len(want), r.Problems)
		}
		if err != nil && len(r.Problems) == 0 {
			t.Fatalf("%v, but nothing is wrong", err)
		}
	})
}
