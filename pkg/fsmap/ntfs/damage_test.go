package ntfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

var le = binary.LittleEndian

// fresh is a filesystem just made, of 3 MiB and clusters of 1 KiB.
func fresh(t testing.TB) []byte {
	t.Helper()
	img := maptest.File(t, 3<<20)
	maptest.Tool(t, "mkntfs", "-q", "-F", "-Q", "-T", "-c", "1024", img)
	b, err := os.ReadFile(img)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// protect is what fixup undoes.
func protect(b []byte) {
	off := int(le.Uint16(b[4:]))
	for i := 1; i <= len(b)/512; i++ {
		copy(b[off+2*i:off+2*i+2], b[512*i-2:])
		copy(b[512*i-2:512*i], b[off:])
	}
}

// edit changes record n of the MFT, and of its copy.
func edit(t testing.TB, b []byte, n int, f func(rec []byte)) {
	t.Helper()
	at := int(le.Uint64(b[48:]))*1024 + n*1024
	rec := b[at : at+1024]
	if string(rec[:4]) != "FILE" || !fixup(rec) {
		t.Fatalf("no record %d", n)
	}
	f(rec)
	protect(rec)
	if n < 4 {
		copy(b[int(le.Uint64(b[56:]))*1024+n*1024:], rec)
	}
}

// attrOf is a record's attribute, from its beginning on.
func attrOf(rec []byte, typ uint32) []byte {
	for b := rec[le.Uint16(rec[20:]):]; ; b = b[le.Uint32(b[4:]):] {
		if k := le.Uint32(b); k == typ || k == typeEnd {
			return b
		}
	}
}

// where is the offset of a file's content.
func where(t testing.TB, b []byte, n int64) int64 {
	t.Helper()
	boot, err := readBoot(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	v := &volume{r: bytes.NewReader(b), boot: boot}
	if err := v.openMFT(); err != nil {
		t.Fatal(err)
	}
	s, err := v.system(n, typeData, "")
	if err != nil {
		t.Fatal(err)
	}
	return s.runs[0].lcn * boot.heap.Size
}

// restartPage is a page as Windows writes it.
func restartPage(lsn uint64, client, flags, major uint16) []byte {
	b := make([]byte, 4096)
	copy(b, "RSTR\x1e\x00\x09\x00")
	le.PutUint32(b[16:], 4096)
	le.PutUint32(b[20:], 4096)
	le.PutUint16(b[24:], 48)
	le.PutUint16(b[26:], 1)
	le.PutUint16(b[28:], major)
	le.PutUint16(b[30:], 7) // the number that protects
	le.PutUint64(b[48:], lsn)
	le.PutUint16(b[56:], 1)
	le.PutUint16(b[58:], 0xffff)
	le.PutUint16(b[60:], client)
	le.PutUint16(b[62:], flags)
	protect(b)
	return b
}

func TestState(t *testing.T) {
	base := fresh(t)
	log, bitmap := where(t, base, recLogFile), where(t, base, recBitmap)
	value := func(a []byte) []byte { return a[le.Uint16(a[20:]):] }
	info := func(rec []byte) []byte { return value(attrOf(rec, typeVolumeInfo)) }
	in := func(n int, f func(rec []byte)) func(t *testing.T, b []byte) {
		return func(t *testing.T, b []byte) { edit(t, b, n, f) }
	}
	pages := func(first, second []byte) func(t *testing.T, b []byte) {
		return func(_ *testing.T, b []byte) {
			copy(b[log:], first)
			copy(b[log+4096:], second)
		}
	}
	raw := func(f func(b []byte)) func(t *testing.T, b []byte) {
		return func(_ *testing.T, b []byte) { f(b) }
	}
	torn := restartPage(9, 0, 0, 1)
	torn[1023] ^= 1
	ones := bytes.Repeat([]byte{0xff}, 4096)
	for _, c := range []struct {
		name   string
		change func(t *testing.T, b []byte)
		want   string // part of the error; none means that there is a map
	}{
		{"fresh", raw(func([]byte) {}), ""},
		{"version 3.0", in(3, func(r []byte) { info(r)[9] = 0 }), ""},
		{"other flags", in(3, func(r []byte) { info(r)[11] = 0x80 }), ""},
		{"journal clean by its clients", pages(restartPage(5, 0xffff, 0, 1), restartPage(4, 0, 0, 1)), ""},
		{"journal clean by its flag", pages(restartPage(5, 0, 0, 1), restartPage(6, 0, 2, 1)), ""},
		{"journal in one page", pages(restartPage(5, 0, 2, 1), ones), ""},
		{"journal with a torn page", pages(torn, restartPage(5, 0, 2, 1)), ""},

		{"dirty", in(3, func(r []byte) { info(r)[10] = 1 }), "volume is dirty"},
		{"version 4", in(3, func(r []byte) { info(r)[8] = 4 }), "version 4.1"},
		{"no version", in(3, func(r []byte) { attrOf(r, typeVolumeInfo)[0] = 0x71 }), "no version"},
		{"journal in use", pages(restartPage(5, 0, 0, 1), restartPage(4, 0, 2, 1)), "replayed"},
		{"journal in use in one page", pages(ones, restartPage(4, 0, 0, 1)), "replayed"},
		{"journal of a fast start", pages(restartPage(5, 0, 2, 2), restartPage(4, 0, 2, 1)), "fast start"},
		{"no journal", pages(make([]byte, 4096), make([]byte, 4096)), "no restart page"},
		{"journal torn", pages(torn, torn), "no restart page"},

		{"bitmap has itself free", raw(func(b []byte) { b[bitmap+bitmap/1024/8] = 0 }), "own metadata"},
		{"bitmap has the MFT free", raw(func(b []byte) { b[bitmap+2] = 0 }), "own metadata"},
		{"bitmap too short", in(6, func(r []byte) { le.PutUint64(attrOf(r, typeData)[48:], 383) }), "bitmap of 383"},
		{"bitmap not written", in(6, func(r []byte) { le.PutUint64(attrOf(r, typeData)[56:], 383) }), "bitmap of 383"},
		{"bitmap compressed", in(6, func(r []byte) { attrOf(r, typeData)[12] = 1 }), "compressed"},
		{"bitmap without clusters", in(6, func(r []byte) { a := attrOf(r, typeData); a[le.Uint16(a[32:])] = 0 }), "fewer clusters"},
		{"bitmap beyond the end", in(6, func(r []byte) { a := attrOf(r, typeData); a[le.Uint16(a[32:])+3] = 0x70 }), "beyond the volume"},
		{"no bitmap", in(6, func(r []byte) { attrOf(r, typeData)[0] = 0x81 }), "has no attribute"},

		{"copy of the MFT differs", raw(func(b []byte) { b[le.Uint64(b[56:])*1024+100] ^= 1 }), "differs from its copy"},
		{"copy of the MFT damaged", raw(func(b []byte) { b[le.Uint64(b[56:])*1024+511] ^= 1 }), "record 0 is damaged"},
		{"copy of the MFT elsewhere", raw(func(b []byte) { b[56]++ }), "copy of the MFT is not"},
		{"MFT elsewhere", raw(func(b []byte) { b[48]++ }), "MFT is not at"},
		{"root directory damaged", raw(func(b []byte) { b[le.Uint64(b[48:])*1024+5*1024+1023] ^= 1 }), "record 5 is damaged"},
		{"root directory free", in(5, func(r []byte) { r[22] = 0 }), "not in use"},
		{"root directory part of another", in(5, func(r []byte) { r[32] = 9 }), "belongs to 9"},
		{"root directory no directory", in(5, func(r []byte) { attrOf(r, typeIndexRoot)[0] = 0x91 }), "no directory"},
		{"attributes without end", in(5, func(r []byte) { attrOf(r, typeIndexRoot)[5] = 9 }), "attributes of MFT record 5"},
		{"bad clusters damaged", in(8, func(r []byte) { r[20] = 0xff }), "attributes of MFT record 8"},

		{"more sectors than there are", raw(func(b []byte) { le.PutUint64(b[40:], 6145) }), "needs 6145 sectors"},
		{"sectors of 256", raw(func(b []byte) { b[12] = 1 }), "no sense"},
		{"a FAT's BPB", raw(func(b []byte) { b[16] = 2 }), "no sense"},
		{"no signature", raw(func(b []byte) { b[510] = 0 }), "no sense"},
		{"clusters of three sectors", raw(func(b []byte) { b[13] = 3 }), "clusters of 3"},
		{"clusters of 4 MiB", raw(func(b []byte) { b[13] = 256 - 13 }), "clusters of 243"},
		{"records of 256", raw(func(b []byte) { b[64] = 256 - 8 }), "records of 256"},
		{"records of 2^63", raw(func(b []byte) { b[64] = 256 - 63 }), "records of"},
		{"MFT beyond the end", raw(func(b []byte) { b[50] = 1 }), "of 3071"},
		{"a RAID member", raw(func(b []byte) { copy(b[4096:], "\xfc\x4e\x2b\xa9") }), "RAID"},

		{"BitLocker", raw(func(b []byte) { copy(b[3:], "-FVE-FS-") }), "not a filesystem"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bytes.Clone(base)
			c.change(t, b)
			m, err := Map(bytes.NewReader(b), int64(len(b)))
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("Map = %+v, %v; want %q", m, err, c.want)
			}
		})
	}
}

// TestHibernated writes the file that Windows sleeps in.
func TestHibernated(t *testing.T) {
	for _, c := range []struct {
		text, want string
	}{
		{"HIBR and memory", "hibernated"},
		{strings.Repeat("hibr", 5000), "hibernated"},
		{"wake, and memory that is old", ""},
		{strings.Repeat("\x00", 5000), ""},
		{"", ""},
	} {
		img := maptest.File(t, 8<<20)
		maptest.Tool(t, "mkntfs", "-q", "-F", "-Q", img)
		mount(t, img, "windows_names", func(dir string) {
			for i := range 300 { // too many for the root of the index
				if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(i)), nil, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(dir, "hiberfil.sys"), []byte(c.text), 0o644); err != nil {
				t.Fatal(err)
			}
		})
		m, err := mapFile(t, img)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("with %.4q: Map = %+v, %v; want %q", c.text, m, err, c.want)
		}
	}
}

// TestBad marks clusters bad as chkdsk does.
func TestBad(t *testing.T) {
	b := fresh(t)
	before, err := Map(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	edit(t, b, recBadClus, func(rec []byte) {
		used := le.Uint32(rec[24:])
		a := rec[:used-8]
		for from := int(le.Uint16(rec[20:])); le.Uint32(rec[from:]) != typeEnd; from += int(le.Uint32(rec[from+4:])) {
			a = rec[from:]
		}
		size, off := le.Uint32(a[4:]), le.Uint16(a[32:])
		copy(a[size+8:], a[size:size+8])
		clear(a[off : size+8])
		copy(a[off:], "\x02\x2c\x01"+"\x21\x03\xb0\x04"+"\x02\xd0\x0a") // 300 hole, 3 from 1200 on, 2768 hole
		le.PutUint32(a[4:], size+8)
		le.PutUint32(rec[24:], used+8)
	})
	bitmap := where(t, b, recBitmap)
	b[bitmap+1200/8] |= 7
	m, err := Map(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before.Used.Ranges(), m.Used.Ranges()); diff != "" || len(m.Notes) != 1 {
		t.Errorf("with bad clusters, notes %q (-want +got):\n%s", m.Notes, diff)
	}
}

// TestRandom sets random bits.
func TestRandom(t *testing.T) {
	base := fresh(t)
	before, err := Map(bytes.NewReader(base), int64(len(base)))
	if err != nil {
		t.Fatal(err)
	}
	bitmap, count := where(t, base, recBitmap), int64(3071)
	r := rand.New(rand.NewPCG(4, 7))
	for range 100 {
		b, want := bytes.Clone(base), before.Used.Clone()
		for n := range count {
			if r.IntN(4) == 0 {
				b[bitmap+n/8] |= 1 << (n % 8)
				want.Add(extent.Range{Off: n * 1024, End: (n + 1) * 1024})
			}
		}
		m, err := Map(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		maptest.Superset(t, m.Used, want, true)
	}
}

func TestReadError(t *testing.T) {
	b := fresh(t)
	for _, n := range []int{100, 4200, 16 << 10, 40 << 10, 1 << 20} {
		if _, err := Map(bytes.NewReader(b[:n]), int64(len(b))); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("of %d bytes: Map = %v", n, err)
		}
	}
	if _, err := Map(bytes.NewReader(nil), 0); !errors.Is(err, fsmap.ErrUnknown) {
		t.Errorf("of nothing: Map = %v", err)
	}
}

func TestRuns(t *testing.T) {
	for _, c := range []struct {
		name  string
		pairs string
		last  int64
		want  []run
		err   string
	}{
		{"none", "\x00", -1, nil, ""},
		{"one", "\x11\x05\x10\x00", 4, []run{{0, 16, 5}}, ""},
		{"back and forth", "\x11\x05\x70\x11\x03\xf0\x21\x02\x00\x01\x00", 9, []run{{0, 112, 5}, {5, 96, 3}, {8, 352, 2}}, ""},
		{"hole", "\x11\x05\x10\x01\x20\x11\x01\x05", 37, []run{{0, 16, 5}, {5, hole, 32}, {37, 21, 1}}, ""},
		{"without an end", "\x11\x05\x10", 4, []run{{0, 16, 5}}, ""},
		{"cut short", "\x21\x05\x10", 4, nil, "cut short"},
		{"no length", "\x10\x05", 4, nil, "cut short"},
		{"length of nine bytes", "\x09aaaaaaaaa", 4, nil, "cut short"},
		{"negative length", "\x11\xff\x10", 4, nil, "more clusters than it has"},
		{"before the beginning", "\x11\x05\xf0", 4, nil, "beyond"},
		{"beyond the end", "\x21\x05\xff\x03", 4, nil, "beyond"},
		{"too long", "\x11\x05\x10\x00", 3, nil, "more clusters than it has"},
		{"too short", "\x11\x05\x10\x00", 5, nil, "fewer"},
		{"the same again and again", "\x12\x00\x03\x10\x12\x00\x03\x00", 1535, nil, "than the volume has"},
	} {
		s := &stream{}
		err := s.add(&attribute{last: c.last, pairs: []byte(c.pairs)}, 1024)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v; want %q", c.name, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if diff := cmp.Diff(c.want, s.runs, cmp.AllowUnexported(run{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// FuzzMap puts protection and copy of the MFT right, which it would hardly find.
func FuzzMap(f *testing.F) {
	b := fresh(f)
	log := where(f, b, recLogFile)
	mft := le.Uint64(b[48:]) * 1024
	at := func(n uint64) []byte { return bytes.Clone(b[mft+n*1024 : mft+n*1024+512]) }
	f.Add(b[:84], at(0), at(3), at(5), at(6), restartPage(3, 0, 2, 1)[:64])
	f.Add(b[:84], at(0), at(3), at(5), at(6), bytes.Repeat([]byte{0xff}, 64))
	f.Fuzz(func(t *testing.T, boot, r0, r3, r5, r6, page []byte) {
		v := bytes.Clone(b)
		copy(v[:510], boot)
		for n, rec := range map[int][]byte{0: r0, 3: r3, 5: r5, 6: r6} {
			to := v[mft+uint64(n)*1024:][:1024]
			copy(to[:1000], rec)
			copy(to[4:8], "\x30\x00\x03\x00")
			protect(to)
			if n < 4 {
				copy(v[le.Uint64(b[56:])*1024+uint64(n)*1024:], to)
			}
		}
		if len(page) > 8 {
			copy(v[log:log+4096], page)
			copy(v[log+4:], "\x1e\x00\x09\x00")
			if page[0] != 0xff {
				protect(v[log : log+4096])
			}
		}
		m, err := Map(bytes.NewReader(v), int64(len(v)))
		if err == nil && (m.Used.End() > m.Size || m.Size > int64(len(v)) || !m.Used.Contains(extent.Range{End: 8192})) {
			t.Errorf("map of %d bytes: %v", m.Size, m.Used.Ranges())
		}
	})
}
