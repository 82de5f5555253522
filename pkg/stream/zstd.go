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

const (
	// batchSize is the decoded size up to which small frames are decoded as
	// one piece of work.
	batchSize = 1 << 20

	// frameExtra is what a frame as it comes may be longer than decoded:
	// headers and checksum. It also leaves the decoder room to copy whole words.
	frameExtra = 64 << 10

	// anyWindow is the largest window the format can express. A frame decoded
	// as a whole has its history in its own output, so it needs none.
	anyWindow = 1<<41 + 7<<38
)

// zstdDecoder walks the frames of a stream in the goroutine that made it. Frames
// small enough to be held go to workers, and a sequencer hands their output
// on in the order of the stream; larger ones are decoded on the way.
//
// With N workers N+1 frames are held as they come (blocks that repeat one byte
// written out), and N+1 decoded besides those of the consumer.
type zstdDecoder struct {
	src    *source
	out    *outlet
	lim    limits
	held   *pool // for frames as they come
	blocks *pool // for decoded frames

	dec   *zstd.Decoder // for held frames, any number at a time
	big   *zstd.Decoder // for streamed frames, one at a time
	work  chan *zstdJob
	order chan *zstdJob
	fail  chan struct{} // closed when the sequencer has met an error
	err   error         // that error
	zeros atomic.Pointer[zeroRun]
}

// zstdJob is a run of held frames.
type zstdJob struct {
	in    *Block
	bound int // most that it decodes to
	out   *Block
	err   error
	done  chan struct{}
}

func decodeZstd(src *source, out *outlet, l limits) error {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(l.workers),
		zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxWindow(anyWindow))
	if err != nil {
		return err
	}
	defer dec.Close()
	z := &zstdDecoder{
		src: src, out: out, lim: l, dec: dec,
		held:   newPool(l.workers+1, l.frame+frameExtra, nil),
		blocks: newPool(l.workers+1+MaxHeld, l.frame+Align, out.stop),
		work:   make(chan *zstdJob),
		order:  make(chan *zstdJob, l.workers+1),
		fail:   make(chan struct{}),
	}
	var workers, sequencer sync.WaitGroup
	for range l.workers {
		workers.Go(z.worker)
	}
	sequencer.Go(z.sequence)

	err = z.walk()
	close(z.work)
	workers.Wait()
	close(z.order)
	sequencer.Wait()
	if z.big != nil {
		z.big.Close()
	}
	if z.err != nil { // earlier in the stream than whatever stopped the walk
		return z.err
	}
	return err
}

// walk reads frame after frame until the source ends.
func (z *zstdDecoder) walk() error {
	var batch *zstdJob
	for {
		job, h, err := z.nextFrame()
		if batch != nil && (err != nil || !batch.join(job)) {
			if err := z.submit(batch); err != nil {
				job.release()
				return err
			}
			batch = nil
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case job.done == nil:
			if err := z.stream(h, job.in); err != nil {
				return err
			}
		case batch == nil:
			batch = job
		}
	}
}

// join adds a small frame to a batch of small frames.
func (b *zstdJob) join(job *zstdJob) bool {
	if job.done == nil || b.bound+job.bound > batchSize || len(b.in.Data)+len(job.in.Data) > cap(b.in.Data) {
		return false
	}
	b.in.Data = append(b.in.Data, job.in.Data...)
	b.bound += job.bound
	job.release()
	return true
}

// release gives back the held bytes; a nil job has none.
func (b *zstdJob) release() {
	if b != nil {
		b.in.Release()
	}
}

// nextFrame passes over skippable frames and holds the next one. io.EOF is the
// clean end of the stream; it is not clean after a size frame, which announces
// another one.
func (z *zstdDecoder) nextFrame() (*zstdJob, zstdHeader, error) {
	announced := false
	for {
		b, err := z.src.Peek(zstdMaxHeader)
		if err != nil && len(b) == 0 && announced {
			err = noEOF(err)
		}
		if err != nil && (err != io.EOF || len(b) == 0) {
			return nil, zstdHeader{}, err
		}
		h, err := parseZstdHeader(b)
		if err != nil {
			return nil, h, err
		}
		if !h.skippable {
			job, err := z.hold(h)
			return job, h, err
		}
		announced = string(b[:h.size]) == string(sizeFrame[:h.size])
		magic := binary.LittleEndian.Uint32(b)
		if !z.lim.wanted(magic, h.skip) {
			if err := z.src.skip(int64(h.size) + h.skip); err != nil {
				return nil, h, err
			}
			continue
		}
		if err := z.src.skip(int64(h.size)); err != nil {
			return nil, h, err
		}
		content, err := io.ReadAll(io.LimitReader(z.src, h.skip))
		if err == nil && int64(len(content)) < h.skip {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, h, noEOF(err)
		}
		z.lim.skipped(content)
	}
}

// hold reads a whole frame. If it is too large for that the job comes back with
// no done channel and the part of the frame read so far.
func (z *zstdDecoder) hold(h zstdHeader) (*zstdJob, error) {
	job := &zstdJob{in: z.held.get()}
	f := &zstdFrameReader{src: z.src, head: h, left: h.size}
	if h.content != zstdUnknown && h.content > uint64(z.lim.frame) {
		return job, nil
	}
	for {
		var err error
		job.in.Data, err = fill(f, job.in.Data, len(job.in.Data)+f.pending())
		if err != nil {
			job.release()
			return nil, err
		}
		if f.last {
			break
		}
		more, err := z.block(f, job)
		if err != nil {
			job.release()
			return nil, err
		}
		if !more {
			return job, nil
		}
	}
	if h.content != zstdUnknown {
		job.bound = int(h.content)
	}
	job.done = make(chan struct{})
	return job, nil
}

// block sets f to read the next block, unless that would make the frame too
// large to be held.
func (z *zstdDecoder) block(f *zstdFrameReader, job *zstdJob) (more bool, err error) {
	k, err := f.peek()
	if err != nil {
		return false, err
	}
	bound, size := job.bound+k.decoded, 3+k.stored+4
	if k.rle {
		size += k.decoded
	}
	if f.head.content == zstdUnknown && bound > z.lim.frame || len(job.in.Data)+size > cap(job.in.Data) {
		return false, nil
	}
	job.bound = bound
	return true, f.next(k)
}

// submit gives a job to the workers, in order. Its output block is taken here,
// so that a later job can never keep an earlier one from memory.
func (z *zstdDecoder) submit(job *zstdJob) error {
	job.out = z.blocks.get()
	if job.out == nil {
		job.release()
		return errStopped
	}
	select {
	case z.order <- job:
	case <-z.fail:
		job.release()
		job.out.Release()
		return errStopped
	}
	z.work <- job
	return nil
}

func (z *zstdDecoder) worker() {
	for job := range z.work {
		z.decode(job)
		job.release()
		close(job.done)
	}
}

// zeroRun is a piece of work that decodes to n zeros.
type zeroRun struct {
	in []byte
	n  int
}

// zeroRunLimit is how long a piece of work may be to be kept as a zeroRun: 4 MiB of
// zeros take a few hundred bytes, and a block or two that is written out.
const zeroRunLimit = 2*zstdBlockLimit + 4<<10

// decode decodes a job. Much of a disk is empty, in equal frames: the same
// bytes as last time decode to the same zeros, checksum and all.
func (z *zstdDecoder) decode(job *zstdJob) {
	small := len(job.in.Data) <= zeroRunLimit
	if last := z.zeros.Load(); small && last != nil && bytes.Equal(last.in, job.in.Data) {
		job.out.Data, job.out.Zero = job.out.Data[:last.n], true
		clear(job.out.Data)
		return
	}
	job.out.Data, job.err = z.dec.DecodeAll(job.in.Data, job.out.Data)
	if small && job.err == nil && isZero(job.out.Data) {
		job.out.Zero = true
		z.zeros.Store(&zeroRun{bytes.Clone(job.in.Data), len(job.out.Data)})
	}
}

// isZero tells whether b is all zeros, at the speed of comparing memory.
func isZero(b []byte) bool {
	return len(b) == 0 || b[0] == 0 && bytes.Equal(b[1:], b[:len(b)-1])
}

// sequence emits finished jobs in order; after an error it only clears up.
func (z *zstdDecoder) sequence() {
	for job := range z.order {
		if job.out == nil { // the mark of drain
			close(job.done)
			continue
		}
		<-job.done
		if z.err != nil {
			job.out.Release()
			continue
		}
		err := z.out.emit(job.out)
		if err == nil && job.err != nil {
			err = zstdError(job.err)
		}
		if err != nil {
			z.err = err
			close(z.fail)
		}
	}
}

// drain waits until the sequencer has emitted all that was submitted; from then
// on the outlet belongs to the walker.
func (z *zstdDecoder) drain() error {
	mark := &zstdJob{done: make(chan struct{})}
	z.order <- mark
	<-mark.done
	return z.err
}

// zstdError names the decoder's errors in our terms.
func zstdError(err error) error {
	if errors.Is(err, zstd.ErrCRCMismatch) {
		return fmt.Errorf("%w (zstd frame, XXH64)", ErrChecksum)
	}
	return err
}
