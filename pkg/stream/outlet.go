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
	blocks chan *Block
	stop   <-chan struct{}
	pool   *pool  // of pumpBlock
	total  int64  // bytes emitted
	tail   *Block // not yet full: what did not fit the alignment
}

func newOutlet(stop <-chan struct{}) outlet {
	// Held by the consumer, in blocks, being filled, being checked, tail.
	return outlet{blocks: make(chan *Block, 1), stop: stop, pool: newPool(MaxHeld+6, pumpBlock, stop)}
}

// emit hands a block over.
func (o *outlet) emit(b *Block) error {
	o.total += int64(len(b.Data))
	if o.tail == nil && len(b.Data)%Align == 0 {
		return o.send(b)
	}
	rest := b.Data
	if o.tail == nil {
		// Send all but the odd bytes at the end, which begin a tail.
		whole := len(rest) &^ (Align - 1)
		if o.tail = o.pool.get(); o.tail == nil {
			b.Release()
			return errStopped
		}
		o.tail.Data = append(o.tail.Data, rest[whole:]...)
		b.Data = rest[:whole]
		return o.send(b)
	}
	// Out of step: pack by copying until a border falls into step again.
	defer b.Release()
	for len(rest) > 0 {
		if o.tail == nil {
			if o.tail = o.pool.get(); o.tail == nil {
				return errStopped
			}
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
	case o.blocks <- b:
		return nil
	case <-o.stop:
		b.Release()
		return errStopped
	}
}

// copyFrom emits all of rd, up to a clean io.EOF.
func (o *outlet) copyFrom(rd io.Reader) error {
	for {
		b := o.pool.get()
		if b == nil {
			return errStopped
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
