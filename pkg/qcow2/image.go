package qcow2

import (
	"errors"
	"io"
	"sync"
)

const (
	// tableCache and clusterCache bound the memory that an image keeps, in
	// bytes: L2 tables (of 64 KiB each, 8 MiB are those of 64 GiB), and
	// decoded clusters of which only a part was asked for.
	tableCache   = 8 << 20
	clusterCache = 4 << 20

	// batchSize is how much compressed data is read from the file at once,
	// unless one cluster has more.
	batchSize = 1 << 20
)

// Image is an open qcow2 image. Its methods may be called from many goroutines
// at once; there is nothing to close.
type Image struct {
	r        io.ReaderAt
	fileSize int64
	h        header
	l1       []int64 // offsets of the L2 tables, 0 for none

	tables   *cache // L2 tables by offset
	clusters *cache // decoded clusters by virtual offset
	unpacker unpacker
	buffers  sync.Pool // of *[]byte: compressed data
}

// Open reads the header and the L1 table of an image in a file of size bytes.
// The error is [ErrNotQcow2], an *[UnsupportedError], a *[FormatError], or one
// of r's. Only images marked as dirty are taken as they are: it is their
// refcounts that may be wrong, which reading does not need.
func Open(r io.ReaderAt, size int64) (*Image, error) {
	h, err := readHeader(r, size)
	if err != nil {
		return nil, err
	}
	m := &Image{
		r: r, fileSize: size, h: h,
		tables:   newCache(tableCache, h.cluster()),
		clusters: newCache(clusterCache, h.cluster()),
	}
	if err := m.readL1(); err != nil {
		return nil, err
	}
	if m.unpacker, err = newUnpacker(h.compression); err != nil {
		return nil, err
	}
	return m, nil
}

// Size is the size of the disk in the image, in bytes.
func (m *Image) Size() int64 { return m.h.size }

// ClusterSize is the unit of allocation and compression in bytes, a power of
// two. Reads of whole aligned clusters decode straight into the caller's
// buffer, others decode the cluster aside and keep it for a while.
func (m *Image) ClusterSize() int { return int(m.h.cluster()) }

// ReadAt reads from the disk in the image; what was never written reads as
// zeros. One call decodes on one core: for speed call it from as many
// goroutines as there are cores, for different spans of 1 to 4 MiB each. The
// file is read in as few and as large pieces as its layout allows: a run of
// clusters that lie together is one read, compressed or not.
func (m *Image) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("read qcow2 image: negative offset")
	}
	if off >= m.h.size {
		return 0, io.EOF
	}
	short := int64(len(p)) > m.h.size-off
	if short {
		p = p[:m.h.size-off]
	}
	n, err := m.read(p, off)
	if err == nil && short {
		err = io.EOF
	}
	return n, err
}

// read fills p from virtual byte off on, all of it below the virtual size. It
// collects neighbours in a run before it reads them.
func (m *Image) read(p []byte, off int64) (int, error) {
	run := run{m: m, p: p, base: off}
	for pos, end := off, off+int64(len(p)); pos < end; {
		at, err := m.lookup(pos)
		if err == nil {
			at.end = min(at.end, end)
			err = run.add(at)
		} else if e := run.flush(); e != nil {
			err = e
		} else {
			run.failed = pos
		}
		if err != nil {
			return int(run.failed - off), err
		}
		pos = at.end
	}
	if err := run.flush(); err != nil {
		return int(run.failed - off), err
	}
	return len(p), nil
}
