package stream

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

const (
	// batchSize is the decoded size up to which small frames are decoded as
	// one piece of work.
	batchSize = 1 << 20

	// slack is room past the end of a decoded frame that lets the decoder copy in
	// whole words.
	slack = 64
)

// zstdDecoder walks the frames of a stream in the goroutine that made it. Frames
// small enough to be held go to workers, and a sequencer hands their output
// on in the order of the stream; larger ones are decoded on the way.
type zstdDecoder struct {
	src  *source
	out  *outlet
	lim  limits
	held *pool // compressed bytes of held frames

	dec   *zstd.Decoder // for held frames, any number at a time
	big   *zstd.Decoder // for streamed frames, one at a time
	work  chan *zstdJob
	order chan *zstdJob
	fail  chan struct{} // closed when the sequencer has met an error
	err   error         // that error
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
		zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxWindow(max(uint64(l.frame)*2, zstd.MinWindowSize)))
	if err != nil {
		return err
	}
	defer dec.Close()
	z := &zstdDecoder{
		src: src, out: out, lim: l, dec: dec,
		held:  newPool(l.held),
		work:  make(chan *zstdJob),
		order: make(chan *zstdJob, l.workers+1),
		fail:  make(chan struct{}),
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
		b, err := z.src.Peek(zstdMaxHeader)
		if err != nil && err != io.EOF {
			return err
		}
		if len(b) == 0 {
			return z.submit(batch)
		}
		h, err := parseZstdHeader(b)
		if err != nil {
			return errors.Join(z.submit(batch), err)
		}
		if h.skippable {
			if err := z.skip(h); err != nil {
				return errors.Join(z.submit(batch), err)
			}
			continue
		}
		job, err := z.hold(h)
		if err != nil {
			return errors.Join(z.submit(batch), err)
		}
		if batch != nil && job.done != nil && batch.bound+job.bound <= batchSize &&
			len(batch.in.Data)+len(job.in.Data) <= cap(batch.in.buf) {
			batch.in.Data = append(batch.in.Data, job.in.Data...)
			batch.bound += job.bound
			job.in.Release()
			continue
		}
		if err := z.submit(batch); err != nil {
			return err
		}
		batch = job
		if job.done == nil {
			batch = nil
			if err := z.stream(h, job.in); err != nil {
				return err
			}
		}
	}
}

// skip passes over a skippable frame.
func (z *zstdDecoder) skip(h zstdHeader) error {
	_, err := io.CopyN(io.Discard, z.src.Reader, int64(h.size)+h.skip)
	return noEOF(err)
}

// hold reads a whole frame. If that takes too much memory the job comes back
// with no done channel and the part of the frame read so far.
func (z *zstdDecoder) hold(h zstdHeader) (*zstdJob, error) {
	job := &zstdJob{in: z.held.get(heldStart)}
	f := &zstdFrameReader{src: z.src, head: h, left: h.size}
	if h.content != zstdUnknown && h.content > uint64(z.lim.frame) {
		return job, nil
	}
	for {
		if f.left > cap(job.in.buf)-len(job.in.Data) {
			bigger := z.held.force(2*cap(job.in.buf) + f.left)
			bigger.Data = append(bigger.Data, job.in.Data...)
			job.in.Release()
			job.in = bigger
		}
		n := len(job.in.Data) + f.left
		var err error
		job.in.Data, err = fill(f, job.in.Data, n)
		if err != nil {
			job.in.Release()
			return nil, err
		}
		if f.last {
			break
		}
		b, err := z.src.Peek(3)
		if err != nil {
			job.in.Release()
			return nil, noEOF(err)
		}
		k, err := parseZstdBlock(b, h)
		if err != nil {
			job.in.Release()
			return nil, err
		}
		job.bound += k.decoded
		if h.content == zstdUnknown && job.bound > z.lim.frame || len(job.in.Data)+k.stored > z.lim.frame+zstdBlockLimit {
			return job, nil
		}
		f.left, f.last = 3+k.stored, k.last
		if k.last && h.checksum {
			f.left += 4
		}
	}
	if h.content != zstdUnknown {
		job.bound = int(h.content)
	}
	job.done = make(chan struct{})
	return job, nil
}

// heldStart is the first guess at the stored size of a held frame.
const heldStart = 1 << 20

// submit gives a job to the workers, in order. Its output block is taken here,
// so that a later job can never keep an earlier one from memory.
func (z *zstdDecoder) submit(job *zstdJob) error {
	if job == nil {
		return nil
	}
	out, err := z.out.block(job.bound + slack)
	if err != nil {
		job.in.Release()
		return err
	}
	job.out = out
	select {
	case z.order <- job:
	case <-z.fail:
		job.in.Release()
		job.out.Release()
		return errStopped
	}
	z.work <- job
	return nil
}

func (z *zstdDecoder) worker() {
	for job := range z.work {
		job.out.Data, job.err = z.dec.DecodeAll(job.in.Data, job.out.Data)
		job.in.Release()
		close(job.done)
	}
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

// stream decodes the frame that begins with the bytes in prefix while it is being
// read.
func (z *zstdDecoder) stream(h zstdHeader, prefix *Block) error {
	defer prefix.Release()
	if h.window > z.lim.window {
		return &MemoryError{Format: Zstd, Need: h.window, Max: z.lim.window}
	}
	if err := z.drain(); err != nil {
		return err
	}
	z.out.r.pool.trim()
	f := &zstdFrameReader{src: z.src, head: h, prefix: prefix.Data}
	if len(prefix.Data) == 0 {
		f.left = h.size
	}
	if z.big == nil {
		var err error
		z.big, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(max(2, min(z.lim.workers, 4))),
			zstd.WithDecoderMaxWindow(max(z.lim.window, zstd.MinWindowSize)), zstd.WithDecoderMaxMemory(1<<63))
		if err != nil {
			return err
		}
	}
	if err := z.big.Reset(f); err != nil {
		return zstdError(err)
	}
	return zstdError(z.out.copyFrom(z.big))
}

// zstdError names the decoder's errors in our terms.
func zstdError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, zstd.ErrCRCMismatch):
		return fmt.Errorf("%w (zstd frame, XXH64)", ErrChecksum)
	}
	return err
}
