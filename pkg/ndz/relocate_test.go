package ndz

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLILO(t *testing.T) {
	for _, tt := range []struct {
		name  string
		start uint64
		kind  uint32
		in    []byte
		want  []byte // nil for an error
	}{
		{"linear", 0x010203, RelocLILO, []byte{1, 0, 0xc0, 0, 9}, []byte{4, 2, 0xc0, 1, 9}},
		{"LBA32", 0x10, RelocLILO, []byte{0xf0, 0xff, 0xa0, 0, 1}, []byte{0, 0, 0xa0, 1, 1}},
		{"32 bits", 0x01000000, RelocLILO, []byte{5, 6, 0xb0, 7, 8}, []byte{5, 6, 0xb0, 7, 9}},
		{"32 bits, carried", 1, RelocLILO, []byte{255, 255, 0x10, 255, 8}, []byte{0, 0, 0x10, 0, 9}},
		{"whole disk", 0, RelocLILO, []byte{1, 2, 0x00, 3, 4}, []byte{1, 2, 0x00, 3, 4}},
		{"null", 7, RelocLILO, []byte{0, 0, 0, 0, 0}, []byte{0, 0, 0, 0, 0}},
		{"cylinder, head, sector", 7, RelocLILO, []byte{1, 2, 0x80, 3, 4}, nil},
		{"beyond 24 bits", 1, RelocLILO, []byte{255, 255, 0x60, 255, 1}, nil},
		{"beyond 32 bits", 1, RelocLILO, []byte{255, 255, 0x70, 255, 255}, nil},
		{"start beyond 32 bits", 1 << 40, RelocLILO, []byte{1, 0, 0x70, 0, 0}, nil},
		{"map", 2, RelocLILOMap,
			[]byte{1, 0, 0x60, 0, 1, 9, 0, 0x60, 0, 1, 0, 0, 0, 0, 0, 3, 0, 0x60, 0, 1},
			[]byte{3, 0, 0x60, 0, 1, 11, 0, 0x60, 0, 1, 0, 0, 0, 0, 0, 3, 0, 0x60, 0, 1}},
		{"map with a bad address", 2, RelocLILOMap, []byte{1, 0, 0x60, 0, 1, 9, 0, 0, 0, 1}, nil},
		// 0xabcd ^ 0x0201 ^ 0x0403, the first word not counting.
		{"checksum", 2, RelocLILOSum, []byte{7, 7, 1, 2, 3, 4}, []byte{0xcf, 0xad, 1, 2, 3, 4}},
	} {
		got := bytes.Clone(tt.in)
		wrong := Target{Start: tt.start, Sectors: 1}.apply(tt.kind, got)
		if (wrong != "") != (tt.want == nil) || wrong == "" && !bytes.Equal(got, tt.want) {
			t.Errorf("%s: % x, %q, want % x", tt.name, got, wrong, tt.want)
		}
	}
	// A full map has no null address.
	full := bytes.Repeat([]byte{1, 0, 0x60, 0, 1}, 103)[:Sector]
	if wrong := (Target{Start: 2}).apply(RelocLILOMap, full); wrong != "" || full[101*5] != 3 || full[510] != 1 {
		t.Errorf("full map: %q, last address % x", wrong, full[101*5:])
	}
}

// part is an entry of a disklabel: size and offset.
type part [2]uint32

func label(parts ...part) []byte {
	le := binary.LittleEndian
	b := bytes.Repeat([]byte{0xee}, Sector)
	clear(b[:148])
	le.PutUint32(b, 0x82564557)
	le.PutUint32(b[132:], 0x82564557)
	le.PutUint16(b[136:], 0x1234)
	le.PutUint16(b[138:], uint16(len(parts)))
	for i, p := range parts {
		le.PutUint32(b[148+16*i:], p[0])
		le.PutUint32(b[148+16*i+4:], p[1])
	}
	return b
}

func TestLabel(t *testing.T) {
	nine := make([]part, 9)
	for i := range nine {
		nine[i] = part{10, uint32(10 * i)}
	}
	for _, tt := range []struct {
		name   string
		kind   uint32
		target Target
		in     []part
		want   []part // nil for an error
	}{
		{"whole disk", RelocFreeBSD, Target{}, []part{{10, 0}}, []part{{10, 0}}},
		{"moved", RelocFreeBSD, Target{1000, 100}, []part{{10, 0}, {20, 10}, {100, 0}}, []part{{10, 1000}, {20, 1010}, {100, 1000}}},
		{"unused entry", RelocFreeBSD, Target{1000, 100}, []part{{0, 0}, {0, 5}}, []part{{0, 0}, {0, 5}}},
		{"cut", RelocFreeBSD, Target{1000, 100}, []part{{10, 0}, {200, 50}, {250, 0}}, []part{{10, 1000}, {50, 1050}, {100, 1000}}},
		{"raw grows", RelocFreeBSD, Target{1000, 100}, []part{{10, 0}, {20, 10}, {60, 0}}, []part{{10, 1000}, {20, 1010}, {100, 1000}}},
		{"OpenBSD", RelocOpenBSD, Target{1000, 100}, nine, []part{{10, 1000}, {10, 1010}, {10, 20}, {10, 1030}, {10, 1040}, {10, 1050}, {10, 1060}, {10, 1070}, {10, 80}}},
		{"behind the target", RelocFreeBSD, Target{1000, 100}, []part{{10, 100}}, nil},
		{"target beyond 32 bits", RelocFreeBSD, Target{1 << 32, 100}, []part{{10, 0}}, nil},
		{"target that wraps", RelocFreeBSD, Target{1<<64 - 1, 100}, []part{{10, 0}}, nil},
		{"22 partitions", RelocFreeBSD, Target{1000, 100}, make([]part, 22), make([]part, 22)},
	} {
		in := tt.in
		got := label(in...)
		wrong := tt.target.apply(tt.kind, got)
		if (wrong != "") != (tt.want == nil) {
			t.Errorf("%s: %q", tt.name, wrong)
		}
		if wrong != "" {
			continue
		}
		want := label(tt.want...)
		if tt.target != (Target{}) {
			sum := uint16(0)
			clear(want[136:138])
			for i := 0; i < 148+16*len(in); i += 2 {
				sum ^= binary.LittleEndian.Uint16(want[i:])
			}
			binary.LittleEndian.PutUint16(want[136:], sum)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}

	target := Target{1000, 100}
	for _, off := range []int{0, 132} {
		b := label(part{10, 0})
		b[off] ^= 1
		if wrong := target.apply(RelocFreeBSD, b); wrong == "" {
			t.Errorf("magic at %d broken: no error", off)
		}
	}
	for _, n := range []uint16{23, 0xffff} {
		b := label(part{10, 0})
		binary.LittleEndian.PutUint16(b[138:], n)
		if wrong := target.apply(RelocFreeBSD, b); wrong == "" {
			t.Errorf("%d partitions: no error", n)
		}
	}
}

// TestRelocOrder makes relocations that overlap: each has to see what the ones
// before it in the table did, wherever the chunk is cut into pieces.
func TestRelocOrder(t *testing.T) {
	const sectors = 40
	data := make([]byte, sectors*Sector)
	for i := range data {
		data[i] = byte(i * 7)
	}
	const table = 10*Sector + 8 // of LILO's descriptors, across 3 sectors
	address := []byte{1, 0, 0x60, 0, 1}
	copy(data[table+100:], address)
	copy(data[table+1000:], address)
	copy(data[30*Sector:], bytes.Repeat(address, 20))
	clear(data[30*Sector+100:][:5]) // ends the map
	h := Header{
		Version: 3, Last: 200, Regions: []Region{{0, 20}, {100, 20}},
		Relocs: []Reloc{
			{RelocLILO, (table + 100) / Sector, (table + 100) % Sector, 5},
			{RelocLILO, (table + 1000) / Sector, (table + 1000) % Sector, 5},
			{RelocLILOSum, (table + 990) / Sector, (table + 990) % Sector, 2},
			{RelocLILO, (table + 100) / Sector, (table + 100) % Sector, 5}, // again, behind the sum
			{RelocLILOMap, 110, 0, Sector},
			{RelocNone, 1 << 30, 5, 12345},
		},
	}
	chunk := makeChunk(t, h, data)
	h, err := ParseHeader(chunk)
	if err != nil {
		t.Fatal(err)
	}

	want := make([]byte, 120*Sector)
	copy(want, data[:20*Sector])
	copy(want[100*Sector:], data[20*Sector:])
	want[table+100] += 3
	want[table+1000] += 3
	want[table], want[table+1] = 0, 0
	sum := uint16(0xabcd)
	for i := table; i < table+1024; i += 2 {
		sum ^= binary.LittleEndian.Uint16(want[i:])
	}
	binary.LittleEndian.PutUint16(want[table:], sum)
	want[table+100] += 3
	for i := range 20 {
		want[110*Sector+5*i] += 3
	}
	for _, piece := range []int{pieceSize, 1024, 1025, 1536, 2000, 2048, 4096, 5000, 6 * Sector, 11 * Sector, 12 * Sector} {
		d := NewDecoder(Options{Target: Target{Start: 3}})
		d.buf = d.buf[:piece]
		for range 2 { // a decoder is used again
			got := disk{data: make([]byte, len(want))}
			if err := d.Decode(t.Context(), &h, chunk, got.put); err != nil {
				t.Fatalf("pieces of %d: %v", piece, err)
			}
			if !bytes.Equal(got.data, want) {
				t.Errorf("pieces of %d: another disk", piece)
			}
		}
	}
}

// TestManyRelocs fills a header with relocations that all hang together: they
// must be in one piece.
func TestManyRelocs(t *testing.T) {
	h := Header{Version: 3, Regions: []Region{{0, 2 * 260}}, Last: 2 * 260}
	for Room(3, len(h.Relocs)+1) > 0 {
		at := uint64(990 + 1023*len(h.Relocs))
		h.Relocs = append(h.Relocs, Reloc{RelocLILOSum, at / Sector, uint32(at % Sector), 2})
	}
	chunk := makeChunk(t, h, pattern(2*260))
	h, err := ParseHeader(chunk)
	if err != nil {
		t.Fatal(err)
	}
	d := NewDecoder(Options{})
	if err := d.begin(&h, chunk); err != nil {
		t.Fatal(err)
	}
	want := []cluster{{0, int64(1023*(len(h.Relocs)-1) + 1024)}}
	if !slices.Equal(d.clusters, want) || want[0].end > pieceSize/2 {
		t.Errorf("clusters %v, want %v", d.clusters, want)
	}
	if err := d.Decode(t.Context(), &h, chunk, new(disk).put); err != nil {
		t.Error(err)
	}
}

// TestBadReloc finds what can only be found in the data, before it is used.
func TestBadReloc(t *testing.T) {
	h := Header{Version: 3, Last: 4, Regions: []Region{{0, 4}}, Relocs: []Reloc{{RelocFreeBSD, 1, 0, 276}}}
	chunk := makeChunk(t, h, pattern(4))
	h, err := ParseHeader(chunk)
	if err != nil {
		t.Fatal(err)
	}
	var got disk
	err = NewDecoder(Options{Target: Target{8, 8}}).Decode(t.Context(), &h, chunk, got.put)
	if !errors.Is(err, ErrReloc) || !got.wrote.Empty() {
		t.Errorf("no disklabel: %v, %v used; want %v", err, got.wrote, ErrReloc)
	}
	if err := NewDecoder(Options{}).Decode(t.Context(), &h, chunk, got.put); err != nil {
		t.Errorf("whole disk: %v", err)
	}
}
