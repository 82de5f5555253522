package stream

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
)

// Options bound what a Reader uses. The zero value is good.
type Options struct {
	Workers   int   // decoding goroutines; 0 means one per CPU
	MaxMemory int64 // bytes of buffers; 0 means 40 MiB and 16 MiB a worker, and windows up to 128 MiB

	// Skipped is told the content of every skippable frame of a zstd stream for
	// which Wanted holds, before the frames behind it are decoded. Both may be nil.
	Wanted  func(magic uint32, size int64) bool
	Skipped func(content []byte)
}

// Reader decodes a stream. Use one of Next, Read and WriteTo; they may be mixed,
// but not be called at the same time.
type Reader struct {
	format Format
	src    *source
	out    outlet
	stop   chan struct{} // closed by Close
	once   sync.Once
	wg     sync.WaitGroup

	err    error  // of the decoder; valid once out.blocks is closed
	cur    *Block // partly consumed by Read
	curOff int
	offset int64
}

// NewReader reads the first bytes of r to tell its format and starts decoding.
// The Reader must be closed.
func NewReader(r io.Reader, o Options) (*Reader, error) {
	d := &Reader{stop: make(chan struct{})}
	d.src = newSource(r, d.stop)
	d.out = newOutlet(d.stop)
	head, err := d.src.Peek(sniffLen)
	d.format = Detect(head)
	if err != nil && err != io.EOF {
		d.Close()
		return nil, fmt.Errorf("read start of stream: %w", err)
	}
	if err == io.EOF {
		if f, cut := cutShort(head); cut {
			d.Close()
			return nil, &TruncatedError{Format: f, Input: int64(len(head))}
		}
	}
	l := o.limits()
	d.wg.Go(func() {
		defer close(d.out.blocks)
		d.err = d.explain(d.decode(l))
	})
	return d, nil
}

// limits are Options worked out.
type limits struct {
	workers int    // that decode whole frames
	frame   int    // bytes of the largest frame that is held whole, decoded
	window  uint64 // bytes of history allowed to a streamed frame

	wanted  func(magic uint32, size int64) bool
	skipped func(content []byte)
}

// wantFrame is what pzstd makes at its usual levels; NewWriter makes half of it.
const wantFrame = 8 << 20

func (o Options) limits() limits {
	l := limits{workers: o.Workers, frame: wantFrame, window: 128 << 20, wanted: o.Wanted, skipped: o.Skipped}
	if l.wanted == nil || l.skipped == nil {
		l.wanted = func(uint32, int64) bool { return false }
	}
	if l.workers <= 0 {
		l.workers = runtime.GOMAXPROCS(0)
	}
	memory := int(o.MaxMemory)
	if memory <= 0 {
		memory = 40<<20 + 16<<20*l.workers
	} else {
		// A streamed frame needs its window and a few small blocks.
		l.window = uint64(max(memory/2, memory-16<<20))
	}
	// Frames are held in buffers: see zstdDecoder.
	if fit := (memory/l.frame - MaxHeld - 2) / 2; fit < l.workers {
		l.workers = max(1, fit)
		l.frame = min(l.frame, max(memory/(MaxHeld+4), 256<<10)&^(Align-1))
	}
	return l
}

func (r *Reader) decode(l limits) error {
	out := &r.out
	var err error
	switch r.format {
	case Gzip:
		err = decodeGzip(r.src, out)
	case Xz:
		err = decodeXz(r.src, out, l)
	case Zstd:
		err = decodeZstd(r.src, out, l)
	case Bzip2:
		err = decodeBzip2(r.src, out)
	default:
		err = out.copyFrom(r.src)
	}
	return errors.Join(err, out.flush())
}

// explain turns a decoder's error into one for callers. An error of the
// source itself goes first: what the decoder says then is only its echo.
func (r *Reader) explain(err error) error {
	var m *MemoryError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errStopped):
		return ErrClosed
	case r.src.err != nil:
		return fmt.Errorf("read %s stream at byte %d: %w", r.format, r.src.count, r.src.err)
	case errors.As(err, &m):
		return err
	}
	at := r.out.total
	if r.src.eof && truncated(err) {
		return &TruncatedError{Format: r.format, Offset: at, Input: r.src.count}
	}
	return &FormatError{Format: r.format, Offset: at, Err: err}
}

// Format tells how the stream is compressed.
func (r *Reader) Format() Format { return r.format }

// Offset is the number of decoded bytes the consumer has been given.
func (r *Reader) Offset() int64 { return r.offset }

// Next returns the next decoded bytes without copying them. The caller must
// Release the block, before or after further calls, and hold no more than
// MaxHeld at a time. Data is page-aligned; every block but the last of the
// stream is a multiple of Align long. At the end of a complete stream the
// error is io.EOF.
func (r *Reader) Next() (*Block, error) {
	if b := r.cur; b != nil {
		b.Data = b.Data[r.curOff:]
		r.offset += int64(len(b.Data))
		r.cur, r.curOff = nil, 0
		return b, nil
	}
	b, err := r.next()
	if err != nil {
		return nil, err
	}
	r.offset += int64(len(b.Data))
	return b, nil
}

func (r *Reader) next() (*Block, error) {
	select {
	case <-r.stop:
		return nil, ErrClosed
	default:
	}
	b, ok := <-r.out.blocks
	if ok {
		return b, nil
	}
	if r.err != nil {
		return nil, r.err
	}
	return nil, io.EOF
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if r.cur == nil {
		b, err := r.next()
		if err != nil {
			return 0, err
		}
		r.cur, r.curOff = b, 0
	}
	n := copy(p, r.cur.Data[r.curOff:])
	r.curOff += n
	r.offset += int64(n)
	if r.curOff == len(r.cur.Data) {
		r.cur.Release()
		r.cur = nil
	}
	return n, nil
}

// WriteTo implements io.WriterTo: w sees whole blocks.
func (r *Reader) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		b, err := r.Next()
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		n, err := w.Write(b.Data)
		total += int64(n)
		if err == nil && n < len(b.Data) {
			err = io.ErrShortWrite
		}
		b.Release()
		if err != nil {
			return total, err
		}
	}
}

// Close ends decoding, waits for its goroutines and frees the memory. Where
// the source may block in Read for long, make it return first. Close does
// not close the source.
func (r *Reader) Close() error {
	r.once.Do(func() {
		close(r.stop)
		r.wg.Wait()
		r.src.wg.Wait()
		if r.cur != nil {
			r.cur.Release()
			r.cur = nil
		}
	})
	return nil
}
