package imaging

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/stream"
)

// What becomes of the space that an image does not use, on a disk that is larger.
func TestUnused(t *testing.T) {
	disk, used := plainDisk(t)
	used.Remove(extent.Range{Off: 9 * mib, End: 10 * mib})
	used.Add(extent.Range{Off: 9*mib + 77, End: 9*mib + 70000}) // not in sectors
	img := store(t, "x.img.zst", orbitImage(t, disk, used, 512))
	old := bytesOf(t, noise(t, 2*size))
	table := extent.NewSet(extent.Range{End: headSize}, extent.Range{Off: size - mib, End: size}, extent.Range{Off: 2*size - mib, End: 2 * size})
	rest := used.Union(table).Complement(extent.Range{End: 2 * size})
	for _, unused := range []Unused{Keep, Discard, Zero} {
		m, s := memory(old)
		for i := range 2 {
			m.log = nil
			r, err := write1(t, WriteOptions{Source: img, Disk: store(t, "disk", m.data), FileSize: 2 * size, Unused: unused, seam: s})
			if err != nil {
				t.Fatal(err)
			}
			if i == 1 && (r.Written != 0 || m.touched().Overlaps(extent.Range{End: headSize})) {
				t.Errorf("%s: the second time %d bytes were written, and %v touched", unused, r.Written, m.touched().Ranges())
			}
			for u := range used.Subtract(table).All() {
				same(t, string(unused), m.data[u.Off:u.End], disk[u.Off:u.End])
			}
			kept, marks := 0, (&target{}).marks(2*size)
			for u := range rest.Subtract(marks).All() {
				switch {
				case unused == Zero && !isZeroAll(m.data[u.Off:u.End]):
					t.Fatalf("%v is not zeros", u)
				case bytes.Equal(m.data[u.Off:u.End], old[u.Off:u.End]):
					kept++
				}
			}
			if n := rest.Subtract(marks).Count(); unused == Discard && kept > n/8 || unused == Keep && kept < n/2 {
				t.Errorf("%s: %d of %d unused ranges are as they were", unused, kept, n)
			}
		}
	}
}

// A real disk takes discards.
func TestDiscard(t *testing.T) {
	disk, used := plainDisk(t)
	dev := otherLife(t, size, 512)
	var told notes
	_, err := write1(t, WriteOptions{Source: store(t, "x.img.zst", orbitImage(t, disk, used, 512)), Disk: dev, Unused: Discard, Events: told.sink})
	if err != nil {
		t.Fatal(err)
	}
	holdsImage(t, dev, disk, used)
	told.has(t, 1, "of unused space discarded")
	got := bytesOf(t, dev)
	for r := range used.Complement(extent.Range{Off: mib, End: size - mib}).All() {
		if in := (extent.Range{Off: (r.Off + 4095) &^ 4095, End: r.End &^ 4095}); !in.Empty() && !isZeroAll(got[in.Off:in.End]) {
			t.Fatalf("%v was not discarded", r)
		}
	}
}

// A disk that cannot discard keeps what it has, with one note.
func TestNoDiscard(t *testing.T) {
	disk, used := plainDisk(t)
	m, s := memory(disk)
	refuses := func(d device) device { return noDiscard{s(d)} }
	var told notes
	_, err := write1(t, WriteOptions{Source: store(t, "x.img.zst", orbitImage(t, disk, used, 512)), Disk: store(t, "disk", disk), FileSize: size,
		Unused: Discard, Events: told.sink, seam: refuses})
	if err != nil {
		t.Fatal(err)
	}
	told.has(t, 1, "does not take discards")
	same(t, "disk", m.data, disk)
}

type noDiscard struct{ device }

func (noDiscard) Discard(int64, int64) error { return errors.ErrUnsupported }

// A disk does not do what it says: reading back finds it, and writes again
// what can be had again.
func TestReadBack(t *testing.T) {
	disk, used := plainDisk(t)
	raw := store(t, "raw", disk)
	orbit := store(t, "x.img.zst", orbitImage(t, disk, used, 512))
	packed := store(t, "raw.zst", compress(t, stream.Zstd, disk))
	qcow := virtualDisk(t, raw, "x.qcow2")
	for _, c := range []struct {
		name   string
		source string
		at     int64 // where it goes wrong
		times  int   // how often
		want   bool  // it goes well
	}{
		{"image once", orbit, 5*mib + 700, 1, true},
		{"image twice", orbit, 5*mib + 700, 2, true},
		{"image always", orbit, 5*mib + 700, 99, false},
		{"image zeros", orbit, 7*mib + 700, 1, true},
		{"image zeros always", orbit, 7*mib + 700, 99, false},
		{"image table", orbit, 300, 99, false},
		{"stream", packed, 5*mib + 700, 1, false},
		{"stream good", packed, 0, 0, true},
		{"stream table", packed, 300, 99, false},
		{"raw", raw, 5*mib + 9, 1, false},
		{"qcow2 once", qcow, 5*mib + 700, 1, true},
		{"qcow2 twice", qcow, 5*mib + 700, 2, true},
		{"qcow2 always", qcow, 5*mib + 700, 99, false},
		{"qcow2 zeros", qcow, 7*mib + 700, 1, true},
		{"qcow2 zeros always", qcow, 7*mib + 700, 99, false},
		{"qcow2 table", qcow, 300, 99, false},
		{"qcow2 good", qcow, 0, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			old := bytesOf(t, noise(t, size))
			if c.source == packed || c.source == raw {
				old = make([]byte, size) // a file for a stream is emptied first
			}
			m, s := memory(old)
			m.lie = func(o diskOp) diskOp {
				if o.off <= c.at && c.at < o.off+o.n && c.times > 0 && (o.data != nil || c.at > headSize) {
					c.times--
					if o.data == nil {
						o.data = make([]byte, o.n)
					}
					o.data = bytes.Clone(o.data)
					o.data[c.at-o.off] ^= 0x20
				}
				return o
			}
			path := filepath.Join(t.TempDir(), "disk")
			if c.source == orbit || c.source == qcow {
				path = store(t, "disk", old)
			}
			_, err := write1(t, WriteOptions{Source: c.source, Disk: path, FileSize: size, Verify: VerifyDisk, seam: s})
			if !c.want {
				broke(t, err, "are not what was written")
				var back *ReadBackError
				if !errors.As(err, &back) || back.Spans[0] != c.at/image.Span {
					t.Errorf("%v, want span %d", err, c.at/image.Span)
				}
				if len(m.data) >= headSize && !isZeroAll(m.data[:512]) && c.at > 512 {
					t.Error("there is a table")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for u := range used.All() {
				same(t, "disk", m.data[u.Off:u.End], disk[u.Off:u.End])
			}
		})
	}
}

// A disk that holds the image is not written to at all.
func TestIdentical(t *testing.T) {
	disk, used := plainDisk(t)
	img := store(t, "x.img.zst", orbitImage(t, disk, used, 512))
	for _, verify := range []Verify{VerifyStream, VerifyDisk} {
		m, s := memory(disk)
		m.fail = badAt(0, size, "write", "zero", "discard")
		var told notes
		r, err := write1(t, WriteOptions{Source: img, Disk: store(t, "disk", disk), FileSize: size, Verify: verify, Events: told.sink, seam: s})
		if err != nil || r.Written != 0 || !m.touched().Empty() {
			t.Errorf("%v, %v; touched %v", r, err, m.touched().Ranges())
		}
		if r != nil && r.Stored > r.Bytes/4 {
			t.Errorf("%d bytes were fetched", r.Stored)
		}
	}
}

// A file that stands for a disk gets the size of the image, whatever it had.
func TestFileGetsItsSize(t *testing.T) {
	disk, used := plainDisk(t)
	img := store(t, "x.img.zst", orbitImage(t, disk, used, 512))
	for _, n := range []int{0, 1, 5*mib + 77, size, size + 3*mib + 1} {
		path := store(t, "disk", content(5, n))
		for i, o := range []WriteOptions{{}, {Verify: VerifyDisk}, {Full: true}} {
			o.Source, o.Disk = img, path
			r, err := write1(t, o)
			if err != nil || i == 1 && r.Written > 0 {
				t.Fatalf("a file of %d bytes: %v, %v", n, r, err)
			}
			if got := len(bytesOf(t, path)); got != size {
				t.Errorf("a file of %d bytes has %d now", n, got)
			}
			holdsImage(t, path, disk, used)
		}
	}
}

// What is unused of a large disk takes no memory to be gone over.
func TestZeroUnusedMemory(t *testing.T) {
	w := &write{dev: dead{}, target: &target{path: "disk"}}
	enough := errors.New("enough")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := w.zeroUnused(t.Context(), extent.NewSet(extent.Range{Off: 77, End: 16 << 40}), func(context.Context) error { return enough })
	runtime.ReadMemStats(&after)
	if !errors.Is(err, enough) {
		t.Errorf("error is %v", err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 32*mib {
		t.Errorf("%d MiB were allocated", n/mib)
	}
}

// TestBySpan puts the pieces together again.
func TestBySpan(t *testing.T) {
	_, used := plainDisk(t)
	used.Add(extent.Range{Off: mib + 5, End: 4*mib - 1})
	var all extent.Set
	for r := range bySpan(used) {
		if r.Empty() || r.Off/image.Span != (r.End-1)/image.Span || all.Overlaps(r) {
			t.Fatalf("%v is not one new part of a span", r)
		}
		all.Add(r)
	}
	if !all.Equal(used) {
		t.Errorf("together they are %v, want %v", all.Ranges(), used.Ranges())
	}
	for r := range bySpan(used) { // and no more
		all.Remove(r)
		break
	}
	if all.Len() == used.Len() {
		t.Error("nothing was given")
	}
}

// dead is a disk that cannot be read.
type dead struct{ device }

func (dead) ReadAt([]byte, int64) (int, error) { return 0, syscall.EIO }
