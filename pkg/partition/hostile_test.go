package partition

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// image is a small disk with a fresh GPT of one partition.
func image(t testing.TB, sector int) []byte {
	t.Helper()
	const size = 4 * mib
	g, err := NewGPT(size, sector, GUID{1}, []Entry{{Type: LinuxData, ID: GUID{2}, Size: mib, Name: "data"}})
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, size)
	for _, p := range g.Pieces() {
		copy(b[p.Off:], p.Data)
	}
	return b
}

// reseal makes the CRCs of a 512-byte-sector disk right again.
func reseal(b []byte) {
	le := binary.LittleEndian
	n := min(int(le.Uint32(b[512+80:]))*int(le.Uint32(b[512+84:])), 1<<20)
	le.PutUint32(b[512+88:], crc32.ChecksumIEEE(b[1024:1024+n]))
	le.PutUint32(b[512+16:], headerCRC(b[512:1024], 92))
}

func TestBrokenGPT(t *testing.T) {
	le := binary.LittleEndian
	for _, test := range []struct {
		name   string
		change func(b []byte)
		seal   bool
		want   string
	}{
		{"no header", func(b []byte) { clear(b[512:1024]) }, false, "EFI PART"},
		{"header bit", func(b []byte) { b[512+56]++ }, false, "CRC is"},
		{"entry bit", func(b []byte) { b[1024+40]++ }, false, "gpt entries at byte 1024 is broken: CRC"},
		{"header size", func(b []byte) { le.PutUint32(b[512+12:], 513) }, false, "header size 513"},
		{"own place", func(b []byte) { b[512+24] = 7 }, true, "LBA 7"},
		{"itself", func(b []byte) { le.PutUint64(b[512+32:], 1) }, true, "itself"},
		{"alternate inside", func(b []byte) { le.PutUint64(b[512+32:], 8000) }, true, "usable area"},
		{"huge lba", func(b []byte) { le.PutUint64(b[512+48:], 1<<63) }, true, "last usable"},
		{"many entries", func(b []byte) { le.PutUint32(b[512+80:], 1<<31) }, true, "at most 4 MiB"},
		{"entry size", func(b []byte) { le.PutUint32(b[512+84:], 130) }, true, "entries of 130 bytes"},
		{"entries over header", func(b []byte) { le.PutUint64(b[512+72:], 1) }, true, "overlap"},
		{"ends before start", func(b []byte) { le.PutUint64(b[1024+40:], 1) }, true, "partition 1"},
		{"ends behind disk", func(b []byte) { le.PutUint64(b[1024+40:], 1<<40) }, true, "outside the disk"},
		{"usable reversed", func(b []byte) { le.PutUint64(b[512+40:], 8190) }, true, "first usable"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := image(t, 512)
			test.change(b)
			if test.seal {
				reseal(b)
			}
			_, err := Read(bytes.NewReader(b), 512)
			var format *FormatError
			if !errors.As(err, &format) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want a *FormatError with %q", err, test.want)
			}
		})
	}
}

func TestTruncated(t *testing.T) {
	b := image(t, 512)
	for _, n := range []int{600, 1024, 5000, 1024 + 16383} {
		_, err := Read(bytes.NewReader(b[:n]), 512)
		if format := (*FormatError)(nil); !errors.As(err, &format) {
			t.Errorf("%d bytes: error %v, want a *FormatError", n, err)
		}
	}
	if got, err := ReadHead(b[:5000], 512); err != nil || !got.Incomplete || got.End != 4*mib {
		t.Errorf("head of 5000 bytes: %+v, %v", got, err)
	}
	for _, n := range []int{0, 100, 511} {
		got, err := Read(bytes.NewReader(b[:n]), 512)
		if err != nil || got.Scheme != SchemeNone {
			t.Errorf("%d bytes: %+v, %v", n, got, err)
		}
	}
}

// TestRegionsHoldBack zeroes what Regions names and expects nothing to be left.
func TestRegionsHoldBack(t *testing.T) {
	for _, sector := range []int{512, 4096} {
		b := image(t, sector)
		table, err := Read(bytes.NewReader(b), sector)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range table.Regions() {
			clear(b[r.Offset:][:r.Size])
		}
		if i := bytes.IndexFunc(b, func(r rune) bool { return r != 0 }); i >= 0 {
			t.Errorf("sector %d: byte %d is left", sector, i)
		}
	}
}

func TestSniffLeftOver(t *testing.T) {
	// A disk of 4096-byte sectors whose first sector still holds the header
	// of an earlier 512-byte table, and the other way round.
	old, now := image(t, 512), image(t, 4096)
	copy(now[512:1024], old[512:1024])
	if ss, s := Sniff(now); ss != 4096 || s != SchemeGPT {
		t.Errorf("sniffed %d, %s; want 4096", ss, s)
	}
	big := image(t, 4096)
	copy(old[4096:8192], big[4096:8192])
	if ss, _ := Sniff(old); ss != 512 {
		t.Errorf("sniffed %d; want 512", ss)
	}
	if ss, s := Sniff(make([]byte, mib)); ss != 0 || s != SchemeNone {
		t.Errorf("zeros sniffed as %d, %s", ss, s)
	}
}

// ebr puts an extended boot record into b.
func ebr(b []byte, lba int, data, link Record) {
	s := b[lba*512:][:512]
	encodeRecord(s, 0, data)
	encodeRecord(s, 1, link)
	s[510], s[511] = 0x55, 0xaa
}

func TestExtendedChain(t *testing.T) {
	base := func() []byte {
		b := make([]byte, mib)
		encodeRecord(b, 0, Record{Type: 0x0f, Start: 100, Sectors: 1000})
		b[510], b[511] = 0x55, 0xaa
		return b
	}
	for _, test := range []struct {
		name string
		make func(b []byte)
		want string // of the error
		n    int    // partitions
	}{
		{"empty", func(b []byte) {}, "", 1},
		{"one", func(b []byte) { ebr(b, 100, Record{Type: 0x83, Start: 1, Sectors: 10}, Record{}) }, "", 2},
		{"to itself", func(b []byte) {
			ebr(b, 100, Record{Type: 0x83, Start: 1, Sectors: 10}, Record{Type: 5, Start: 0, Sectors: 10})
		}, "loops", 0},
		{"round", func(b []byte) {
			ebr(b, 100, Record{}, Record{Type: 5, Start: 20, Sectors: 10})
			ebr(b, 120, Record{}, Record{Type: 5, Start: 40, Sectors: 10})
			ebr(b, 140, Record{}, Record{Type: 5, Start: 20, Sectors: 10})
		}, "loops", 0},
		{"out", func(b []byte) { ebr(b, 100, Record{}, Record{Type: 5, Start: 1000, Sectors: 10}) }, "out of the extended", 0},
		{"unsigned", func(b []byte) { ebr(b, 100, Record{}, Record{Type: 5, Start: 20, Sectors: 10}) }, "55 aa", 0},
		{"long", func(b []byte) {
			for i := range 900 {
				ebr(b, 100+i, Record{}, Record{Type: 5, Start: uint32(i + 1), Sectors: 10})
			}
		}, "more than 256", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := base()
			test.make(b)
			got, err := Read(bytes.NewReader(b), 512)
			if test.want != "" {
				if format := (*FormatError)(nil); !errors.As(err, &format) || !strings.Contains(err.Error(), test.want) {
					t.Fatalf("error %v, want %q", err, test.want)
				}
				return
			}
			if err != nil || len(got.Partitions) != test.n {
				t.Errorf("%+v, %v; want %d partitions", got, err, test.n)
			}
		})
	}
}

func TestOverlapsAndHybridWarn(t *testing.T) {
	got := overlaps([]Partition{{Number: 3, Start: 50, Size: 10}, {Number: 1, Start: 0, Size: 100}, {Number: 2, Start: 100, Size: 5}})
	if diff := cmp.Diff([]string{"partitions 1 and 3 overlap"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	b := image(t, 512)
	encodeRecord(b, 1, Record{Type: 0x83, Start: 2048, Sectors: 100})
	table, err := Read(bytes.NewReader(b), 512)
	if err != nil || len(table.Warnings) != 1 || !strings.Contains(table.Warnings[0], "hybrid") {
		t.Errorf("warnings %v, %v", table, err)
	}
}

func TestGUID(t *testing.T) {
	const text = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
	for _, s := range []string{text, strings.ToLower(text), "{" + text + "}"} {
		if g, err := ParseGUID(s); err != nil || g.String() != text {
			t.Errorf("%s: %v, %v", s, g, err)
		}
	}
	if got := ESP[:4]; !bytes.Equal(got, []byte{0x28, 0x73, 0x2a, 0xc1}) {
		t.Errorf("stored as % x", got)
	}
	for _, s := range []string{"", "C12A7328", "C12A7328-F81F-11D2-BA4B-00A0C93EC93G", "C12A7328F81F-11D2-BA4B-00A0C93EC93B-"} {
		if _, err := ParseGUID(s); err == nil {
			t.Errorf("%q read", s)
		}
	}
}

func TestSetEntryRefuses(t *testing.T) {
	g, err := NewGPT(64*mib, 512, GUID{1}, []Entry{{Type: LinuxData, ID: GUID{2}, Size: 8 * mib}})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		e    Entry
		want string
	}{
		{"number", Entry{Number: 129, Type: ESP, Start: 20 * mib, Size: mib}, "1 to 128"},
		{"ragged", Entry{Number: 2, Type: ESP, Start: 20*mib + 1, Size: mib}, "whole sectors"},
		{"over", Entry{Number: 2, Type: ESP, Start: 8 * mib, Size: 2 * mib}, "overlaps partition 1"},
		{"table", Entry{Number: 2, Type: ESP, Start: 512, Size: 512}, "usable"},
		{"end", Entry{Number: 2, Type: ESP, Start: 63 * mib, Size: mib}, "usable"},
		{"name", Entry{Number: 2, Type: ESP, Start: 20 * mib, Size: mib, Name: strings.Repeat("n", 37)}, "36"},
	} {
		if err := g.SetEntry(test.e); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", test.name, err, test.want)
		}
	}
}

// FuzzRead wants no panic, no endless loop, and tables that encode to the
// bytes they came from.
func FuzzRead(f *testing.F) {
	for _, sector := range []int{512, 4096} {
		b := image(f, sector)
		f.Add(b[:24<<10], b[len(b)-20480:], sector == 4096)
	}
	m := make([]byte, 112*512)
	encodeRecord(m, 0, Record{Type: 0x0f, Start: 100, Sectors: 1000})
	m[510], m[511] = 0x55, 0xaa
	ebr(m, 100, Record{Type: 0x83, Start: 1, Sectors: 10}, Record{Type: 5, Start: 3, Sectors: 1})
	f.Add(m, []byte(nil), false)
	f.Fuzz(func(t *testing.T, head, tail []byte, big bool) {
		sector := 512
		if big {
			sector = 4096
		}
		if len(head) >= 2*sector && string(head[sector:sector+8]) == signature {
			// Without right CRCs nothing deep is ever reached.
			h := head[sector : 2*sector]
			le := binary.LittleEndian
			n := uint64(le.Uint32(h[80:])) * uint64(le.Uint32(h[84:]))
			if at := le.Uint64(h[72:]); at < 1<<20 && n < 1<<20 && at*uint64(sector)+n <= uint64(len(head)) {
				le.PutUint32(h[88:], crc32.ChecksumIEEE(head[at*uint64(sector):][:n]))
			}
			le.PutUint32(h[12:], 92)
			le.PutUint32(h[16:], headerCRC(h, 92))
		}
		Sniff(head)
		ReadHead(head, sector)
		all := append(bytes.Clone(head), tail...)
		DecodeBackup(bytes.NewReader(all), sector, int64(len(all)))
		table, err := Read(bytes.NewReader(all), sector)
		if err != nil {
			return
		}
		table.Summary()
		var pieces []Piece
		if table.GPT != nil {
			pieces = table.GPT.Pieces()[:2]
			array := table.GPT.Pieces()[2]
			array.Data = array.Data[:table.GPT.Header.arrayBytes()]
			pieces = append(pieces, array)
			table.GPT.MoveBackup(int64(len(all)))
			table.GPT.MoveBackup(1 << 45)
			table.GPT.Regions()
		}
		if table.MBR != nil {
			pieces = table.MBR.Pieces()
		}
		for _, p := range pieces {
			if !bytes.Equal(all[p.Off:][:len(p.Data)], p.Data) {
				t.Fatalf("piece at %d is not what was read", p.Off)
			}
		}
	})
}
