package ndz

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
)

// change damages an image.
type change func(t *testing.T, b []byte) []byte

func put32(off int, v uint32) change {
	return func(_ *testing.T, b []byte) []byte { binary.LittleEndian.PutUint32(b[off:], v); return b }
}

func put64(off int, v uint64) change {
	return func(_ *testing.T, b []byte) []byte { binary.LittleEndian.PutUint64(b[off:], v); return b }
}

func all(changes ...change) change {
	return func(t *testing.T, b []byte) []byte {
		for _, c := range changes {
			b = c(t, b)
		}
		return b
	}
}

// reloc gives the second chunk of version 3, which has one region, a
// relocation; and the data of 4 sectors from 20 on.
func reloc(kind, sector, off, size uint32) change {
	const at = ChunkSize + 36 + 8
	return all(put32(ChunkSize+32, 1), put32(at, kind), put32(at+4, sector), put32(at+8, off), put32(at+12, size))
}

// stream replaces the data of a chunk.
func stream(chunk int, f func(t *testing.T, z []byte) []byte) change {
	return func(t *testing.T, b []byte) []byte {
		c := b[chunk*ChunkSize:][:ChunkSize]
		z := f(t, bytes.Clone(c[HeaderSize:][:binary.LittleEndian.Uint32(c[4:])]))
		clear(c[HeaderSize:])
		copy(c[HeaderSize:], z)
		binary.LittleEndian.PutUint32(c[4:], uint32(len(z)))
		return b
	}
}

const second = ChunkSize // offset of the second chunk

// defects are what can be wrong with an image, whose chunks helpers_test.go makes.
var defects = []struct {
	name    string
	version int
	chunk   int64 // that is to blame, -1 for none
	change  change
	want    Defect
}{
	// The file.
	{"empty", 3, -1, func(_ *testing.T, b []byte) []byte { return nil }, ErrTruncated},
	{"cut amid a chunk", 3, -1, func(_ *testing.T, b []byte) []byte { return b[:len(b)-ChunkSize/2] }, ErrTruncated},
	{"cut amid the first chunk", 3, -1, func(_ *testing.T, b []byte) []byte { return b[:5000] }, ErrTruncated},
	{"cut amid the first header", 3, -1, func(_ *testing.T, b []byte) []byte { return b[:300] }, ErrTruncated},
	{"bytes behind the last chunk", 3, -1, func(_ *testing.T, b []byte) []byte { return append(b, 0) }, ErrTruncated},
	{"zeros behind the last chunk", 3, 3, func(_ *testing.T, b []byte) []byte { return append(b, make([]byte, ChunkSize)...) }, ErrMagic},
	{"first chunk missing", 3, 0, func(_ *testing.T, b []byte) []byte { return b[second:] }, ErrOrder},
	{"second chunk missing", 3, 1, func(_ *testing.T, b []byte) []byte { return append(b[:second:second], b[2*second:]...) }, ErrOrder},
	{"second chunk missing, indices made up", 3, 1, all(func(_ *testing.T, b []byte) []byte { return append(b[:second:second], b[2*second:]...) }, put32(second+8, 1)), ErrOrder},
	{"last chunk missing, version 1", 1, -1, func(_ *testing.T, b []byte) []byte { return b[:2*second] }, ErrTruncated},
	{"chunk too many, version 1", 1, 2, all(put32(12, 2), put32(second+12, 2), put32(2*second+12, 2)), ErrOrder},
	{"chunks out of order", 3, 0, func(_ *testing.T, b []byte) []byte {
		return append(bytes.Clone(b[second:2*second]), append(bytes.Clone(b[:second]), b[2*second:]...)...)
	}, ErrOrder},
	{"chunks out of order, version 1", 1, 0, func(_ *testing.T, b []byte) []byte {
		return append(bytes.Clone(b[second:2*second]), append(bytes.Clone(b[:second]), b[2*second:]...)...)
	}, ErrOrder},
	{"chunk twice", 3, 1, func(_ *testing.T, b []byte) []byte { copy(b[second:], b[:second]); return b }, ErrOrder},
	{"wrong index", 3, 1, put32(second+8, 7), ErrOrder},
	{"negative index", 3, 1, put32(second+8, 0xffffffff), ErrOrder},
	{"negative total", 1, 0, put32(12, 0xffffffff), ErrOrder},
	{"totals differ", 1, 1, put32(second+12, 4), ErrOrder},
	{"versions differ", 3, 1, put32(second, magic+1), ErrMixed},
	{"ids differ", 4, 1, put32(second+328, 9), ErrMixed},
	{"ids differ, version 5", 5, 1, put32(second+56, 9), ErrMixed},

	// Header.
	{"bad magic", 3, 1, put32(second, 0x69696968), ErrMagic},
	{"version 6", 3, 0, put32(0, magic+5), ErrMagic},
	{"big-endian", 3, 0, put32(0, 0x6b696969), ErrMagic},
	{"size 0", 3, 1, put32(second+4, 0), ErrSize},
	{"size beyond the chunk", 3, 1, put32(second+4, MaxData+1), ErrSize},
	{"size beyond 31 bits", 3, 1, put32(second+4, 0xfffffff0), ErrSize},
	{"area of 8192", 3, 1, put32(second+16, 8192), ErrTable},
	{"area of 0", 3, 1, put32(second+16, 0), ErrTable},
	{"no regions", 3, 1, put32(second+20, 0), ErrTable},
	{"negative number of regions", 3, 1, put32(second+20, 0xffffffff), ErrTable},
	{"number of regions that wraps", 3, 1, put32(second+20, 1<<29+1), ErrTable},
	{"508 regions", 3, 1, put32(second+20, 508), ErrTable},
	{"510 regions, version 1", 1, 1, put32(second+20, 510), ErrTable},
	{"470 regions, version 4", 4, 1, put32(second+20, 470), ErrTable},
	{"252 regions, version 5", 5, 1, put32(second+20, 252), ErrTable},
	{"100000 relocations", 3, 1, put32(second+32, 100000), ErrTable},
	{"number of relocations that wraps", 3, 1, put32(second+32, 1<<28), ErrTable},
	{"negative number of relocations", 3, 1, put32(second+32, 0xffffffff), ErrTable},
	{"254 relocations", 3, 1, put32(second+32, 254), ErrTable},

	// Regions and coverage.
	{"empty region", 3, 0, put32(40, 0), ErrRegion},
	{"overlapping regions", 3, 0, put32(44, 3), ErrRegion},
	{"adjacent regions", 3, 0, put32(44, 4), ErrRegion},
	{"descending regions", 3, 0, all(put32(36, 8), put32(44, 0)), ErrRegion},
	{"region beyond last", 3, 1, put32(second+28, 23), ErrRegion},
	{"region before first", 3, 1, put32(second+24, 21), ErrRegion},
	{"last is 0", 3, 2, put32(2*second+28, 0), ErrRegion},
	{"first chunk begins behind 0", 5, 0, all(put64(40, 1), put64(72, 1), put64(80, 3)), ErrOrder},
	{"coverage with a hole", 3, 1, put32(second+24, 17), ErrOrder},
	{"coverage that overlaps", 3, 1, put32(second+24, 15), ErrOrder},
	{"last too large", 3, 2, put32(second+28, 33), ErrOrder},
	{"region beyond 32 bits", 3, 2, all(put32(2*second+28, 0xffffffff), put32(2*second+36, 0xffffffff), put32(2*second+40, 1)), ErrRegion},
	{"region that wraps", 3, 2, all(put32(2*second+28, 0xffffffff), put32(2*second+36, 0xfffffff0), put32(2*second+40, 0xfffffff0)), ErrRegion},
	{"region that wraps, version 5", 5, 2, all(put64(2*second+48, MaxSector64), put64(2*second+72, 1<<63), put64(2*second+80, 1<<63+8)), ErrRegion},
	{"region beyond int64, version 5", 5, 2, all(put64(2*second+48, MaxSector64), put64(2*second+72, MaxSector64), put64(2*second+80, 1)), ErrRegion},
	{"last beyond int64, version 5", 5, 2, put64(2*second+48, MaxSector64+1), ErrRegion},

	// Relocations.
	{"unknown relocation", 3, 1, reloc(99, 20, 0, 5), ErrReloc},
	{"GPT fix-up", 3, 1, reloc(7, 20, 0, 5), ErrReloc},
	{"reserved relocation", 3, 1, reloc(100, 20, 0, 4), ErrReloc},
	{"relocation before the regions", 3, 1, reloc(RelocLILO, 19, 510, 5), ErrReloc},
	{"relocation behind the regions", 3, 1, reloc(RelocLILO, 24, 0, 5), ErrReloc},
	{"relocation over the end of a region", 3, 1, reloc(RelocLILO, 23, 508, 5), ErrReloc},
	{"relocation in the region of another chunk", 3, 1, reloc(RelocLILO, 0, 0, 5), ErrReloc},
	{"relocation with a huge offset", 3, 1, reloc(RelocLILO, 20, 0xffffffff, 5), ErrReloc},
	{"relocation at a huge sector", 3, 1, reloc(RelocLILO, 0xffffffff, 0, 5), ErrReloc},
	{"address of 6 bytes", 3, 1, reloc(RelocLILO, 20, 0, 6), ErrReloc},
	{"map of 511 bytes", 3, 1, reloc(RelocLILOMap, 20, 0, 511), ErrReloc},
	{"descriptors that begin before the region", 3, 1, reloc(RelocLILOSum, 21, 477, 2), ErrReloc},
	{"descriptors that begin before the disk", 3, 1, reloc(RelocLILOSum, 0, 0, 2), ErrReloc},
	{"descriptors that end behind the region", 3, 1, reloc(RelocLILOSum, 23, 479, 2), ErrReloc},
	{"short label", 3, 1, reloc(RelocFreeBSD, 21, 0, 275), ErrReloc},
	{"label amid a sector", 3, 1, reloc(RelocFreeBSD, 21, 4, 276), ErrReloc},
	{"short sector of 0 bytes", 3, 1, reloc(RelocShort, 23, 0, 0), ErrReloc},
	{"short sector of 512 bytes", 3, 1, reloc(RelocShort, 23, 0, 512), ErrReloc},
	{"short sector that is not the last", 3, 1, reloc(RelocShort, 22, 0, 9), ErrReloc},
	{"short sector in a chunk that is not the last", 3, 2, all(reloc(RelocShort, 23, 0, 9), put32(second+28, 24), put32(2*second+24, 24)), ErrReloc},

	// Sealed.
	{"encrypted", 4, 1, all(put32(second+36, CipherBlowfish), stream(1, func(_ *testing.T, z []byte) []byte { return z[:len(z)/8*8] })), ErrSeal},
	{"encrypted, no whole blocks", 4, 1, all(put32(second+36, CipherBlowfish), stream(1, func(_ *testing.T, z []byte) []byte { return z[:len(z)/8*8-1] })), ErrSize},
	{"signed", 4, 1, put32(second+36, SumSHA1<<16|SumSigned<<16), ErrSeal},
	{"unknown cipher", 4, 1, put32(second+36, 2), ErrSeal},
	{"unknown checksum", 4, 1, put32(second+36, 2<<16), ErrSeal},

	// Data.
	{"size one less", 3, 1, stream(1, func(_ *testing.T, z []byte) []byte { return z[:len(z)-1] }), ErrLength},
	{"size of a few bytes", 3, 1, stream(1, func(_ *testing.T, z []byte) []byte { return z[:1] }), ErrLength},
	{"size one more", 3, 1, stream(1, func(_ *testing.T, z []byte) []byte { return append(z, 0) }), ErrLength},
	{"two streams", 3, 1, stream(1, func(_ *testing.T, z []byte) []byte { return append(z, z...) }), ErrLength},
	{"damaged data", 3, 1, stream(1, func(_ *testing.T, z []byte) []byte { z[3] ^= 0xff; return z }), ErrData},
	{"no zlib stream", 3, 1, stream(1, func(_ *testing.T, z []byte) []byte { return z[2:] }), ErrData},
	{"wrong checksum", 3, 1, stream(1, func(_ *testing.T, z []byte) []byte { z[len(z)-1] ^= 1; return z }), ErrData},
	{"a sector less than in the regions", 3, 1, stream(1, func(t *testing.T, _ []byte) []byte { return deflate(t, pattern(3)) }), ErrLength},
	{"a byte less than in the regions", 3, 1, stream(1, func(t *testing.T, _ []byte) []byte { return deflate(t, pattern(4)[1:]) }), ErrLength},
	{"a byte more than in the regions", 3, 1, stream(1, func(t *testing.T, _ []byte) []byte { return deflate(t, append(pattern(4), 0)) }), ErrLength},
	{"nothing in the stream", 3, 1, stream(1, func(t *testing.T, _ []byte) []byte { return deflate(t, nil) }), ErrLength},
}

func TestDefects(t *testing.T) {
	var images [MaxVersion + 1][]byte
	for version := MinVersion; version <= MaxVersion; version++ {
		images[version] = image(t, version)
	}
	for _, tt := range defects {
		t.Run(tt.name, func(t *testing.T) {
			b := tt.change(t, bytes.Clone(images[tt.version]))

			// All of the file at hand: what a header tells shows before anything is used.
			used := int64(0)
			m, err := Open(t.Context(), bytes.NewReader(b), int64(len(b)), Options{Workers: 1})
			inData := tt.want == ErrData || tt.want == ErrLength
			if (err == nil) != inData {
				t.Fatalf("Open: %v", err)
			}
			if inData {
				err = m.Each(t.Context(), tt.chunk, tt.chunk+1, func(_ int64, p []byte) error { used += int64(len(p)); return nil })
			}
			blames(t, "file", err, tt.want, tt.chunk, used, 0)

			// A stream: nothing of the chunk is used, nor of those behind it.
			used = 0
			limit := int64(20 * Sector)
			if tt.chunk >= 0 {
				limit = []int64{0, 8, 12, 20}[tt.chunk] * Sector
			}
			err = NewReader(bytes.NewReader(b), Options{Workers: 1}).Each(t.Context(), func(_ int64, p []byte) error { used += int64(len(p)); return nil })
			blames(t, "stream", err, tt.want, tt.chunk, used, limit)
		})
	}
}

// blames compares an error, and what was used before it.
func blames(t *testing.T, how string, err error, want Defect, chunk, used, limit int64) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", how, err, want)
	}
	if want == ErrTruncated && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%s: %v is no %v", how, err, io.ErrUnexpectedEOF)
	}
	var c *ChunkError
	if chunk >= 0 && (!errors.As(err, &c) || c.Index != chunk) {
		t.Errorf("%s: %v, expected to blame chunk %d", how, err, chunk)
	}
	if used > limit {
		t.Errorf("%s: %d bytes were used, want at most %d", how, used, limit)
	}
}

// TestGood makes sure that the images which the defects are made of are good.
func TestGood(t *testing.T) {
	for version := MinVersion; version <= MaxVersion; version++ {
		b := image(t, version)
		m, err := Open(t.Context(), bytes.NewReader(b), int64(len(b)), Options{})
		if err != nil {
			t.Errorf("version %d: %v", version, err)
			continue
		}
		var d disk
		if err := m.Each(t.Context(), 0, m.Chunks(), d.put); err != nil {
			t.Errorf("version %d: %v", version, err)
		}
		if n := d.wrote.Len(); n != 20*Sector || !d.wrote.Equal(m.Used()) {
			t.Errorf("version %d: %d bytes, used %v", version, n, m.Used())
		}
		want := map[bool]int64{true: 40 * Sector, false: 64 * Sector}[version == 1]
		if m.Size() != want {
			t.Errorf("version %d: %d bytes of disk, want %d", version, m.Size(), want)
		}
	}
	// What readers have to ignore.
	ignored := all(put32(4092, 1), put32(second-4, 1), put32(5*second/2, 7))
	b := ignored(t, image(t, 3))
	if err := NewReader(bytes.NewReader(b), Options{}).Each(t.Context(), new(disk).put); err != nil {
		t.Errorf("padding that is not zeros: %v", err)
	}
}

func TestRoom(t *testing.T) {
	b := image(t, 3)
	for _, tt := range []struct {
		room int64
		ok   bool
	}{{64 * Sector, true}, {65*Sector - 1, true}, {64*Sector - 1, false}, {40 * Sector, false}, {1, false}} {
		_, err := Open(t.Context(), bytes.NewReader(b), int64(len(b)), Options{Room: tt.room})
		if (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrFit) {
			t.Errorf("room for %d bytes: %v", tt.room, err)
		}
	}
}

func TestID(t *testing.T) {
	for _, tt := range []struct {
		version int
		id      [16]byte
		ok      bool
	}{{4, [16]byte{1, 2, 3}, true}, {5, [16]byte{1, 2, 3}, true}, {4, [16]byte{1, 2}, false}, {5, [16]byte{9}, false}, {3, [16]byte{1, 2, 3}, false}} {
		b := image(t, tt.version)
		_, err := Open(t.Context(), bytes.NewReader(b), int64(len(b)), Options{ID: tt.id})
		if (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrMixed) {
			t.Errorf("version %d, id %x: %v", tt.version, tt.id, err)
		}
	}
}
