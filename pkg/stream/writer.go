package stream

import (
	"fmt"
	"io"
	"runtime"

	"github.com/klauspost/compress/zstd"
)

// frameSize is how much input goes into one frame: little enough for many
// cores and bounded memory, a multiple of Align, and so large that the
// lost history costs under one per cent.
const frameSize = 4 << 20

// NewWriter returns a writer that compresses to zstd: one frame with a
// checksum and its content size for each 4 MiB of input, so that decoders can work on
// all cores. level is as of the zstd tool, 1 to 22, 0 for its default; workers
// 0 means one per CPU. Memory is about 10 MiB a worker at low levels. Close completes the stream
// and does not close w.
func NewWriter(w io.Writer, level, workers int) (io.WriteCloser, error) {
	if level < 0 || level > 22 {
		return nil, fmt.Errorf("zstd level %d: want 1 to 22, or 0 for the default", level)
	}
	if level == 0 {
		level = 3
	}
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(workers), zstd.WithEncoderCRC(true),
		zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(level)), zstd.WithWindowSize(frameSize), zstd.WithZeroFrames(true))
	if err != nil {
		return nil, err
	}
	z := &writer{w: w, enc: enc, order: make(chan *piece, workers), free: make(chan *piece, workers+1)}
	for range cap(z.free) {
		z.free <- &piece{done: make(chan struct{}, 1)}
	}
	z.sequencer.Go(z.sequence)
	return z, nil
}
