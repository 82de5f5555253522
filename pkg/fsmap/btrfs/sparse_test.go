package btrfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"slices"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

const page = 4096

// sparse is a volume of which only some pages are kept, all else is zeros.
type sparse struct {
	pages map[int64]*[page]byte
	size  int64
}

func newSparse(size int64) *sparse { return &sparse{map[int64]*[page]byte{}, size} }

func (s *sparse) ReadAt(b []byte, off int64) (int, error) {
	n := int(min(int64(len(b)), max(s.size-off, 0)))
	clear(b[:n])
	for done := 0; done < n; {
		at := off + int64(done)
		part := b[done:min(n, done+page-int(at%page))]
		if p := s.pages[at/page]; p != nil {
			copy(part, p[at%page:])
		}
		done += len(part)
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (s *sparse) write(b []byte, off int64) {
	for i, x := range b {
		at := off + int64(i)
		p := s.pages[at/page]
		if p == nil {
			p = new([page]byte)
			s.pages[at/page] = p
		}
		p[at%page] = x
	}
}

// at gives a page to be changed.
func (s *sparse) at(off int64) []byte { return s.pages[off/page][:] }

// order is the addresses of the pages.
func (s *sparse) order() []int64 {
	var all []int64
	for n := range s.pages {
		all = append(all, n*page)
	}
	slices.Sort(all)
	return all
}

// resum makes the crc32c of every page right, as if it were a tree block of its
// size.
func (s *sparse) resum() {
	for _, p := range s.pages {
		clear(p[:sumSize])
		binary.LittleEndian.PutUint32(p[:], crc32.Checksum(p[sumSize:], crc32.MakeTable(crc32.Castagnoli)))
	}
}

func (s *sparse) clone() *sparse {
	c := newSparse(s.size)
	for n, p := range s.pages {
		q := *p
		c.pages[n] = &q
	}
	return c
}

// recorder keeps a copy of all that is read.
type recorder struct {
	r   io.ReaderAt
	got chan func(*sparse)
}

func (r *recorder) ReadAt(b []byte, off int64) (int, error) {
	n, err := r.r.ReadAt(b, off)
	got := bytes.Clone(b[:n])
	r.got <- func(s *sparse) { s.write(got, off) }
	return n, err
}

// metadata is the part of a volume that Map reads.
func metadata(t testing.TB, path string) *sparse {
	t.Helper()
	f, size := maptest.Open(t, path)
	return record(t, f, size)
}

// record is metadata of any volume that can be mapped.
func record(t testing.TB, f io.ReaderAt, size int64) *sparse {
	t.Helper()
	s := newSparse(size)
	r := &recorder{f, make(chan func(*sparse))}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for do := range r.got {
			do(s)
		}
	}()
	_, err := Map(r, size)
	close(r.got)
	<-done
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// encode is a short form of s: size, then runs of bytes and how many zeros
// are before them.
func (s *sparse) encode() []byte {
	out := binary.AppendUvarint(nil, uint64(s.size))
	end := int64(0)
	emit := func(off int64, b []byte) {
		out = binary.AppendUvarint(out, uint64(off-end))
		out = binary.AppendUvarint(out, uint64(len(b)))
		out = append(out, b...)
		end = off + int64(len(b))
	}
	for _, off := range s.order() {
		b := s.at(off)
		for from := 0; from < page; {
			if b[from] == 0 {
				from++
				continue
			}
			to := from
			for to < page && !bytes.HasPrefix(b[to:], make([]byte, min(8, page-to))) {
				to++
			}
			emit(off+int64(from), b[from:to])
			from = to
		}
	}
	return out
}

var errSparse = errors.New("not a sparse volume")

// decode takes any bytes from a fuzzer: limit is for how many pages.
func decode(b []byte, limit int) (*sparse, error) {
	next := func() int64 {
		x, n := binary.Uvarint(b)
		if n <= 0 {
			b = nil
			return 0
		}
		b = b[n:]
		return int64(x & (1<<40 - 1))
	}
	s := newSparse(next())
	off := int64(0)
	for len(b) > 0 && len(s.pages) <= limit {
		off += next()
		n := next()
		if n > int64(len(b)) || off > 1<<42 {
			return nil, errSparse
		}
		s.write(b[:n], off)
		off += n
		b = b[n:]
	}
	if len(s.pages) > limit {
		return nil, errSparse
	}
	return s, nil
}
