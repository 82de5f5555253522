package stream

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/orbit-pxe/orbit/pkg/xxhash"
)

// stream decodes a frame too large to be held, whose first bytes are in prefix,
// while it is being read. One goroutine reads ahead (source), this one
// decodes, a third one computes the checksum and passes the blocks on. The
// library's own pipeline is not used: it splits decoding of a block in steps that
// exchange so much data that two cores are slower than one.
func (z *zstdDecoder) stream(h zstdHeader, prefix *Block) error {
	defer prefix.Release()
	if err := z.drain(); err != nil {
		return err
	}
	if h.window > z.lim.window {
		return &MemoryError{Format: Zstd, Need: h.window, Max: z.lim.window}
	}
	z.blocks.trim()
	z.held.trim()
	f := &zstdFrameReader{src: z.src, head: h, prefix: prefix.Data}
	if len(prefix.Data) == 0 {
		f.left = h.size
	}
	if err := z.openBig(f); err != nil {
		return err
	}

	sum := xxhash.New()
	filled := make(chan *Block, 1)
	var emitErr error
	var checker sync.WaitGroup
	checker.Go(func() {
		for b := range filled {
			if emitErr != nil {
				b.Release()
				continue
			}
			if h.checksum {
				sum.Write(b.Data)
			}
			emitErr = z.out.emit(b)
		}
	})
	w := &blockFiller{pool: z.out.pool, filled: filled}
	_, err := z.big.WriteTo(w)
	w.flush()
	close(filled)
	checker.Wait()
	switch {
	case emitErr != nil:
		return emitErr
	case err != nil:
		return zstdError(err)
	case h.checksum && uint32(sum.Sum64()) != f.sum():
		return fmt.Errorf("%w (zstd frame, XXH64)", ErrChecksum)
	}
	return nil
}

// openBig points the streaming decoder at a frame.
func (z *zstdDecoder) openBig(f *zstdFrameReader) (err error) {
	if z.big == nil {
		z.big, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.IgnoreChecksum(true),
			zstd.WithDecoderMaxWindow(max(z.lim.window, zstd.MinWindowSize)), zstd.WithDecoderMaxMemory(1<<63))
		if err != nil {
			return err
		}
	}
	return z.big.Reset(f)
}

// blockFiller is a writer that fills blocks and sends them on.
type blockFiller struct {
	pool   *pool
	filled chan<- *Block
	cur    *Block
}

func (w *blockFiller) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 {
		if w.cur == nil {
			if w.cur = w.pool.get(); w.cur == nil {
				return total - len(p), errStopped
			}
		}
		n := min(len(p), pumpBlock-len(w.cur.Data))
		w.cur.Data = append(w.cur.Data, p[:n]...)
		p = p[n:]
		if len(w.cur.Data) == pumpBlock {
			w.flush()
		}
	}
	return total, nil
}

func (w *blockFiller) flush() {
	if w.cur != nil {
		w.filled <- w.cur
		w.cur = nil
	}
}
