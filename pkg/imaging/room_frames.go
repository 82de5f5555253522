package imaging

import (
	"context"
	"io"
	"sort"
	"sync"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/transfer"
)

const (
	// frameRun is how many chunks in a row are asked for in order: only at the
	// ends of a run the halves of frames have to wait for each other.
	frameRun = 64

	// mostHeld is how many bytes of such halves are kept at most.
	mostHeld = 32 << 20
)

// frameTaker writes the frames of an Orbit image as the chunks of the file come,
// in any order. Each is checked against its digest. What is wrong is not asked
// for again: whoever sent it may do so for ever. It stays undone, and is fetched
// from the server of the image in the end.
type frameTaker struct {
	p      *pass
	d      *indexed
	frames []image.Frame // that are needed, in the order of the file
	most   int64         // bytes of halves
	bufs   sync.Pool     // *fetchBuf
	trial

	mu     sync.Mutex
	done   []bool          // by index of frames
	halves map[int]*halves // by index of frames
	held   int64           // bytes of all
}

// halves are the parts of a frame that came so far: it may begin in one chunk
// and end in another.
type halves struct {
	gone  bool // given up for lack of memory
	have  int64
	parts []half
}

type half struct {
	at   int64 // in the frame
	data []byte
}

func newFrameTaker(p *pass, d *indexed) *frameTaker {
	t := &frameTaker{p: p, d: d, frames: p.needed, most: mostHeld, done: make([]bool, len(p.needed)), halves: map[int]*halves{}}
	if free := available(); free > 0 {
		t.most = min(t.most, free/16)
	}
	t.bufs.New = func() any { return &fetchBuf{make([]byte, image.MaxFrame), make([]byte, image.MaxFrame)} }
	return t
}

// from is the first frame that ends behind off.
func (t *frameTaker) from(off int64) int {
	return sort.Search(len(t.frames), func(i int) bool { return t.frames[i].Off+t.frames[i].Stored > off })
}

// want tells whether a chunk has anything of a frame that is needed.
func (t *frameTaker) want(chunk int32) bool {
	off := int64(chunk) * wire.ChunkSize
	i := t.from(off)
	return i < len(t.frames) && t.frames[i].Off < off+wire.ChunkSize
}

// take takes a chunk.
func (t *frameTaker) take(ctx context.Context, chunk int32, data []byte) error {
	buf := t.bufs.Get().(*fetchBuf)
	defer t.bufs.Put(buf)
	here := extent.Range{Off: int64(chunk) * wire.ChunkSize}
	here.End = here.Off + int64(len(data))
	for i := t.from(here.Off); i < len(t.frames) && t.frames[i].Off < here.End; i++ {
		f := t.frames[i]
		part := extent.Range{Off: f.Off, End: f.Off + f.Stored}.Intersect(here)
		stored := data[part.Off-here.Off : part.End-here.Off]
		if part.Len() < f.Stored {
			stored = t.join(i, half{part.Off - f.Off, stored}, buf.stored)
		}
		if stored == nil {
			continue
		}
		if err := t.write(ctx, i, stored, buf.span); err != nil {
			return t.fails(err)
		}
	}
	return t.judge()
}

// join gives a frame that is complete with this part of it, in buf, or nil.
func (t *frameTaker) join(i int, part half, buf []byte) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	h, size := t.halves[i], int64(len(part.data))
	switch {
	case h == nil:
		h = &halves{}
		t.halves[i] = h
	case h.gone:
		return nil
	}
	if h.have+size < t.frames[i].Stored && t.held+size <= t.most {
		h.parts = append(h.parts, half{part.at, append([]byte(nil), part.data...)})
		h.have += size
		t.held += size
		return nil
	}
	t.held -= h.have
	whole := h.have+size == t.frames[i].Stored
	if whole {
		for _, p := range append(h.parts, part) {
			copy(buf[p.at:], p.data)
		}
	}
	*h = halves{gone: true}
	if !whole {
		return nil
	}
	return buf[:t.frames[i].Stored]
}

// write decodes a frame and writes it, if it is what it should be.
func (t *frameTaker) write(ctx context.Context, i int, stored, buf []byte) error {
	f := find(t.d.index.Frames(), t.frames[i].First) // what is wanted of it may be less: see cut
	data, err := t.d.unzip.Unpack(buf, stored, f, t.d.index.Range(f).Len())
	if err != nil {
		t.wrong.Add(1)
		return nil
	}
	t.right.Add(1)
	if err := t.p.w.begin(ctx); err != nil {
		return err
	}
	if err := t.p.put(ctx)(t.frames[i], data); err != nil {
		return err
	}
	t.mu.Lock()
	t.done[i] = true
	t.mu.Unlock()
	return nil
}

// left are the frames that have not been written. Nothing comes any more.
func (t *frameTaker) left() []image.Frame {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.halves = nil
	var all []image.Frame
	for i, f := range t.frames {
		if !t.done[i] {
			all = append(all, f)
		}
	}
	return all
}

// repair gives parts of a file.
func repair(file *transfer.Ranges) func(ctx context.Context, off, n int64) (io.ReadCloser, error) {
	return func(ctx context.Context, off, n int64) (io.ReadCloser, error) {
		return file.Stream(ctx, off, off+n), nil
	}
}
