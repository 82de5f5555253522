package ndz

import (
	"context"
	"sync"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

// window is a chunk that is being read.
type window struct {
	// The View guards these. The index stays while there are users.
	index int64 // of the chunk
	users int   // reads under way
	used  int64 // when the last one ended

	mu        sync.Mutex
	m         *Image
	d         *Decoder
	c         Chunk   // its Index is -1 until it is loaded
	err       error   // with which c cannot be read on
	now, last stretch // the newest one, and the one before for reads that are not quite in order
}

// stretch is a part of the expanded stream.
type stretch struct {
	at   int64
	data []byte
}

func (p stretch) end() int64 { return p.at + int64(len(p.data)) }

func newWindow(m *Image) *window {
	return &window{m: m, d: NewDecoder(m.o), c: Chunk{Index: -1, Data: make([]byte, ChunkSize)}}
}

// read puts what the chunk has of r into p.
func (w *window) read(ctx context.Context, p []byte, r extent.Range) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.c.Index != w.index || w.err != nil {
		if err := w.m.load(w.index, &w.c); err != nil {
			w.c.Index = -1
			return err
		}
		w.restart()
	}
	begin := int64(0) // of the region, in the expanded stream
	for _, region := range w.c.Header.Regions {
		at := region.Range()
		if part := at.Intersect(r); !part.Empty() {
			if err := w.copy(ctx, p[part.Off-r.Off:part.End-r.Off], begin+part.Off-at.Off); err != nil {
				return err
			}
		}
		begin += at.Len()
	}
	return nil
}

// copy fills p from the expanded stream.
func (w *window) copy(ctx context.Context, p []byte, from int64) error {
	if from < w.last.at {
		w.restart()
	}
	for len(p) > 0 && w.err == nil {
		var n int
		switch {
		case from < w.last.end():
			n = copy(p, w.last.data[from-w.last.at:])
		case from < w.now.end():
			n = copy(p, w.now.data[from-w.now.at:])
		default:
			if err := context.Cause(ctx); err != nil {
				return err
			}
			w.next()
		}
		p, from = p[n:], from+int64(n)
	}
	return w.err
}

// next expands the next piece, into the memory of the one that is given up.
func (w *window) next() {
	if len(w.now.data) > 0 {
		buf := w.last.data[:cap(w.last.data)]
		if len(buf) < pieceSize {
			buf = make([]byte, pieceSize)
		}
		w.last, w.d.buf = w.now, buf
	}
	w.now = stretch{at: w.now.end()}
	w.now.data, w.err = w.d.next()
}

// restart expands the chunk from its begin.
func (w *window) restart() {
	w.now, w.last = stretch{}, stretch{data: w.last.data[:0]}
	w.err = w.d.begin(&w.c.Header, w.c.Data)
}
