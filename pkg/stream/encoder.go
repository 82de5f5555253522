package stream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"
)

// writer cuts its input into pieces, compresses them side by side and writes
// them in order. A fixed number of pieces goes round.
type writer struct {
	w     io.Writer
	enc   *zstd.Encoder
	cur   *piece
	order chan *piece // being compressed, in the order of the stream
	free  chan *piece
	zeros atomic.Pointer[[]byte] // the frame of a piece of zeros

	sequencer sync.WaitGroup
	mu        sync.Mutex
	err       error // first error of w
	wrote     bool  // at least one frame
	closed    bool
}

// sizeFrame is the skippable frame that pzstd puts before each frame, and needs
// for decoding on all cores: its four bytes hold the size of the frame.
var sizeFrame = [12]byte{0x50, 0x2a, 0x4d, 0x18, 4}

// piece is the input and output of one frame.
type piece struct {
	in, out []byte
	done    chan struct{} // one token when compressed
}

var errWriterClosed = errors.New("write zstd stream: already closed")

func (z *writer) Write(p []byte) (int, error) {
	if z.closed {
		return 0, errWriterClosed
	}
	total := len(p)
	for len(p) > 0 {
		if err := z.failed(); err != nil {
			return total - len(p), err
		}
		if z.cur == nil {
			z.cur = <-z.free
			if z.cur.in == nil {
				z.cur.in = make([]byte, 0, frameSize)
			}
			z.cur.in = z.cur.in[:0]
		}
		n := min(frameSize-len(z.cur.in), len(p))
		z.cur.in = append(z.cur.in, p[:n]...)
		p = p[n:]
		if len(z.cur.in) == frameSize {
			z.submit()
		}
	}
	return total, nil
}

// submit starts compression of the current piece.
func (z *writer) submit() {
	p := z.cur
	z.cur = nil
	z.wrote = true
	go func() { // waited for by the sequencer, which takes the token
		z.encode(p)
		p.done <- struct{}{}
	}()
	z.order <- p
}

// encode makes a frame of a piece. That of a whole piece of zeros is always
// the same and made once.
func (z *writer) encode(p *piece) {
	empty := len(p.in) == frameSize && isZero(p.in)
	if frame := z.zeros.Load(); empty && frame != nil {
		p.out = append(p.out[:0], *frame...)
		return
	}
	p.out = z.enc.EncodeAll(p.in, append(p.out[:0], sizeFrame[:]...))
	binary.LittleEndian.PutUint32(p.out[8:], uint32(len(p.out)-len(sizeFrame)))
	if empty {
		frame := bytes.Clone(p.out)
		z.zeros.Store(&frame)
	}
}

func (z *writer) sequence() {
	for p := range z.order {
		<-p.done
		if z.failed() == nil {
			if _, err := z.w.Write(p.out); err != nil {
				z.mu.Lock()
				z.err = fmt.Errorf("write zstd stream: %w", err)
				z.mu.Unlock()
			}
		}
		z.free <- p
	}
}

func (z *writer) failed() error {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.err
}

// Close compresses what is left and waits until all is written.
func (z *writer) Close() error {
	if z.closed {
		return nil
	}
	z.closed = true
	if z.cur == nil && !z.wrote {
		z.cur = <-z.free // an empty stream is one empty frame
	}
	if z.cur != nil {
		z.submit()
	}
	close(z.order)
	z.sequencer.Wait()
	return errors.Join(z.failed(), z.enc.Close())
}
