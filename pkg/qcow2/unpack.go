package qcow2

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
)

// unpacker decodes compressed clusters, from many goroutines at once. It keeps
// as many decoders as are in use at a time.
type unpacker struct {
	zstd  *zstd.Decoder // nil: deflate
	flate *sync.Pool    // of *inflater
}

// inflater is a deflate decoder with its input, to be used again.
type inflater struct {
	in *bytes.Reader
	z  io.ReadCloser
}

func newUnpacker(c compression) (unpacker, error) {
	if c == deflate {
		return unpacker{flate: new(sync.Pool)}, nil
	}
	// Without a reader the decoder has no goroutines and needs no Close.
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(runtime.GOMAXPROCS(0)), zstd.WithDecodeAllCapLimit(true))
	return unpacker{zstd: d}, err
}

// unpack decodes one cluster into out, which has its size. host is where in
// came from.
func (m *Image) unpack(out, in []byte, host int64) error {
	var err error
	if m.unpacker.zstd != nil {
		err = m.unpacker.unzstd(out, in)
	} else {
		err = m.unpacker.inflate(out, in)
	}
	if err != nil {
		return broken("cluster", host, "decompress: %v", err)
	}
	return nil
}

func (u unpacker) inflate(out, in []byte) error {
	f, _ := u.flate.Get().(*inflater)
	if f == nil {
		f = &inflater{in: new(bytes.Reader)}
		f.z = flate.NewReader(f.in)
	}
	defer u.flate.Put(f)
	f.in.Reset(in)
	if err := f.z.(flate.Resetter).Reset(f.in, nil); err != nil {
		return err
	}
	n, err := io.ReadFull(f.z, out)
	f.in.Reset(nil) // an idle decoder must not hold on to the input
	if err != nil {
		return fmt.Errorf("%w after %d of %d bytes", err, n, len(out))
	}
	return nil
}

// unzstd decodes frame by frame until out is full: behind the last one the
// sector may hold anything.
func (u unpacker) unzstd(out, in []byte) error {
	n := 0
	for n < len(out) {
		size, err := frameSize(in)
		if err != nil {
			return fmt.Errorf("%w after %d of %d bytes", err, n, len(out))
		}
		got, err := u.zstd.DecodeAll(in[:size], out[n:n:len(out)])
		if err != nil {
			return err
		}
		if n+len(got) > len(out) {
			return errors.New("it has more than a cluster")
		}
		n += len(got)
		in = in[size:]
	}
	return nil
}

// frameSize walks over the blocks of the zstd frame that b begins with (RFC
// 8878, section 3.1.1).
func frameSize(b []byte) (int, error) {
	var h zstd.Header
	if err := h.Decode(b); err != nil {
		return 0, err
	}
	n := h.HeaderSize
	if h.Skippable {
		if n += int(h.SkippableSize); n > len(b) {
			return 0, io.ErrUnexpectedEOF
		}
		return n, nil
	}
	for last := false; !last; {
		if len(b)-n < 3 {
			return 0, io.ErrUnexpectedEOF
		}
		head := uint32(binary.LittleEndian.Uint16(b[n:])) | uint32(b[n+2])<<16
		last = head&1 != 0
		stored := int(head >> 3)
		if head>>1&3 == 1 { // one byte, repeated
			stored = 1
		}
		n += 3 + stored
		if n > len(b) {
			return 0, io.ErrUnexpectedEOF
		}
	}
	if h.HasCheckSum {
		n += 4
	}
	if n > len(b) {
		return 0, io.ErrUnexpectedEOF
	}
	return n, nil
}
