package lvm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap"
)

// A small physical volume: label in sector 1, metadata area of 8 KiB at 4 KiB,
// extents of 1 KiB from 16 KiB on.
const (
	pvSize = 64 << 10
	mdaOff = 4 << 10
	mdaLen = 8 << 10
	pvID   = "abcdefghijklmnopqrstuvwxyz012345"
)

const goodText = `# made for tests
contents = "Text Format Volume Group"
version = 1
description = "it's \"quoted\" \\ here"
vg {
	id = "aaaaaa-bbbb-cccc-dddd-eeee-ffff-gggggg"
	seqno = 7
	format = "lvm2" # informational
	status = ["RESIZEABLE", "READ", "WRITE"]
	flags = []
	extent_size = 2
	max_lv = 0
	physical_volumes {
		pv0 {
			id = "abcdef-ghij-klmn-opqr-stuv-wxyz-012345"
			device = "/dev/sda2"
			status = ["ALLOCATABLE"]
			flags = []
			dev_size = 128
			pe_start = 32
			pe_count = 48
		}
	}
	logical_volumes {
		root {
			id = "000000-aaaa-bbbb-cccc-dddd-eeee-ffffff"
			status = ["READ", "WRITE", "VISIBLE"]
			flags = []
			segment_count = 2
			segment1 {
				start_extent = 0
				extent_count = 3
				type = "striped"
				stripe_count = 1
				stripes = [
					"pv0", 4
				]
			}
			segment2 {
				start_extent = 3
				extent_count = 2
				type = "striped"
				stripe_count = 1
				stripes = ["pv0", 20]
			}
		}
	}
}
`

// build makes the physical volume with a text in its ring, at off of its area.
func build(text string, off int) []byte {
	le := binary.LittleEndian
	b := make([]byte, pvSize)
	s := b[sector:][:sector]
	copy(s, "LABELONE")
	le.PutUint64(s[8:], 1)
	le.PutUint32(s[20:], 32)
	copy(s[24:], "LVM2 001"+pvID)
	le.PutUint64(s[64:], pvSize)
	le.PutUint64(s[72:], 16<<10) // data area up to the end
	le.PutUint64(s[104:], mdaOff)
	le.PutUint64(s[112:], mdaLen)
	le.PutUint32(s[136:], 2) // extension
	le.PutUint32(s[140:], flagUsed)
	m := b[mdaOff:][:mdaLen]
	copy(m[4:], magic)
	le.PutUint32(m[20:], 1)
	le.PutUint64(m[24:], mdaOff)
	le.PutUint64(m[32:], mdaLen)
	if text != "" {
		le.PutUint64(m[40:], uint64(off))
		le.PutUint64(m[48:], uint64(len(text)+1))
		n := copy(m[off:], text+"\x00")
		copy(m[sector:], (text + "\x00")[n:])
		le.PutUint32(m[56:], checksum(seed, []byte(text+"\x00")))
	}
	seal(b)
	return b
}

// seal makes the checksums of label and metadata header right.
func seal(b []byte) {
	le := binary.LittleEndian
	if len(b) >= 2*sector {
		le.PutUint32(b[sector+16:], checksum(seed, b[sector+20:2*sector]))
	}
	if len(b) >= mdaOff+sector {
		le.PutUint32(b[mdaOff:], checksum(seed, b[mdaOff+4:mdaOff+sector]))
	}
}

func TestSmallVolume(t *testing.T) {
	for _, off := range []int{sector, 7 << 10} { // the second wraps around
		v, err := Read(bytes.NewReader(build(goodText, off)), pvSize)
		if err != nil {
			t.Fatal(err)
		}
		want := extent.NewSet(extent.Range{Off: 0, End: 16 << 10}, extent.Range{Off: 20 << 10, End: 23 << 10}, extent.Range{Off: 36 << 10, End: 38 << 10})
		used := v.Used()
		if !used.Equal(want) {
			t.Errorf("used %v, want %v", used.Ranges(), want.Ranges())
		}
		m := v.Map()
		got := *m
		got.Used = extent.Set{}
		if diff := cmp.Diff(fsmap.Map{Kind: "lvm2", Label: "vg", UUID: "abcdef-ghij-klmn-opqr-stuv-wxyz-012345", Size: pvSize, Block: 1024}, got); diff != "" {
			t.Errorf("map (-want +got):\n%s", diff)
		}
	}
}

func TestRefusals(t *testing.T) {
	le := binary.LittleEndian
	text := func(old, new string) func([]byte) []byte {
		return func([]byte) []byte {
			if !strings.Contains(goodText, old) {
				panic(old)
			}
			return build(strings.Replace(goodText, old, new, 1), sector)
		}
	}
	sealed := func(f func(b []byte)) func([]byte) []byte {
		return func(b []byte) []byte {
			f(b)
			seal(b)
			return b
		}
	}
	for _, test := range []struct {
		name   string
		change func([]byte) []byte
		want   string // in the reason; empty: unknown
	}{
		{"no label", func(b []byte) []byte { clear(b[sector : 2*sector]); return b }, ""},
		{"label checksum", func(b []byte) []byte { b[sector+300]++; return b }, "wrong checksum"},
		{"label of another sector", sealed(func(b []byte) { b[sector+8] = 2 }), "is for sector 2"},
		{"label type", sealed(func(b []byte) { b[sector+31] = '2' }), "of type"},
		{"two labels", sealed(func(b []byte) {
			copy(b[2*sector:], b[sector:2*sector])
			le.PutUint64(b[2*sector+8:], 2)
			seal(b[sector : 2*sector+sector][:sector*2])
		}), "two labels"},
		{"header offset", sealed(func(b []byte) { le.PutUint32(b[sector+20:], 500) }), "header lies at byte 500"},
		{"a larger device", sealed(func(b []byte) { le.PutUint64(b[sector+64:], pvSize+1) }), "made for 65537 bytes"},
		{"a huge device", sealed(func(b []byte) { le.PutUint64(b[sector+64:], math.MaxUint64) }), "made for"},
		{"an odd id", sealed(func(b []byte) { b[sector+32] = 0 }), "UUID"},
		{"area outside", sealed(func(b []byte) { le.PutUint64(b[sector+112:], pvSize) }), "outside the volume"},
		{"area lists without end", sealed(func(b []byte) {
			for o := 72; o < sector-16; o += 16 {
				le.PutUint64(b[sector+o:], mdaOff)
			}
		}), "no end"},
		{"no metadata areas", sealed(func(b []byte) { clear(b[sector+104 : sector+120]) }), "other physical volumes"},
		{"metadata area ignored", sealed(func(b []byte) { b[mdaOff+60] = flagIgnored }), "other physical volumes"},
		{"metadata checksum", func(b []byte) []byte { b[mdaOff+400]++; return b }, "wrong checksum"},
		{"metadata magic", sealed(func(b []byte) { b[mdaOff+4]++ }), "no metadata header"},
		{"metadata version", sealed(func(b []byte) { b[mdaOff+20] = 2 }), "version 2"},
		{"metadata elsewhere", sealed(func(b []byte) { b[mdaOff+25]++ }), "is for"},
		{"unfinished change", sealed(func(b []byte) { le.PutUint64(b[mdaOff+64:], 4096) }), "not finished"},
		{"empty, but in use", func([]byte) []byte { return build("", 0) }, "may belong"},
		{"text outside", sealed(func(b []byte) { le.PutUint64(b[mdaOff+40:], mdaLen) }), "of an area"},
		{"text too long", sealed(func(b []byte) { le.PutUint64(b[mdaOff+48:], math.MaxUint64) }), "of an area"},
		{"text checksum", func(b []byte) []byte { b[mdaOff+sector+100]++; return b }, "wrong checksum"},
		{"areas disagree", func(b []byte) []byte {
			le.PutUint64(b[sector+120:], 48<<10)
			le.PutUint64(b[sector+128:], mdaLen)
			copy(b[sector+152:], b[sector+136:sector+144])
			clear(b[sector+136 : sector+152])
			m := build(strings.Replace(goodText, "seqno = 7", "seqno = 6", 1), sector)[mdaOff:][:mdaLen]
			le.PutUint64(m[24:], 48<<10)
			le.PutUint32(m, checksum(seed, m[4:sector]))
			copy(b[48<<10:], m)
			seal(b)
			return b
		}, "disagree"},

		{"contents", text("Volume Group", "Something"), "not a volume group's"},
		{"version", text("version = 1", "version = 2"), "unknown version"},
		{"exported", text(`"RESIZEABLE", `, `"EXPORTED", `), "marked EXPORTED"},
		{"partial", text("flags = []", `flags = ["PARTIAL"]`), "marked PARTIAL"},
		{"format", text(`format = "lvm2"`, `format = "lvm1"`), "format"},
		{"no extent size", text("extent_size = 2", "extent_size = 0"), "zero bytes"},
		{"huge extents", text("extent_size = 2", "extent_size = 4294967295"), "pe_count"},
		{"no seqno", text("seqno = 7", ""), "no seqno"},
		{"number as a string", text("seqno = 7", `seqno = "7"`), "seqno"},
		{"other physical volume", text("abcdef-", "xbcdef-"), "not among those"},
		{"missing", text("ALLOCATABLE\"]\n\t\t\tflags = []", "ALLOCATABLE\"]\n\t\t\tflags = [\"MISSING\"]"), "marked MISSING"},
		{"too many extents", text("pe_count = 48", "pe_count = 49"), "pe_count"},
		{"extents over metadata", text("pe_start = 32", "pe_start = 20"), "overlap its metadata"},
		{"segment outside", text(`"pv0", 20`, `"pv0", 47`), "extents 47 to 49"},
		{"negative extent", text(`"pv0", 20`, `"pv0", -1`), "not a number"},
		{"segments overlap", text(`"pv0", 20`, `"pv0", 5`), "overlap"},
		{"gap", text("start_extent = 3", "start_extent = 4"), "do not follow"},
		{"segment missing", text("segment_count = 2", "segment_count = 3"), "2 segments"},
		{"unknown type", text(`type = "striped"`, `type = "new"`), "not known"},
		{"unknown list", text(`type = "striped"`, `type = "zero" x = ["pv0", 0]`), "not known"},
		{"odd list", text(`["pv0", 20]`, `["pv0"]`), "pairs"},
		{"uneven stripes", text(`["pv0", 20]`, `["pv0", 20, "pv0", 30, "pv0", 40]`), "in 3 stripes"},
		{"volume as a value", text("logical_volumes {", "logical_volumes { a = 1 "), "not a logical volume"},
		{"two groups", text("vg {", "other { }\nvg {"), "2 volume groups"},

		{"unclosed brace", text("vg {", "vg { {"), "want a name"},
		{"unclosed section", text("\t}\n}\n", ""), "not closed"},
		{"unclosed string", text(`"/dev/sda2"`, `"/dev/sda2`), "metadata text"},
		{"no value", text("seqno = 7", "seqno ="), "metadata text"},
		{"list without comma", text(`"READ", "WRITE"`, `"READ" "WRITE"`), "comma"},
		{"name twice", text("seqno = 7", "seqno = 7 seqno = 8"), "twice"},
		{"deep", text("seqno = 7", "seqno = 7"+strings.Repeat(" a {", 20)+strings.Repeat("}", 20)), "in each other"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := test.change(build(goodText, sector))
			_, err := Read(bytes.NewReader(b), int64(len(b)))
			var unsafe *fsmap.UnsafeError
			switch {
			case test.want == "" && errors.Is(err, fsmap.ErrUnknown):
			case test.want != "" && errors.As(err, &unsafe) && strings.Contains(unsafe.Reason, test.want):
			default:
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

func TestManyItems(t *testing.T) {
	if _, err := parse([]byte("a = [" + strings.Repeat("1,", maxItems+1) + "]")); err == nil || !strings.Contains(err.Error(), "items") {
		t.Errorf("%v", err)
	}
}

var errDisk = errors.New("disk is broken")

type broken struct{}

func (broken) ReadAt([]byte, int64) (int, error) { return 0, errDisk }

func TestReadErrors(t *testing.T) {
	if _, err := Read(broken{}, pvSize); !errors.Is(err, errDisk) {
		t.Errorf("%v", err)
	}
	for _, size := range []int64{0, 1, 511, 512, 1025} {
		if _, err := Read(bytes.NewReader(make([]byte, size)), size); !errors.Is(err, fsmap.ErrUnknown) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func TestReader(t *testing.T) {
	b := build(goodText, sector)
	for i := 16 << 10; i < len(b); i++ {
		b[i] = byte(i >> 8)
	}
	v, err := Read(bytes.NewReader(b), pvSize)
	if err != nil {
		t.Fatal(err)
	}
	lv := &v.LVs[0]
	want := append(bytes.Clone(b[20<<10:23<<10]), b[36<<10:38<<10]...)
	r := lv.Reader(bytes.NewReader(b))
	got, err := io.ReadAll(io.NewSectionReader(r, 0, lv.Size))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
	}
	part := make([]byte, 2048)
	if n, err := r.ReadAt(part, 2048); n != 2048 || err != nil || !bytes.Equal(part, want[2048:4096]) {
		t.Errorf("across the pieces: %d, %v", n, err)
	}
	if n, err := r.ReadAt(part, lv.Size-100); n != 100 || err != io.EOF {
		t.Errorf("over the end: %d, %v", n, err)
	}
	got2 := lv.Place(extent.NewSet(extent.Range{Off: 100, End: 4000}))
	want2 := extent.NewSet(extent.Range{Off: 20<<10 + 100, End: 23 << 10}, extent.Range{Off: 36 << 10, End: 36<<10 + 4000 - 3072})
	if !got2.Equal(want2) {
		t.Errorf("placed at %v, want %v", got2.Ranges(), want2.Ranges())
	}
}

// FuzzLabel reads volumes that begin with any bytes, as they are and with
// label and metadata header made to look right.
func FuzzLabel(f *testing.F) {
	for _, b := range [][]byte{build(goodText, sector), build(goodText, 7<<10), build("", 0)} {
		f.Add(bytes.TrimRight(b, "\x00"))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		b := make([]byte, pvSize)
		copy(b, head)
		for range 2 {
			v, err := Read(bytes.NewReader(b), pvSize)
			check(t, v, err, pvSize)
			seal(b)
		}
	})
}

// FuzzText reads texts as those of a group.
func FuzzText(f *testing.F) {
	f.Add([]byte(goodText))
	f.Add([]byte("contents = \"Text Format Volume Group\" version = 1 vg { logical_volumes {" + otherTypes() + "}}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		v := &Volume{Size: pvSize}
		err := decodeGroup(text, pvID, v)
		check(t, v, err, pvSize)
	})
}

func check(t *testing.T, v *Volume, err error, size int64) {
	var unsafe *fsmap.UnsafeError
	if err != nil {
		if !errors.As(err, &unsafe) && !errors.Is(err, fsmap.ErrUnknown) {
			t.Fatalf("error of no known type: %v", err)
		}
		return
	}
	used := v.Used()
	if m := v.Map(); used.End() > m.Size || m.Size > size {
		t.Fatalf("used up to %d of %d of %d", used.End(), m.Size, size)
	}
	for i := range v.LVs {
		lv := &v.LVs[i]
		got := lv.Allocated()
		if !got.Subtract(used).Empty() {
			t.Fatalf("%s has more than is used", lv.Name)
		}
		if lv.Linear && got.Len() != lv.Size {
			t.Fatalf("linear %s has %d bytes of %d", lv.Name, got.Len(), lv.Size)
		}
	}
}
