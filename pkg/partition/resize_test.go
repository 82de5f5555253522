package partition

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// spans are the partitions as "number: start+size" in MiB, or in bytes where
// they are not whole.
func spans(t *Table) []string {
	in := func(n int64) string {
		if n%mib == 0 {
			return fmt.Sprint(n / mib)
		}
		return fmt.Sprint(n, "B")
	}
	var list []string
	for _, p := range t.Partitions {
		list = append(list, fmt.Sprintf("%d: %s+%s", p.Number, in(p.Start), in(p.Size)))
	}
	return list
}

// made is a disk that fdisk partitioned, with boot code, and its table.
func made(t *testing.T, sector int, size int64, script string) (string, *Table) {
	t.Helper()
	path := disk(t, size)
	build(t, path, sector, script)
	f := open(t, path)
	if _, err := f.WriteAt(bytes.Repeat([]byte("boot"), 110), 0); err != nil {
		t.Fatal(err)
	}
	table, err := Read(f, sector)
	if err != nil {
		t.Fatal(err)
	}
	return path, table
}

// apply writes a table to a disk of another size, reads it again and lets the
// tools judge it. The new table must be what is read.
func apply(t *testing.T, path string, old, now *Table, size int64) {
	t.Helper()
	f := open(t, path)
	for _, r := range old.Regions() {
		f.WriteAt(make([]byte, r.Size), r.Offset)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	for _, p := range now.Pieces() {
		if p.Off+int64(len(p.Data)) > size {
			t.Fatalf("piece of %d bytes at %d is not on a disk of %d", len(p.Data), p.Off, size)
		}
		if _, err := f.WriteAt(p.Data, p.Off); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Read(f, now.SectorSize)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(spans(now), spans(got)); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(old.Pieces()[0].Data[:tableOff], got.Pieces()[0].Data[:tableOff]); diff != "" {
		t.Errorf("boot code changed:\n%s", diff)
	}
	// What another reader sees, libblkid, which udev asks.
	var want strings.Builder
	for _, p := range now.Partitions {
		fmt.Fprintln(&want, p.Number, p.Start/512, p.Size/512)
	}
	seen := tool(t, "", "partx", "--raw", "--noheadings", "--sector-size", fmt.Sprint(now.SectorSize), "--output", "NR,START,SECTORS", path)
	if diff := cmp.Diff(want.String(), seen); diff != "" {
		t.Errorf("partx (-want +got):\n%s", diff)
	}
	if now.GPT != nil {
		if got.End != size/int64(now.SectorSize)*int64(now.SectorSize) {
			t.Errorf("end %d on a disk of %d", got.End, size)
		}
		backup, err := DecodeBackup(f, now.SectorSize, size)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(got.Pieces(), backup.Pieces()); diff != "" {
			t.Errorf("backup (-primary +backup):\n%s", diff)
		}
		verify(t, path, now.SectorSize)
		return
	}
	for _, p := range now.MBR.places() {
		for _, e := range now.MBR.Chain {
			// The link to a logical partition covers its record and itself.
			link, ok := e.link()
			if own := e.Base + int64(link.Start); ok && p.ebr >= 0 && now.MBR.Chain[p.ebr].LBA == own {
				if got, want := own+int64(link.Sectors), p.base+int64(p.record().Start)+int64(p.record().Sectors); got != want {
					t.Errorf("the link to partition %d covers up to LBA %d, want %d", p.number, got, want)
				}
			}
		}
	}
	if out := fdisk(t, path, now.SectorSize, "v\nq\n"); !strings.Contains(out, "No errors detected") {
		t.Errorf("fdisk finds fault:\n%s", out)
	}
}

// untouched checks that of two tables' pieces only so many bytes differ.
func untouched(t *testing.T, before, after *Table, most int) {
	t.Helper()
	n := 0
	for i, p := range before.Pieces() {
		for j, b := range after.Pieces()[i].Data {
			if b != p.Data[j] {
				n++
			}
		}
	}
	if n > most {
		t.Errorf("%d bytes of the table changed, at most %d are to", n, most)
	}
}

const dosScript = `label: dos
label-id: 0xdeadbeef
start=%d, size=%d, type=83, bootable
start=%d, size=%d, type=5
start=%d, size=%d, type=82
start=%d, size=%d, type=83
`

func TestFit(t *testing.T) {
	for _, sector := range []int{512, 4096} {
		n := mib / sector
		gpt := fmt.Sprintf(gptScript, n, 16*n, 40*n)                                // 1: 1+16, 2: 17+40
		dos := fmt.Sprintf(dosScript, n, 10*n, 11*n, 100*n, 12*n, 20*n, 40*n, 71*n) // 1: 1+10, 2: 11+100, 5: 12+20, 6: 40+71
		plain := fmt.Sprintf("label: dos\nstart=%d, size=%d, type=83\nstart=%d, size=%d, type=7\n", n, 10*n, 50*n, 50*n)
		for _, test := range []struct {
			name, script string
			from, to     int64
			needed       map[int]int64
			want         []string
			bytes        int // of the table that may change
		}{
			{"gpt larger", gpt, 64 * mib, 100*mib + 4096, nil, []string{"1: 1+16", "2: 17+40"}, 200},
			{"gpt same", gpt, 64 * mib, 64 * mib, nil, []string{"1: 1+16", "2: 17+40"}, 0},
			{"gpt smaller", gpt, 64 * mib, 58 * mib, nil, []string{"1: 1+16", "2: 17+40"}, 200},
			{"gpt cut", gpt, 64 * mib, 40 * mib, map[int]int64{2: 20 * mib}, []string{"1: 1+16", "2: 17+22"}, 200},
			{"gpt cut to a sector", gpt, 64 * mib, 40 * mib, map[int]int64{2: 22*mib + 1}, nil, 200},
			{"mbr larger", dos, 128 * mib, 200 * mib, nil, []string{"1: 1+10", "2: 11+100", "5: 12+20", "6: 40+71"}, 0},
			{"mbr cut logical", dos, 128 * mib, 80*mib + 4096, map[int]int64{6: 30 * mib}, []string{"1: 1+10", "2: 11+69", "5: 12+20", "6: 40+40"}, 30},
			{"mbr cut primary", plain, 128 * mib, 70 * mib, map[int]int64{2: 20 * mib}, []string{"1: 1+10", "2: 50+20"}, 7},
		} {
			t.Run(fmt.Sprint(test.name, " ", sector), func(t *testing.T) {
				path, old := made(t, sector, test.from, test.script)
				now, err := old.Fit(test.to, test.needed)
				if err != nil {
					t.Fatal(err)
				}
				if test.want == nil { // no whole MiB is left
					end := now.GPT.Header.LastUsable + 1
					test.want = []string{"1: 1+16", fmt.Sprintf("2: 17+%dB", end*int64(sector)-17*mib)}
				}
				if diff := cmp.Diff(test.want, spans(now)); diff != "" {
					t.Errorf("partitions (-want +got):\n%s", diff)
				}
				untouched(t, old, now, test.bytes)
				apply(t, path, old, now, test.to)
			})
		}
	}
}

func TestFitTooSmall(t *testing.T) {
	gpt, err := NewGPT(2048*mib, 512, GUID{1}, []Entry{
		{Type: ESP, ID: GUID{2}, Size: 64 * mib},
		{Type: LinuxRoot, ID: GUID{3}, Size: 1400 * mib, Name: "root"},
		{Type: LinuxData, ID: GUID{4}, Start: 1500 * mib, Size: 500 * mib},
	})
	if err != nil {
		t.Fatal(err)
	}
	m := &MBR{SectorSize: 512, Boot: make([]byte, 512)}
	m.Boot[510], m.Boot[511] = 0x55, 0xaa
	m.SetRecord(1, Record{Type: 0x83, Start: 2048, Sectors: 20 * 2048})
	m.SetRecord(2, Record{Type: 0x0f, Start: 40 * 2048, Sectors: 60 * 2048})
	e := EBR{LBA: 40 * 2048, Base: 40 * 2048, Sector: make([]byte, 512)}
	encodeRecord(e.Sector, 0, Record{Type: 0x83, Start: 2048, Sectors: 59 * 2048})
	m.Chain = []EBR{e}
	for _, test := range []struct {
		name   string
		table  *Table
		disk   int64
		needed map[int]int64
		want   string
		number int
	}{
		{"cut", gpt.Table(), 1200 * mib, map[int]int64{2: 1200 * mib, 3: 0},
			"partition 2 (root) begins at 65 MiB and needs 1.2 GiB, the disk has room up to 1.2 GiB: 65 MiB are missing", 2},
		{"whole", gpt.Table(), 1200 * mib, nil, "partition 2 (root) begins at 65 MiB and needs 1.4 GiB", 2},
		{"behind", gpt.Table(), 1490 * mib, map[int]int64{3: 0}, "partition 3 (Linux) begins at 1.5 GiB, the disk has room up to 1.5 GiB", 3},
		{"no table", gpt.Table(), 17 * 1024, nil, "a disk of 17 KiB has no room for the table", 0},
		{"nothing", gpt.Table(), 0, nil, "a disk of 0 B has no room for the table", 0},
		{"less than nothing", gpt.Table(), -1, nil, "no room for the table", 0},
		{"primary", m.Table(), 20 * mib, map[int]int64{1: 20 * mib}, "partition 1 (Linux) begins at 1.0 MiB and needs 20 MiB", 1},
		{"logical", m.Table(), 90 * mib, map[int]int64{2: mib}, "partition 5 (Linux) begins at 41 MiB and needs 59 MiB", 5},
		{"container", m.Table(), 40 * mib, map[int]int64{2: 0}, "partition 5 (Linux) begins at 41 MiB, the disk has room up to 40 MiB", 5},
		{"mbr on nothing", m.Table(), 511, nil, "no room for the table", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := test.table.Pieces()
			_, err := test.table.Fit(test.disk, test.needed)
			var fit *FitError
			if !errors.As(err, &fit) || !strings.Contains(err.Error(), test.want) || fit.Number != test.number {
				t.Errorf("error %v, want %q of partition %d", err, test.want, test.number)
			}
			if diff := cmp.Diff(before, test.table.Pieces()); diff != "" {
				t.Errorf("the table changed:\n%s", diff)
			}
		})
	}
	head := &Table{Scheme: SchemeGPT, Incomplete: true, SectorSize: 512, GPT: &GPT{SectorSize: 512}}
	if _, err := head.Fit(mib, nil); !errors.Is(err, errIncomplete) {
		t.Errorf("head of a table: error %v", err)
	}
	none := &Table{Scheme: SchemeNone, SectorSize: 512}
	if got, err := none.Fit(mib, nil); err != nil || got.Scheme != SchemeNone || got.Pieces() != nil {
		t.Errorf("no table: %+v, %v", got, err)
	}
}

func TestGrow(t *testing.T) {
	for _, sector := range []int{512, 4096} {
		n := mib / sector
		gpt := fmt.Sprintf(gptScript, n, 16*n, 20*n) // 1: 1+16, 2: 17+20
		gap := fmt.Sprintf("label: gpt\nstart=%d, size=%d\nstart=%d, size=%d\n", 30*n, 4*n, n, 5*n)
		dos := fmt.Sprintf(dosScript, n, 8*n, 11*n, 60*n, 12*n, 20*n, 40*n, 10*n) // 1: 1+8, 2: 11+60, 5: 12+20, 6: 40+10
		plain := fmt.Sprintf("label: dos\nstart=%d, size=%d, type=83\nstart=%d, size=%d, type=7\n", n, 10*n, 50*n, 20*n)
		for _, test := range []struct {
			name, script string
			to           int64
			number       int
			want         []string
		}{
			{"gpt last", gpt, 200*mib + 512*8, 0, []string{"1: 1+16", "2: 17+182"}},
			{"gpt by number", gpt, 200 * mib, 2, []string{"1: 1+16", "2: 17+182"}},
			{"gpt no room", gpt, 200 * mib, 1, []string{"1: 1+16", "2: 17+20"}},
			{"gpt up to the next", gap, 200 * mib, 2, []string{"1: 30+4", "2: 1+29"}},
			{"gpt last by place", gap, 100 * mib, 0, []string{"1: 30+69", "2: 1+5"}},
			{"mbr primary", plain, 200 * mib, 0, []string{"1: 1+10", "2: 50+150"}},
			{"mbr up to the next", plain, 200 * mib, 1, []string{"1: 1+49", "2: 50+20"}},
			{"mbr up to the extended", dos, 200 * mib, 1, []string{"1: 1+10", "2: 11+60", "5: 12+20", "6: 40+10"}},
			{"mbr last logical", dos, 200*mib + 4096, 0, []string{"1: 1+8", "2: 11+189", "5: 12+20", "6: 40+160"}},
			{"mbr logical up to the next", dos, 200 * mib, 5, []string{"1: 1+8", "2: 11+60", "5: 12+%", "6: 40+10"}},
			{"mbr extended", dos, 200 * mib, 2, []string{"1: 1+8", "2: 11+189", "5: 12+20", "6: 40+10"}},
		} {
			t.Run(fmt.Sprint(test.name, " ", sector), func(t *testing.T) {
				path, old := made(t, sector, 128*mib, test.script)
				now, err := old.Grow(test.number, test.to)
				if err != nil {
					t.Fatal(err)
				}
				// fdisk puts the boot record of a logical partition where it
				// likes: the one before it grows up to that.
				for i, w := range test.want {
					if strings.Contains(w, "%") {
						end := old.MBR.Chain[1].LBA * int64(sector) / mib
						test.want[i] = strings.Replace(w, "%", fmt.Sprint(end-12), 1)
					}
				}
				if diff := cmp.Diff(test.want, spans(now)); diff != "" {
					t.Errorf("partitions (-want +got):\n%s", diff)
				}
				untouched(t, old, now, 200)
				apply(t, path, old, now, test.to)
				again, err := now.Grow(test.number, test.to)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(now.Pieces(), again.Pieces()); diff != "" {
					t.Errorf("growing again changes something:\n%s", diff)
				}
			})
		}
	}
}

func TestGrowRefuses(t *testing.T) {
	g, err := NewGPT(64*mib, 512, GUID{1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Table().Grow(0, 64*mib); err == nil || !strings.Contains(err.Error(), "has none") {
		t.Errorf("error %v", err)
	}
	if _, err := g.Table().Grow(3, 64*mib); err == nil || !strings.Contains(err.Error(), "no partition 3") {
		t.Errorf("error %v", err)
	}
	if err := g.SetEntry(Entry{Number: 1, Type: LinuxData, ID: GUID{2}, Start: mib, Size: 60 * mib}); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Table().Grow(1, 32*mib); !errors.As(err, new(*FitError)) {
		t.Errorf("error %v", err)
	}
}

// TestGrowMBRLimit: an MBR counts sectors in 32 bits.
func TestGrowMBRLimit(t *testing.T) {
	m := &MBR{SectorSize: 512, Boot: make([]byte, 512)}
	m.SetRecord(1, Record{Type: 0x83, Start: 2048, Sectors: 2048})
	now, err := m.Table().Grow(1, 16<<40)
	if err != nil {
		t.Fatal(err)
	}
	if p, _ := now.Partition(1); p.End() != 2<<40-mib {
		t.Errorf("ends at %d, want the last MiB below 2 TiB", p.End())
	}
}

// TestResizeKeepsUnknown fills what no version of the format defines, and
// expects it after a change, with right CRCs.
func TestResizeKeepsUnknown(t *testing.T) {
	b := image(t, 512)
	le := binary.LittleEndian
	le.PutUint32(b[512+80:], 64) // 64 entries of 256 bytes: the same array
	le.PutUint32(b[512+84:], 256)
	copy(b[1024+128:1024+256], bytes.Repeat([]byte("tail"), 32))
	copy(b[512+92:1024], bytes.Repeat([]byte("rest"), 105))
	b[512+20] = 0x77
	le.PutUint64(b[1024+48:], 1<<60|1)
	reseal(b)
	old, err := Read(bytes.NewReader(b), 512)
	if err != nil {
		t.Fatal(err)
	}
	now, err := old.Grow(1, 4*mib)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"1: 1+2"}, spans(now)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	copies := bytes.Clone(b)
	for _, p := range now.Pieces() {
		copy(copies[p.Off:], p.Data)
	}
	if _, err := Read(bytes.NewReader(copies), 512); err != nil {
		t.Fatal(err)
	}
	changed := map[string]bool{}
	for i := range b[:20<<10] {
		if b[i] == copies[i] {
			continue
		}
		switch {
		case i >= 1024+40 && i < 1024+48:
			changed["last lba"] = true
		case i >= 512+16 && i < 512+20, i >= 512+88 && i < 512+92:
			changed["crc"] = true
		default:
			t.Errorf("byte %d changed", i)
		}
	}
	if len(changed) != 2 {
		t.Errorf("changed %v", changed)
	}
}

// TestResizeHybrid: the MBR's idea of a partition follows that of the GPT.
func TestResizeHybrid(t *testing.T) {
	path := disk(t, 64*mib)
	tool(t, "", "sgdisk", "-n", "1:2048:+8M", "-n", "2:40960:+16M", "-h", "2", path)
	f := open(t, path)
	old, err := Read(f, 512)
	if err != nil {
		t.Fatal(err)
	}
	if !isHybrid(old.GPT.Boot) {
		t.Fatal("sgdisk made no hybrid MBR")
	}
	now, err := old.Grow(2, 100*mib)
	if err != nil {
		t.Fatal(err)
	}
	p, _ := now.Partition(2)
	found := false
	for i := range 4 {
		r := decodeRecord(now.GPT.Boot, i)
		found = found || r.Type != typeProtective && int64(r.Start)*512 == p.Start && int64(r.Sectors)*512 == p.Size
	}
	if !found || p.Size != 79*mib {
		t.Errorf("partition 2 has %d bytes, hybrid MBR % x", p.Size, now.GPT.Boot[tableOff:])
	}
	apply(t, path, old, now, 100*mib)
}

// FuzzResize takes tables with anything in them to disks of any size.
func FuzzResize(f *testing.F) {
	b := image(f, 512)
	binary.LittleEndian.PutUint32(b[512+80:], 4) // entries
	reseal(b)
	f.Add(b[:1536], int64(2*mib), int64(mib/2), 1)
	f.Add(b[:1536], int64(2*mib), int64(math.MaxInt64), 0)
	m := make([]byte, 112*512)
	encodeRecord(m, 0, Record{Type: 0x83, Start: 1, Sectors: 50})
	encodeRecord(m, 1, Record{Type: 0x0f, Start: 100, Sectors: 1000})
	m[510], m[511] = 0x55, 0xaa
	ebr(m, 100, Record{Type: 0x83, Start: 1, Sectors: 10}, Record{Type: 5, Start: 3, Sectors: 8})
	ebr(m, 103, Record{Type: 0x83, Start: 1, Sectors: 7}, Record{})
	f.Add(m, int64(108*512), int64(512), 6)
	f.Add(m, int64(1<<42), int64(512), 5)
	f.Fuzz(func(t *testing.T, head []byte, size, need int64, number int) {
		if len(head) > 1<<20 {
			return
		}
		if len(head) >= 1024 && string(head[512:520]) == signature {
			le := binary.LittleEndian
			if n := uint64(le.Uint32(head[592:])) * uint64(le.Uint32(head[596:])); le.Uint64(head[584:]) == 2 && n <= uint64(len(head)-1024) {
				le.PutUint32(head[600:], crc32.ChecksumIEEE(head[1024:][:n]))
			}
			le.PutUint32(head[524:], 92)
			le.PutUint32(head[528:], headerCRC(head[512:1024], 92))
		}
		old, err := Read(bytes.NewReader(head), 512)
		if err != nil {
			return
		}
		before := old.Pieces()
		needed := map[int]int64{number: need}
		for _, p := range old.Partitions {
			needed[p.Number] = need
		}
		now, err := old.Fit(size, needed)
		if err == nil {
			sound(t, old, now, size)
			if grown, err := now.Grow(number, size); err == nil {
				sound(t, now, grown, size)
			}
		}
		for i, p := range old.Pieces() {
			if p.Off != before[i].Off || !bytes.Equal(p.Data, before[i].Data) {
				t.Fatalf("piece %d of the table changed", i)
			}
		}
	})
}

// sound checks what holds for every change of a table.
func sound(t *testing.T, old, now *Table, size int64) {
	t.Helper()
	same := now.GPT != nil && old.End == size // may have been odd before
	for i, p := range now.Partitions {
		o := old.Partitions[i]
		if p.Start != o.Start || p.Number != o.Number || p.Size <= 0 {
			t.Fatalf("partition %+v was %+v", p, o)
		}
		if p.End() > size && !same {
			t.Fatalf("partition %d ends at %d on a disk of %d", p.Number, p.End(), size)
		}
	}
	for _, p := range now.Pieces() {
		if end := p.Off + int64(len(p.Data)); (p.Off < 0 || end > size) && !same {
			t.Fatalf("piece from %d to %d on a disk of %d", p.Off, end, size)
		}
	}
	if fresh := slices.Compare(spans(now), spans(now.refreshed())); fresh != 0 {
		t.Fatalf("the values are not those of the bytes")
	}
}

func (t *Table) refreshed() *Table {
	if t.Scheme == SchemeNone {
		return t
	}
	return t.refresh()
}
