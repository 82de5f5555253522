package fat

import (
	"encoding/binary"
	"io"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/internal/cluster"
)

// table reads the FATs.
type table struct {
	r io.ReaderAt
	*boot
	dirty, failed bool // from entry 1

	cache []byte // of the first FAT
	from  int64  // the entry that cache begins with
}

// batch is how many entries are read at once; even, for those of 12 bits.
const batch = 1 << 14

// load reads the entries from n on, at most batch, of the FAT at off.
func (t *table) load(b []byte, off, n int64) ([]byte, error) {
	entries := min(t.heap.Count+2-n, batch)
	size := (entries*int64(t.bits) + 7) / 8
	if int64(cap(b)) < size {
		b = make([]byte, batch*t.bits/8)
	}
	b = b[:size]
	return b, cluster.Read(t.r, b, off+n*int64(t.bits)/8, "FAT")
}

// entry is the i'th of those in b, without the four bits of FAT32 that say nothing.
func (t *table) entry(b []byte, i int) uint32 {
	switch t.bits {
	case 12:
		v := binary.LittleEndian.Uint16(b[i+i/2:])
		if i%2 == 1 {
			return uint32(v >> 4)
		}
		return uint32(v & 0xfff)
	case 16:
		return uint32(binary.LittleEndian.Uint16(b[2*i:]))
	}
	return binary.LittleEndian.Uint32(b[4*i:]) & 0x0fffffff
}

// bad is the entry of a cluster that cannot be used; larger ones end a chain.
func (t *table) bad() uint32 {
	switch t.bits {
	case 12:
		return 0xff7
	case 16:
		return 0xfff7
	}
	return 0x0ffffff7
}

// at is the entry of one cluster.
func (t *table) at(n uint32) (uint32, error) {
	from := int64(n) / batch * batch
	if t.cache == nil || t.from != from {
		b, err := t.load(t.cache, t.fats[0], from)
		if err != nil {
			return 0, err
		}
		t.cache, t.from = b, from
	}
	return t.entry(t.cache, int(int64(n)-from)), nil
}

// header checks entries 0 and 1, which hold the media type and the state.
func (t *table) header() error {
	for _, off := range t.fats {
		b, err := t.load(nil, off, 0)
		if err != nil {
			return err
		}
		if v := t.entry(b, 0); v != t.bad()&^0xff|uint32(t.media) {
			return fsmap.Unsafef(kind, "FAT at %d begins with %#x, the media type is %#x", off, v, t.media)
		}
		if t.bits == 12 {
			continue
		}
		top := uint32(1) << (min(t.bits, 28) - 1)
		v := t.entry(b, 1)
		t.dirty = t.dirty || v&top == 0
		t.failed = t.failed || v&(top>>1) == 0
	}
	return nil
}

// scan calls f with every cluster and its entry, and fails where copies differ.
func (t *table) scan(f func(n, entry uint32) error) error {
	var first, other []byte
	var err error
	for n := int64(0); n < t.heap.Count+2; n += batch {
		if first, err = t.load(first, t.fats[0], n); err != nil {
			return err
		}
		entries := int(min(t.heap.Count+2-n, batch))
		skip := 0
		if n == 0 {
			skip = 2
		}
		for _, off := range t.fats[1:] {
			if other, err = t.load(other, off, n); err != nil {
				return err
			}
			for i := skip; i < entries; i++ {
				if t.entry(first, i) != t.entry(other, i) {
					return fsmap.Unsafef(kind, "FATs differ in cluster %d: run fsck", n+int64(i))
				}
			}
		}
		for i := skip; i < entries; i++ {
			if err := f(uint32(n)+uint32(i), t.entry(first, i)); err != nil {
				return err
			}
		}
	}
	return nil
}

// maxBad is how many bad clusters are left out; more are taken for used.
const maxBad = 1 << 16

// used is the clusters whose entries are not zero, and apart from them those
// marked bad, which are left out. A driver that is led to one by another entry
// reads it all the same, so one with an entry that points to it is used.
func (t *table) used() (used, bad extent.Set, err error) {
	u := cluster.NewUsed(t.heap)
	marked := map[uint32]bool{}
	err = t.scan(func(n, entry uint32) error {
		switch {
		case entry == 0:
		case entry == t.bad() && len(marked) < maxBad:
			marked[n] = true
		case entry < t.bad() && !t.valid(entry):
			return fsmap.Unsafef(kind, "cluster %d points to %d, of %d: run fsck", n, entry, t.heap.Count)
		default:
			u.Add(int64(n)-2, 1)
		}
		return nil
	})
	used = u.Set()
	if err != nil || len(marked) == 0 {
		return used, bad, err
	}
	var led []extent.Range
	err = t.scan(func(_, entry uint32) error {
		if marked[entry] {
			delete(marked, entry)
			led = append(led, t.heap.Range(int64(entry)-2, 1))
		}
		return nil
	})
	var rest []extent.Range
	for n := range marked {
		rest = append(rest, t.heap.Range(int64(n)-2, 1))
	}
	used = used.Union(extent.NewSet(led...))
	return used, extent.NewSet(rest...).Subtract(used), err
}
