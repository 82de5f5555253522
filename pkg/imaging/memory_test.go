package imaging

import (
	"bytes"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/stream"
)

// An index that does not fit in memory is passed over, which is an error for
// those who need it.
func TestLargeIndex(t *testing.T) {
	disk, used := usedDisk(t, size, 512, 31)
	file := orbitImage(t, disk, used, 512)
	x, err := image.ReadIndex(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	index := int64(len(file)) - x.DataEnd() - 8
	for _, c := range []struct {
		most    int64
		hash    bool
		root    image.Digest
		refused bool
	}{
		{index, true, x.Root(), false},
		{index, false, x.Root(), false},
		{index - 1, true, image.Digest{}, true},
		{index - 1, false, x.Root(), true},
		{index - 1, false, image.Digest{}, false}, // a digest of the file tells enough
	} {
		tail := &tail{hash: c.hash, most: c.most}
		r, err := stream.NewReader(bytes.NewReader(file), stream.Options{Wanted: tail.wanted, Skipped: tail.skipped})
		if err != nil {
			t.Fatal(err)
		}
		for err == nil {
			var b *stream.Block
			if b, err = r.Next(); err == nil {
				tail.see(b.Data)
				b.Release()
			}
		}
		r.Close()
		err = tail.check(&WriteOptions{Source: "x", Root: c.root})
		if c.refused && (err == nil || !strings.Contains(err.Error(), "there is memory for")) || !c.refused && err != nil {
			t.Errorf("%+v, index of %d bytes: %v", c, index, err)
		}
		if (tail.index != nil) != (c.most == index) {
			t.Errorf("%+v: its index is %v", c, tail.index)
		}
	}
	for free, want := range map[int64]int64{0: leastBuffers, 100 * mib: leastBuffers, 800 * mib: 100 * mib, 64 << 30: 1 << 29} {
		if got := indexRoom(free); got != want {
			t.Errorf("of %d bytes of memory an index may take %d, want %d", free, got, want)
		}
	}
}
