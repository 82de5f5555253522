package imaging

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/partition"
)

// orbitImage packs a disk of which only used counts.
func orbitImage(t testing.TB, disk []byte, used extent.Set, sector int) []byte {
	t.Helper()
	p, err := image.NewPacker(1, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var out bytes.Buffer
	w, err := image.NewWriter(&out, image.Index{Size: int64(len(disk)), Sector: sector, Used: used})
	if err != nil {
		t.Fatal(err)
	}
	for off := 0; off < len(disk); off += image.Span {
		r := extent.Range{Off: int64(off), End: int64(min(off+image.Span, len(disk)))}
		span := bytes.Clone(disk[r.Off:r.End])
		image.Mask(used, r, span)
		if err := w.Append(p.Pack(nil, span)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// usedDisk is a disk with a GPT whose partitions are in use here and there.
func usedDisk(t testing.TB, size, sector int, seed uint64) ([]byte, extent.Set) {
	t.Helper()
	b := gptImage(t, size, sector)
	r := rand.New(rand.NewPCG(seed, 8))
	used := extent.NewSet(extent.Range{End: mib})
	for off := int64(mib); off < int64(size)-mib; {
		n := min(int64(1+r.IntN(300))*4096, int64(size)-mib-off)
		if r.IntN(2) == 0 {
			used.Add(extent.Range{Off: off, End: off + n})
		}
		off += n
	}
	table, err := partition.Read(bytes.NewReader(b), sector)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range table.Regions() {
		used.Add(extent.Range{Off: p.Offset, End: p.Offset + p.Size})
	}
	return b, used
}

// otherLife is a disk of size bytes that had another life: noise all over, behind
// an old partition table.
func otherLife(t testing.TB, size, sector int) string {
	t.Helper()
	dev := loop(t, size, sector)
	f, err := os.OpenFile(dev, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	noise := make([]byte, size-2*mib)
	rand.NewChaCha8([32]byte{99}).Read(noise)
	if _, err := f.WriteAt(noise, mib); err != nil {
		t.Fatal(err)
	}
	return dev
}

// holdsImage fails where a disk differs from what an image has in use.
func holdsImage(t testing.TB, disk string, want []byte, used extent.Set) {
	t.Helper()
	got := bytesOf(t, disk)
	for r := range used.All() {
		if !bytes.Equal(got[r.Off:r.End], want[r.Off:r.End]) {
			same(t, disk, got[r.Off:r.End], want[r.Off:r.End])
			t.Fatalf("%v differs", r)
		}
	}
}

func TestIndexed(t *testing.T) {
	for _, sector := range []int{512, 4096} {
		disk, used := usedDisk(t, 40*mib, sector, 1)
		file := store(t, "image.img.zst", orbitImage(t, disk, used, sector))
		server := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(file))))
		defer server.Close()
		for _, source := range []string{file, server.URL + "/image.img.zst"} {
			dev := otherLife(t, 40*mib, sector)
			for i, o := range []WriteOptions{{}, {Verify: VerifyDisk}, {Full: true}, {Unused: Zero}, {Stream: true}} {
				o.Source, o.Disk = source, dev
				r, err := write1(t, o)
				if err != nil {
					t.Fatal(err)
				}
				holdsImage(t, dev, disk, used)
				if i == 1 && r.Written != 0 {
					t.Errorf("%d bytes were written to a disk that held the image", r.Written)
				}
				if i == 2 && r.Written < used.Len() {
					t.Errorf("only %d of %d bytes were written", r.Written, used.Len())
				}
				if o.Unused == Zero {
					got := bytesOf(t, dev)
					for r := range used.Complement(extent.Range{End: 40 * mib}).All() {
						if !isZeroAll(got[r.Off:r.End]) {
							t.Fatalf("%v is not zeros", r)
						}
					}
				}
			}
		}
	}
}

// Only what differs is fetched and written, and the old table is gone meanwhile.
func TestDelta(t *testing.T) {
	disk, used := usedDisk(t, 64*mib, 512, 2)
	file := store(t, "image.img.zst", orbitImage(t, disk, used, 512))
	dev := otherLife(t, 64*mib, 512)
	if _, err := write1(t, WriteOptions{Source: file, Disk: dev}); err != nil {
		t.Fatal(err)
	}
	damage := []extent.Range{}
	for _, at := range []int64{5*mib + 4096, 20 * mib, 63*mib - 8192} {
		for r := range used.Within(extent.Range{Off: at, End: 64 * mib}) {
			damage = append(damage, extent.Range{Off: r.Off, End: r.Off + 1})
			break
		}
	}
	f, err := os.OpenFile(dev, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range damage {
		f.WriteAt([]byte{disk[d.Off] ^ 0xff}, d.Off)
	}
	f.Close()
	r, err := write1(t, WriteOptions{Source: file, Disk: dev})
	if err != nil {
		t.Fatal(err)
	}
	holdsImage(t, dev, disk, used)
	if most := int64(len(damage)+2) * mib; r.Written == 0 || r.Written > most {
		t.Errorf("%d bytes written for %d spans that differ", r.Written, len(damage))
	}
}

// A larger disk gets its backup table at its end; a second run changes nothing.
func TestIndexedOnLargerDisk(t *testing.T) {
	disk, used := usedDisk(t, 24*mib, 512, 3)
	file := store(t, "image.img.zst", orbitImage(t, disk, used, 512))
	dev := otherLife(t, 32*mib, 512)
	for i := range 2 {
		r, err := write1(t, WriteOptions{Source: file, Disk: dev, Verify: VerifyDisk})
		if err != nil {
			t.Fatal(err)
		}
		if i == 1 && r.Written != 0 {
			t.Errorf("the second time %d bytes were written", r.Written)
		}
		b := bytesOf(t, dev)
		if _, err := partition.DecodeBackup(bytes.NewReader(b), 512, 32*mib); err != nil {
			t.Error(err)
		}
		if _, err := partition.DecodeBackup(bytes.NewReader(b[:24*mib]), 512, 24*mib); err == nil {
			t.Error("the image's backup table is still where its disk ended")
		}
	}
}

func TestTrust(t *testing.T) {
	disk, used := usedDisk(t, 8*mib, 512, 4)
	b := orbitImage(t, disk, used, 512)
	x, err := image.ReadIndex(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	file := store(t, "image.img.zst", b)
	other := x.Root()
	other[3] ^= 1
	for _, stream := range []bool{false, true} {
		dest := filepath.Join(t.TempDir(), "disk")
		if _, err := write1(t, WriteOptions{Source: file, Disk: dest, Root: x.Root(), Stream: stream}); err != nil {
			t.Fatal(err)
		}
		holdsImage(t, dest, disk, used)
		_, err := write1(t, WriteOptions{Source: file, Disk: dest, Root: other, Stream: stream})
		distrusted(t, err)
		holdsImage(t, dest, disk, used)
	}
	// Neither a digest of the file nor a server without parts gets at the disk.
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(b) }))
	defer plain.Close()
	dest := store(t, "disk", disk)
	for _, o := range []WriteOptions{
		{Source: file, Root: other, SHA256: sum(b)},
		{Source: plain.URL, Root: x.Root()},
	} {
		o.Disk = dest
		_, err := write1(t, o)
		distrusted(t, err)
		same(t, "the disk", bytesOf(t, dest), disk)
	}
	// Only what is piped in shows its index last.
	_, err = write1(t, WriteOptions{Source: "-", Stdin: bytes.NewReader(b), Root: other, Disk: dest})
	failed(t, err, "is not to be trusted")
	raw := store(t, "raw", disk)
	if _, err := write1(t, WriteOptions{Source: raw, Disk: filepath.Join(t.TempDir(), "d"), Root: x.Root()}); err == nil || !strings.Contains(err.Error(), "no index") {
		t.Errorf("a raw image for a root: %v", err)
	}
}

// distrusted fails unless an image was refused, before anything was changed.
func distrusted(t *testing.T, err error) {
	t.Helper()
	var distrust *TrustError
	if !errors.As(err, &distrust) {
		t.Errorf("not distrusted: %v", err)
	}
	refused(t, err, "is not to be trusted")
}

// A span that is damaged where the image is kept ends the writing, and nothing
// wrong reaches the disk.
func TestDamagedSpan(t *testing.T) {
	disk, used := usedDisk(t, 16*mib, 512, 5)
	b := orbitImage(t, disk, used, 512)
	x, err := image.ReadIndex(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var f image.Frame
	for _, f = range x.Frames()[8:] {
		if f.Kind == image.Data {
			break
		}
	}
	b[f.Off+f.Stored/2] ^= 0x10
	dev := otherLife(t, 16*mib, 512)
	_, err = write1(t, WriteOptions{Source: store(t, "image.img.zst", b), Disk: dev})
	failed(t, err, "fetched 3 times")
	noTable(t, dev, 512)
}
