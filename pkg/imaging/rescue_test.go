package imaging

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/partition"
)

// badReads fails reads that touch a set of bytes, with EIO.
func badReads(bad extent.Set) func(string, int64, int64) error {
	return func(op string, off, n int64) error {
		if op == "read" && bad.Overlaps(extent.Range{Off: off, End: off + n}) {
			return syscall.EIO
		}
		return nil
	}
}

// rescued saves a disk with bad places.
func rescued(t testing.TB, disk []byte, fail func(string, int64, int64) error, o SaveOptions) (img string, r *Receipt, told *notes, err error) {
	t.Helper()
	m, s := memory(disk)
	m.fail = fail
	told = &notes{}
	img = filepath.Join(t.TempDir(), "x.img.zst")
	o.Disk, o.Dest, o.Events, o.seam = store(t, "disk", disk), img, told.sink, s
	r, err = Save(t.Context(), o)
	return img, r, told, err
}

// A disk that fails now and then is read again; one that fails for good is an
// error that tells where.
func TestReadErrors(t *testing.T) {
	disk := gptImage(t, size, 512)
	var tries atomic.Int32
	flaky := func(op string, off, n int64) error {
		if at := int64(6*mib + 512*5); op == "read" && off <= at && at < off+n && tries.Add(1) <= 2 {
			return syscall.EIO
		}
		return nil
	}
	img, _, told, err := rescued(t, disk, flaky, SaveOptions{})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "image", unpack(t, bytesOf(t, img)), disk)
	told.has(t, 1, "reading it in pieces")
	if notes := indexOf(t, img).Meta.Notes; len(notes) > 2 || strings.Contains(strings.Join(notes, ""), "could not be read") {
		t.Errorf("the image tells of it: %q", notes)
	}

	bad := badReads(extent.NewSet(extent.Range{Off: 6*mib + 512*5, End: 6*mib + 512*6}))
	for _, part := range []int{0, 2} {
		img, _, _, err = rescued(t, disk, bad, SaveOptions{Partition: part})
		want := fmt.Sprintf("at 6.0 MiB (byte %d), %d times: input/output error", 6*mib+512*5, readTries)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "--rescue") || !errors.Is(err, syscall.EIO) {
			t.Errorf("error is %v, want it to tell %s", err, want)
		}
		if left, _ := filepath.Glob(filepath.Dir(img) + "/*"); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
	if _, _, _, err = rescued(t, disk, bad, SaveOptions{Format: RawZstd}); err == nil || !errors.Is(err, syscall.EIO) {
		t.Errorf("raw: %v", err)
	}
}

// Whoever reads the disk reads again where it fails: for its table, for what is
// in use, and to copy all of it.
func TestReadAgain(t *testing.T) {
	disk := gptImage(t, size, 512)
	for _, o := range []SaveOptions{{}, {Rescue: true}, {Partition: 2}, {Format: Raw}, {Format: RawZstd}, {Format: Raw, Partition: 2}} {
		_, plain, _, err := rescued(t, disk, nil, o)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []int64{520, 1030, 6*mib + 512*5} { // header, entries, data
			var tries atomic.Int32
			img, r, told, err := rescued(t, disk, func(op string, off, n int64) error {
				if op == "read" && off <= at && at < off+n && tries.Add(1) <= 2 {
					return syscall.EIO
				}
				return nil
			}, o)
			if err != nil {
				t.Fatalf("%+v: byte %d fails twice: %v", o, at, err)
			}
			told.has(t, 1, "reading it in pieces")
			if r.Table != plain.Table || r.Used != plain.Used || strings.Join(r.Notes, "") != strings.Join(plain.Notes, "") {
				t.Errorf("%+v: byte %d fails twice: %+v, else %+v", o, at, r, plain)
			}
			want := disk
			if o.Partition > 0 {
				p := partitionOf(t, store(t, "disk", disk), 512, o.Partition)
				want = disk[p.Start:p.End()]
			}
			same(t, "image", unpack(t, bytesOf(t, img)), want)
		}
	}
	bad := badReads(extent.NewSet(extent.Range{Off: 6 * mib, End: 6*mib + 512}))
	_, _, _, err := rescued(t, disk, bad, SaveOptions{Format: Raw})
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("(byte %d), %d times: input/output error", 6*mib, readTries)) || !strings.Contains(err.Error(), "--rescue with the format orbit") {
		t.Errorf("error is %v", err)
	}
}

// With Rescue all is saved that can be read, and the image tells what could not.
func TestRescue(t *testing.T) {
	disk := gptImage(t, size, 512)
	bad := extent.NewSet(
		extent.Range{Off: 6*mib + 512*5, End: 6*mib + 512*7},
		extent.Range{Off: 8*mib - 512, End: 8*mib + 512}, // in two spans
		extent.Range{Off: 9 * mib, End: 10 * mib},
	)
	for _, part := range []int{0, 2} {
		p := extent.Range{End: size}
		if part > 0 {
			entry := partitionOf(t, store(t, "disk", disk), 512, part)
			p = extent.Range{Off: entry.Start, End: entry.End()}
		}
		img, r, _, err := rescued(t, disk, badReads(bad), SaveOptions{Rescue: true, Partition: part})
		if err != nil {
			t.Fatal(err)
		}
		x := indexOf(t, img)
		here := bad.Intersect(extent.NewSet(p))
		lost := extent.NewSet(p).Subtract(x.Used.Shift(p.Off))
		if !lost.Equal(here) || r.Used != p.Len()-here.Len() {
			t.Errorf("partition %d: not in use are %v, want %v; receipt has %d", part, lost.Ranges(), here.Ranges(), r.Used)
		}
		all := strings.Join(x.Meta.Notes, "\n")
		for _, want := range []string{
			fmt.Sprintf("1.0 KiB of the disk at 6.0 MiB (bytes %d to %d) could not be read", 6*mib+512*5, 6*mib+512*7-1),
			fmt.Sprintf("bytes %d to %d", 8*mib-512, 8*mib-1), fmt.Sprintf("bytes %d to %d", 8*mib, 8*mib+511), fmt.Sprintf("bytes %d to %d", 9*mib, 10*mib-1),
		} {
			if !strings.Contains(all, want) {
				t.Errorf("partition %d: no note tells %q:\n%s", part, want, all)
			}
		}
		want := bytes.Clone(disk)
		for b := range bad.All() {
			clear(want[b.Off:b.End])
		}
		same(t, "image", unpack(t, bytesOf(t, img)), want[p.Off:p.End])

		dest := store(t, "dest", content(3, size))
		for i := range 2 {
			w, err := write1(t, WriteOptions{Source: img, Disk: dest, Verify: VerifyDisk})
			if err != nil || i == 1 && w.Written > 0 {
				t.Fatalf("writing it: %v, %v", w, err)
			}
		}
	}
}

// More places are lost than a description has room for.
func TestRescueManyPlaces(t *testing.T) {
	disk := gptImage(t, size, 512)
	var bad extent.Set
	for off := int64(5 * mib); off < 7*mib; off += 1024 {
		bad.Add(extent.Range{Off: off, End: off + 512})
	}
	img, r, _, err := rescued(t, disk, badReads(bad), SaveOptions{Rescue: true})
	if err != nil {
		t.Fatal(err)
	}
	x := indexOf(t, img)
	if !x.Used.Equal(extent.NewSet(extent.Range{End: size}).Subtract(bad)) || r.Used != size-bad.Len() {
		t.Errorf("%d bytes are in use, %d could not be read", x.Used.Len(), bad.Len())
	}
	last := x.Meta.Notes[len(x.Meta.Notes)-1]
	if want := fmt.Sprintf("%d more places could not be read, 1.0 MiB of the disk in all", bad.Count()-lossNotes); last != want {
		t.Errorf("the last note is %q, want %q", last, want)
	}
}

// Where even the table cannot be read the disk is saved whole.
func TestRescueWithoutTable(t *testing.T) {
	disk := gptImage(t, size, 512)
	bad := badReads(extent.NewSet(extent.Range{End: 512}))
	_, _, _, err := rescued(t, disk, bad, SaveOptions{})
	refused(t, err, "input/output error")
	img, _, told, err := rescued(t, disk, bad, SaveOptions{Rescue: true})
	if err != nil {
		t.Fatal(err)
	}
	told.has(t, 1, "saved whole")
	clear(disk[:512])
	same(t, "image", unpack(t, bytesOf(t, img)), disk)
}

// What the disk cannot read when it is compared is written anew, which mends it.
func TestCompareErrors(t *testing.T) {
	disk, used := plainDisk(t)
	m, s := memory(disk)
	bad := extent.NewSet(extent.Range{Off: 5*mib + 4096, End: 5*mib + 4608}, extent.Range{Off: 7*mib + 512, End: 7*mib + 1024})
	var mu sync.Mutex
	m.fail = func(op string, off, n int64) error {
		mu.Lock()
		defer mu.Unlock()
		r := extent.Range{Off: off, End: off + n}
		if op != "read" {
			bad.Remove(r)
		} else if bad.Overlaps(r) {
			return syscall.EIO
		}
		return nil
	}
	var told notes
	r, err := write1(t, WriteOptions{Source: store(t, "x.img.zst", orbitImage(t, disk, used, 512)), Disk: store(t, "disk", disk), FileSize: size,
		Verify: VerifyDisk, Events: told.sink, seam: s})
	if err != nil {
		t.Fatal(err)
	}
	told.has(t, 2, "writing it anew")
	if r.Written < 2*mib || r.Written > 4*mib {
		t.Errorf("%d bytes were written", r.Written)
	}
	for u := range used.All() {
		same(t, "disk", m.data[u.Off:u.End], disk[u.Off:u.End])
	}
}

// A sector cannot be written: the error tells which bytes, and no table is left.
func TestWriteErrors(t *testing.T) {
	disk, used := plainDisk(t)
	orbit := store(t, "x.img.zst", orbitImage(t, disk, used, 512))
	raw := store(t, "raw", disk)
	for _, c := range []struct {
		name, source string
		at           int64
		ops          []string
		want         string
	}{
		{"image", orbit, 5*mib + 1024, []string{"write", "zero"}, fmt.Sprintf("write bytes %d to ", 5*mib)},
		{"image zeros", orbit, 7*mib + 1024, []string{"write", "zero"}, fmt.Sprintf("write bytes %d to ", 7*mib)},
		{"stream", raw, 5*mib + 1024, []string{"write", "zero"}, "write bytes "},
		{"wiping", orbit, 4096, []string{"zero"}, "clear the old partition table"},
		{"wiping the end", orbit, size - 512, []string{"zero"}, "clear the old partition table"},
		{"table", orbit, 4096, []string{"write"}, "write the partition table"},
		{"first sector", orbit, 0, []string{"write"}, "write the partition table"},
		{"backup table", orbit, size - 512, []string{"write"}, "write the partition table"},
	} {
		t.Run(c.name, func(t *testing.T) {
			old := bytesOf(t, noise(t, size))
			copy(old, gptImage(t, size, 512)[:mib])
			copy(old[size-mib:], gptImage(t, size, 512)[size-mib:])
			path := store(t, "disk", old)
			if c.source == raw {
				clear(old)
				path = filepath.Join(t.TempDir(), "disk")
			}
			m, s := memory(old)
			m.fail = badAt(c.at, c.at+512, c.ops...)
			_, err := write1(t, WriteOptions{Source: c.source, Disk: path, FileSize: size, seam: s})
			broke(t, err, c.want)
			if !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "input/output error (disk failing? see dmesg)") {
				t.Errorf("the error does not tell of the disk: %v", err)
			}
			if c.source == raw {
				if len(m.data) > 0 {
					t.Error("the file is not empty")
				}
				return
			}
			table, err := partition.Read(bytes.NewReader(m.data), 512)
			if err != nil || table.Scheme != partition.SchemeNone {
				t.Errorf("there is a table: %+v, %v", table, err)
			}
			if _, err := partition.DecodeBackup(bytes.NewReader(m.data), 512, size); err == nil && c.at < size-mib {
				t.Error("there is a backup table")
			}
		})
	}
}
