package ndz

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/ndz/ndztest"
)

// texture fills p with stretches of what disks hold: zeros, noise, text, and
// copies of what is near.
func texture(r *rand.Rand, p []byte) {
	for at := 0; at < len(p); {
		q := p[at:min(len(p), at+1+r.IntN(200<<10))]
		switch r.IntN(5) {
		case 0:
			clear(q)
		case 1:
			for i := range q {
				q[i] = byte(r.Uint32())
			}
		case 2:
			for i := range q {
				q[i] = "etaoin shrdlu"[min(r.IntN(13), r.IntN(13))]
			}
		case 3:
			if at > 0 {
				for i := range q {
					q[i] = p[at+i-min(at, 700)]
				}
			}
		default:
			for i := range q {
				q[i] = byte(i>>r.IntN(3)) ^ byte(r.IntN(2))
			}
		}
		at += len(q)
	}
}

// scatter picks ranges of up to long bytes, as far apart.
func scatter(r *rand.Rand, size, long int64) extent.Set {
	var s extent.Set
	for at := r.Int64N(long); at < size; {
		end := min(size, at+1+r.Int64N(long))
		s.Add(extent.Range{Off: at, End: end})
		at = end + 1 + r.Int64N(long)
	}
	return s
}

// held is which sectors an image of used has to hold.
func held(size int64, used extent.Set, gap int64) []bool {
	in := make([]bool, (size+Sector-1)/Sector)
	for r := range used.All() {
		for i := r.Off / Sector; i*Sector < r.End; i++ {
			in[i] = true
		}
	}
	some := len(used.Ranges()) > 0
	for i := 0; i < len(in); i++ {
		j := i
		for j < len(in) && !in[j] {
			j++
		}
		for k := i; some && k < j && int64(j-i) < gap; k++ {
			in[k] = true
		}
		i = j
	}
	if size%Sector != 0 {
		in[len(in)-1] = true
	} else if !some {
		in[0] = true
	}
	return in
}

// check restores an image by the checker, and compares it with the disk.
func check(t *testing.T, file, disk []byte, used extent.Set, o WriteOptions) {
	t.Helper()
	size := int64(len(disk))
	in := held(size, used, max(o.Gap, 1))
	if o.Gap == 0 {
		in = held(size, used, 64)
	}
	want := make([]byte, len(in)*Sector)
	for i := range in {
		at := int64(i) * Sector
		if in[i] && (o.Stale || used.Overlaps(extent.Range{Off: at, End: at + Sector})) {
			copy(want[at:at+Sector], disk[at:])
		}
	}
	got := make([]byte, len(want))
	seen := make([]bool, len(in))
	rep := ndztest.Check(file, func(sector uint64, data []byte) {
		copy(got[sector*Sector:], data)
		for i := range len(data) / Sector {
			seen[int(sector)+i] = true
		}
	})
	if len(rep.Problems) > 0 {
		t.Fatalf("the checker says: %s", rep.Problems)
	}
	if diff := cmp.Diff(in, seen); diff != "" {
		t.Fatalf("sectors held (-want +got):\n%.2000s", diff)
	}
	if !bytes.Equal(got, want) {
		t.Fatal("the disk is not the same")
	}
	if rep.End != uint64(len(in)) || int64(rep.Short) != size%Sector {
		t.Errorf("the image ends at sector %d, of which %d bytes count; the disk has %d bytes", rep.End, rep.Short, size)
	}
}

func TestWriteRandom(t *testing.T) {
	rounds := 48
	if testing.Short() {
		rounds = 12
	}
	for i := range rounds {
		r := rand.New(rand.NewPCG(uint64(i), 4))
		n := Sector * (1 + r.IntN(8<<10))
		if i%3 == 0 {
			n -= r.IntN(Sector)
		}
		disk := make([]byte, n)
		texture(r, disk)
		size := int64(len(disk))
		used := extent.NewSet(extent.Range{End: size})
		switch i % 6 {
		case 1:
			used = extent.NewSet()
		case 2:
			used = scatter(r, size, 1<<20)
		case 3:
			used = scatter(r, size, 64<<10)
		case 4:
			used = scatter(r, size, 2<<10)
		}
		o := WriteOptions{
			Version: []int{0, 2, 3, 4, 5}[r.IntN(5)], Gap: []int64{0, 1, 2, 200}[r.IntN(4)],
			Stale: r.IntN(2) == 0, Workers: r.IntN(5), InOrder: r.IntN(2) == 0,
		}
		t.Run(fmt.Sprintf("%d: %d bytes, %d ranges", i, size, used.Count()), func(t *testing.T) {
			var file bytes.Buffer
			w, err := Write(t.Context(), &file, bytes.NewReader(disk), size, used, o)
			if err != nil {
				t.Fatal(err)
			}
			if w.Bytes() != int64(file.Len()) {
				t.Errorf("told of %d bytes, wrote %d", w.Bytes(), file.Len())
			}
			check(t, file.Bytes(), disk, used, o)
			restore(t, file.Bytes(), disk, used)
		})
	}
}

// restore reads an image with this package's reader, and compares what is in use.
func restore(t *testing.T, file, disk []byte, used extent.Set) {
	t.Helper()
	img, err := Open(t.Context(), bytes.NewReader(file), int64(len(file)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if img.Size() != int64(len(disk)) {
		t.Errorf("size is %d; want %d", img.Size(), len(disk))
	}
	got := make([]byte, len(disk))
	if _, err := img.View(t.Context()).ReadAt(got, 0); err != nil {
		t.Fatal(err)
	}
	for r := range used.All() {
		if !bytes.Equal(got[r.Off:r.End], disk[r.Off:r.End]) {
			t.Fatalf("bytes %d to %d are not the same", r.Off, r.End-1)
		}
	}
}
