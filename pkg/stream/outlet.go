package stream

import (
	"errors"
	"io"
)

// errStopped ends a decoder whose Reader has been closed.
var errStopped = errors.New("stopped")

// pumpBlock is the size of block that sequential decoders fill.
const pumpBlock = 1 << 20

// outlet passes decoded blocks to the consumer and sees to it that all but
// the last are a multiple of Align long. One goroutine uses it at a time.
type outlet struct {
	r     *Reader
	total int64
	tail  *Block // not yet full: what did not fit the alignment
}

// block returns an empty block for n bytes, once memory allows.
func (o *outlet) block(n int) (*Block, error) {
	b := o.r.pool.get(n)
	if b == nil {
		return nil, errStopped
	}
	return b, nil
}

// emit hands a block over.
func (o *outlet) emit(b *Block) error {
	o.total += int64(len(b.Data))
	if o.tail == nil {
		odd := len(b.Data) % Align
		if odd == 0 {
			return o.send(b)
		}
		o.tail = o.r.pool.force(pumpBlock)
		whole := len(b.Data) - odd
		o.tail.Data = append(o.tail.Data, b.Data[whole:]...)
		b.Data = b.Data[:whole]
		return o.send(b)
	}
	// Out of step: pack by copying until a boundary falls into step again.
	defer b.Release()
	rest := b.Data
	for len(rest) > 0 {
		if o.tail == nil {
			o.tail = o.r.pool.force(pumpBlock)
		}
		n := min(pumpBlock-len(o.tail.Data), len(rest))
		o.tail.Data = append(o.tail.Data, rest[:n]...)
		rest = rest[n:]
		if len(o.tail.Data) == pumpBlock || len(rest) == 0 && len(o.tail.Data)%Align == 0 {
			if err := o.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush sends what is left at the end of the stream.
func (o *outlet) flush() error {
	if o.tail == nil {
		return nil
	}
	b := o.tail
	o.tail = nil
	return o.send(b)
}

func (o *outlet) send(b *Block) error {
	if len(b.Data) == 0 {
		b.Release()
		return nil
	}
	select {
	case o.r.blocks <- b:
		return nil
	case <-o.r.stop:
		b.Release()
		return errStopped
	}
}

// copyFrom emits all of rd, up to a clean io.EOF.
func (o *outlet) copyFrom(rd io.Reader) error {
	for {
		b, err := o.block(pumpBlock)
		if err != nil {
			return err
		}
		var rerr error
		b.Data, rerr = fill(rd, b.Data, pumpBlock)
		if err := o.emit(b); err != nil {
			return err
		}
		if rerr == io.EOF {
			return nil
		}
		if rerr != nil {
			return rerr
		}
	}
}

// fill reads until n bytes are in b. Unlike io.ReadFull it leaves an io.EOF
// and an io.ErrUnexpectedEOF of the reader as they are.
func fill(rd io.Reader, b []byte, n int) ([]byte, error) {
	idle := 0
	for len(b) < n {
		m, err := rd.Read(b[len(b):n])
		b = b[:len(b)+m]
		if err != nil {
			return b, err
		}
		if m > 0 {
			idle = 0
		} else if idle++; idle > 100 {
			return b, io.ErrNoProgress
		}
	}
	return b, nil
}
