package images

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"

	"github.com/orbit-pxe/orbit/pkg/frisbee"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

const (
	sumLine  = 2*32 + 1 // bytes of text for each chunk
	sumPiece = 16       // chunks that are summed at a time
	sumsKept = 64 << 20 // bytes of text that are kept
	sumsMost = 64       // images of which it is kept
	maxSums  = 1 << 40  // bytes of an image that has sums at most
)

// ErrTooLong says that an image is too long to have sums.
var ErrTooLong = errors.New("the image is too long to have sums")

// sums are the sums of the chunks of images, each computed once.
type sums struct {
	mu    sync.Mutex
	known map[string]*summed // by tag
	clock int64              // counts uses
	bytes int64              // of text
}

// summed are the sums of one version of an image as far as they are known: one
// who is interrupted leaves to the next what there is.
type summed struct {
	busy chan struct{} // holds a token while somebody reads or adds
	text []byte        // only grows: what was given out stays as it is

	// Under the lock of sums.
	used  int64 // of the clock
	bytes int64 // of text
}

// SumsSize is how many bytes of text there are for an image of size bytes.
func SumsSize(size int64) int64 { return (size + wire.ChunkSize - 1) / wire.ChunkSize * sumLine }

// Sums gives the text of the sums of an image that Open opened (see
// frisbee.Sums) from a byte on: not all of it, but some, unless that is the end.
// What others have computed already is there at once.
func (s *Store) Sums(ctx context.Context, f *os.File, from int64) ([]byte, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if st.Size() > maxSums {
		return nil, ErrTooLong
	}
	tag := Tag(st)
	e := s.sums.find(tag)
	select {
	case e.busy <- struct{}{}:
		defer func() { <-e.busy }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	for int64(len(e.text)) <= from && int64(len(e.text)) < SumsSize(st.Size()) {
		if err := s.sums.add(ctx, e, tag, f, st.Size()); err != nil {
			return nil, err
		}
	}
	return e.text[min(from, int64(len(e.text))):], nil
}

// find gives the entry of a version, a new one if there is none.
func (k *sums) find(tag string) *summed {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.known[tag]
	if e == nil {
		e = &summed{busy: make(chan struct{}, 1)}
		k.known[tag] = e
	}
	k.clock++
	e.used = k.clock
	return e
}

// add computes the next piece of an entry, which the caller has.
func (k *sums) add(ctx context.Context, e *summed, tag string, f *os.File, size int64) error {
	off := int64(len(e.text)) / sumLine * wire.ChunkSize
	n := min(sumPiece*wire.ChunkSize, size-off)
	piece, err := frisbee.Sum(ctx, io.NewSectionReader(f, off, n))
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err == nil && (piece.Size() != n || Tag(st) != tag) {
		err = errors.New("the image changed while its sums were computed")
	}
	if err != nil {
		k.forget(tag, e)
		return err
	}
	before := len(e.text)
	if e.text, err = piece.AppendText(e.text); err != nil {
		return err
	}
	k.keep(tag, e, int64(len(e.text)-before))
	return nil
}

// keep counts what was added, and forgets what is over the limits: what was not
// used for longest, but not what is in use now.
func (k *sums) keep(tag string, e *summed, added int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.known[tag] == e {
		k.bytes += added
		e.bytes += added
	}
	for len(k.known) > sumsMost || k.bytes > sumsKept {
		oldest := ""
		for t, o := range k.known {
			if o != e && (oldest == "" || o.used < k.known[oldest].used) {
				oldest = t
			}
		}
		if oldest == "" {
			return
		}
		k.drop(oldest)
	}
}

func (k *sums) forget(tag string, e *summed) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.known[tag] == e {
		k.drop(tag)
	}
}

// drop forgets an entry; who has it goes on. The lock is held.
func (k *sums) drop(tag string) {
	k.bytes -= k.known[tag].bytes
	delete(k.known, tag)
}
