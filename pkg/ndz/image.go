package ndz

import (
	"context"
	"crypto/sha256"
	"io"
	"sort"
	"sync"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

// Image is a file of which every header has been read and found right.
type Image struct {
	r     io.ReaderAt
	o     Options
	like  *Header
	size  int64
	total bool // the headers tell how many chunks there are
	used  extent.Set
	gaps  extent.Set // that are known to be free
	spans []span
	sums  [][16]byte // of the headers
	pool  *sync.Pool
}

// Open reads all headers of an image of size bytes. It does not look at the data;
// but nothing is known to be wrong with the image.
func Open(ctx context.Context, r io.ReaderAt, size int64, o Options) (*Image, error) {
	head := make([]byte, HeaderSize)
	if size > 0 && size%ChunkSize != 0 {
		// No more than is there: not every reader gives a part.
		if n, err := r.ReadAt(head[:min(size, 4)], 0); n < 4 && err != nil && err != io.EOF {
			return nil, at(0, err)
		} else if !magical(head[:n]) {
			return nil, at(0, ErrMagic.as("a file of %d bytes", size))
		}
		return nil, ErrTruncated.as("%d bytes are no whole chunks", size)
	}
	m := &Image{r: r, o: o, pool: newPool()}
	order := NewOrder(o, 0)
	for i := range size / ChunkSize {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		h, err := m.header(i, head)
		if err != nil {
			return nil, err
		}
		if err := order.Add(i, &h); err != nil {
			return nil, err
		}
		m.sums = append(m.sums, sum(head))
		m.add(&h)
	}
	if err := order.End(); err != nil {
		return nil, err
	}
	m.like, m.spans, m.size, m.total = order.like, order.spans, order.Size(), order.Counted()
	// The last sector of a file may be short.
	m.used = m.used.Intersect(extent.NewSet(extent.Range{End: m.size}))
	return m, nil
}

func sum(head []byte) [16]byte {
	s := sha256.Sum256(head)
	return [16]byte(s[:])
}

// add takes the regions of a chunk.
func (m *Image) add(h *Header) {
	at := h.First
	for _, r := range h.Regions {
		m.gaps.Add(extent.Range{Off: int64(at) * Sector, End: int64(r.Start) * Sector})
		m.used.Add(r.Range())
		at = r.End()
	}
	m.gaps.Add(extent.Range{Off: int64(at) * Sector, End: int64(h.Last) * Sector})
}

// header reads the header of a chunk into b.
func (m *Image) header(i int64, b []byte) (Header, error) {
	if err := readAt(m.r, b[:HeaderSize], i*ChunkSize); err != nil {
		return Header{}, at(i, err)
	}
	h, err := ParseHeader(b)
	return h, at(i, err)
}

// readAt reads all of p.
func readAt(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		return ErrTruncated.as("it ends %d bytes into a chunk", int64(n))
	}
	return err
}

// Header reads the header of a chunk again.
func (m *Image) Header(i int64) (Header, error) {
	head := make([]byte, HeaderSize)
	h, err := m.header(i, head)
	if err == nil && sum(head) != m.sums[i] {
		err = at(i, ErrChanged)
	}
	return h, err
}

// load reads a chunk into c.
func (m *Image) load(i int64, c *Chunk) error {
	c.Index = i
	if err := readAt(m.r, c.Data, i*ChunkSize); err != nil {
		return at(i, err)
	}
	return m.Parse(i, c.Data, &c.Header)
}

// Parse reads the header of a chunk that was fetched by other means, at least
// HeaderSize bytes of it, into h. It is ErrChanged if Open has seen another one.
func (m *Image) Parse(i int64, chunk []byte, h *Header) error {
	if len(chunk) < HeaderSize || sum(chunk[:HeaderSize]) != m.sums[i] {
		return at(i, ErrChanged)
	}
	return at(i, h.parse(chunk))
}

// Version is that of all chunks.
func (m *Image) Version() int { return m.like.Version }

// ID is that of all chunks, zero for none.
func (m *Image) ID() [16]byte { return m.like.ID }

// Chunks is how many chunks there are.
func (m *Image) Chunks() int64 { return int64(len(m.spans)) }

// Size is how much of the disk the image speaks for, in bytes: at least where
// its data ends. It is a multiple of 512, but for an image of a file.
func (m *Image) Size() int64 { return m.size }

// Counted tells whether the headers say how many chunks there are: then none is
// missing at the end.
func (m *Image) Counted() bool { return m.total }

// Extend makes the disk larger, for an image of version 1: it does not tell what
// is free behind its last region. Nothing may be read meanwhile.
func (m *Image) Extend(size int64) { m.size = max(m.size, size) }

// Used is the bytes of the disk that the image holds.
func (m *Image) Used() extent.Set { return m.used.Clone() }

// Free is the bytes of the disk that the image knows to hold nothing. But the
// image of a difference between two disks looks like any other, and what it
// calls free may be in use: nothing in it tells that.
func (m *Image) Free() extent.Set { return m.gaps.Clone() }

// Range is what of the disk a chunk speaks for, in bytes.
func (m *Image) Range(i int64) extent.Range {
	s := m.spans[i]
	return extent.Range{Off: int64(s.first) * Sector, End: min(int64(s.last)*Sector, m.size)}
}

// find is the first chunk that speaks for anything at off or behind it.
func (m *Image) find(off int64) int64 {
	return int64(sort.Search(len(m.spans), func(i int) bool { return int64(m.spans[i].last)*Sector > off }))
}

// Holding gives the chunks that speak for any of r, as a range of their
// numbers, the end exclusive.
func (m *Image) Holding(r extent.Range) (from, to int64) {
	from = m.find(r.Off)
	to = from
	for to < m.Chunks() && !m.Range(to).Intersect(r).Empty() {
		to++
	}
	return from, to
}
