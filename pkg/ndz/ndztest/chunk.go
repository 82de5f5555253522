package ndztest

import (
	"bytes"
	"compress/zlib"
	"io"
)

type region struct{ start, count uint64 }

// regions checks a table, and tells whether the rest of the chunk makes sense.
func (c *checker) regions(f fields, list []region) bool {
	limit := uint64(1<<32 - 1)
	if f.version == 5 {
		limit = 1<<54 - 1
	}
	ok := true
	for i, r := range list {
		if r.count == 0 {
			c.problem("region %d is empty", i)
			ok = false
		}
		if r.start > limit || r.count > limit || r.start+r.count > limit {
			c.problem("region %d: %d sectors from %d", i, r.count, r.start)
			return false
		}
		if f.version > 1 && (r.start < f.first || r.start+r.count > f.last) {
			c.problem("region %d: sectors %d to %d, not in %d to %d", i, r.start, r.start+r.count, f.first, f.last)
			ok = false
		}
		if i > 0 && r.start <= list[i-1].start+list[i-1].count {
			c.problem("region %d begins at %d, no gap behind %d", i, r.start, list[i-1].start+list[i-1].count)
			ok = false
		}
		if f.version == 1 {
			if i == 0 && r.start < c.r.End {
				c.problem("region 0 begins at %d, before %d", r.start, c.r.End)
			}
			c.r.End = r.start + r.count
		}
		c.r.Regions++
		c.r.Sectors += r.count
	}
	return ok
}

// reloc checks a relocation: its kind, its size, and that all that it is about
// is in one region.
func (c *checker) reloc(f fields, list []region, kind, sector, off, size uint64) {
	c.r.Relocs++
	if sector >= 1<<54 {
		c.problem("relocation at sector %d", sector)
		return
	}
	from := sector*512 + off
	to := from + size
	good := false
	switch kind {
	case 1, 2:
		good = off == 0 && size >= 276 && size <= 512
	case 3:
		good = size == 5
	case 4:
		good = size == 512
	case 5:
		good = size == 2 && from >= 990
		from, to = from-990, from-990+1024
	case 6:
		good = off == 0 && size >= 1 && size <= 511 && sector+1 == f.last && c.r.Short == 0
		c.r.Short = int(size)
	}
	if !good {
		c.problem("relocation of kind %d: %d bytes at %d+%d", kind, size, sector, off)
		return
	}
	for _, r := range list {
		if from >= r.start*512 && to <= (r.start+r.count)*512 {
			return
		}
	}
	c.problem("relocation of kind %d: bytes %d to %d are in no region", kind, from, to)
}

// data checks the stream, and gives it to put.
func (c *checker) data(f fields, list []region, b []byte) {
	if f.size > int64(len(b)) {
		return // told already
	}
	c.zero(b[f.size:], "padding behind the data")
	src := bytes.NewReader(b[:f.size])
	z, err := zlib.NewReader(src)
	if err != nil {
		c.problem("%v", err)
		return
	}
	for _, r := range list {
		// Piece by piece: a region can be much larger than memory.
		const most = 2048
		for at, left := r.start, r.count; left > 0; {
			n := min(left, most)
			p := make([]byte, n*512)
			if _, err := io.ReadFull(z, p); err != nil {
				c.problem("sectors %d to %d: %v", at, at+n, err)
				return
			}
			if c.put != nil {
				c.put(at, p)
			}
			at, left = at+n, left-n
		}
	}
	if n, err := io.Copy(io.Discard, z); n > 0 || err != nil {
		c.problem("%d bytes more than in the regions; %v", n, err)
		return
	}
	if src.Len() > 0 {
		c.problem("%d bytes behind the stream", src.Len())
	}
}
