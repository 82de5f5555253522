package image

import (
	"fmt"

	"github.com/klauspost/compress"
	"github.com/klauspost/compress/zstd"
)

// Packer turns spans into frames. It is safe for concurrent use.
type Packer struct {
	enc *zstd.Encoder
}

// NewPacker makes a packer for a level as of the zstd tool, 1 to 22, that is
// used by so many goroutines at a time.
func NewPacker(level, workers int) (*Packer, error) {
	if level < 1 || level > 22 {
		return nil, fmt.Errorf("zstd level %d: want 1 to 22", level)
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(workers), zstd.WithEncoderCRC(true),
		zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(level)), zstd.WithWindowSize(Span), zstd.WithLowerEncoderMem(workers > 8))
	if err != nil {
		return nil, err
	}
	return &Packer{enc}, nil
}

// Packed is a span that is ready for a Writer.
type Packed struct {
	Kind   Kind
	Digest Digest // unset for Empty
	Frame  []byte // nil but for Data
}

// sample is how much of a span is looked at to tell whether it will shrink.
const sample = 16 << 10

// Pack makes the frame of one span, which holds zeros wherever it is not in
// use. The frame is appended to buf.
func (p *Packer) Pack(buf, span []byte) Packed {
	if isZero(span) {
		return Packed{Kind: Empty}
	}
	return Packed{Kind: Data, Digest: Sum(span), Frame: p.frame(buf, span)}
}

// frame compresses what will shrink. What random data looks like, in three
// places, is stored as it is: trying would cost more than all the rest.
func (p *Packer) frame(buf, span []byte) []byte {
	if n := len(span); n == Span && random(span[:sample]) && random(span[n/2:n/2+sample]) && random(span[n-sample:]) {
		return rawFrame(buf, span)
	}
	return p.enc.EncodeAll(span, buf)
}

// random tells bytes that are spread so evenly that no entropy coder gains by them.
func random(p []byte) bool { return compress.Estimate(p) < 0.02 }

// Close frees what the packer holds.
func (p *Packer) Close() error { return p.enc.Close() }

// Unpacker turns frames into spans. It is safe for concurrent use.
type Unpacker struct {
	dec *zstd.Decoder
}

// NewUnpacker makes an unpacker that is used by so many goroutines at a time.
func NewUnpacker(workers int) (*Unpacker, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(workers), zstd.WithDecodeAllCapLimit(true),
		zstd.WithDecoderMaxMemory(MaxFrame), zstd.IgnoreChecksum(true)) // the digest tells more
	if err != nil {
		return nil, err
	}
	return &Unpacker{dec}, nil
}

// Unpack decodes the frame of a Data span into buf, which has room for a span or
// more, and checks its digest. size is the length of the span. The error is a
// *FormatError or a *DigestError: fetch the frame again.
func (u *Unpacker) Unpack(buf, frame []byte, f Frame, size int64) ([]byte, error) {
	span, err := u.dec.DecodeAll(frame, buf[:0])
	if err != nil || int64(len(span)) != size {
		if err == nil {
			err = fmt.Errorf("it has %d bytes, expected %d", len(span), size)
		}
		return nil, badf(fmt.Sprintf("frame of span %d", f.First), "%v (damaged)", err)
	}
	if got := Sum(span); got != f.Digest {
		return nil, &DigestError{Span: f.First, Want: f.Digest, Got: got}
	}
	return span, nil
}

// Close frees what the unpacker holds.
func (u *Unpacker) Close() { u.dec.Close() }
