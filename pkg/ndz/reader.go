package ndz

import (
	"io"
	"sync"
)

// Chunk is a chunk that has been read, its header checked.
type Chunk struct {
	Index  int64 // in the file
	Header Header
	Data   []byte // all ChunkSize bytes, header included

	pool *sync.Pool
}

// Release gives the memory of the chunk back; it is not used any more.
func (c *Chunk) Release() {
	if c.pool != nil {
		c.pool.Put(c)
	}
}

func newPool() *sync.Pool {
	p := new(sync.Pool)
	p.New = func() any { return &Chunk{Data: make([]byte, ChunkSize), pool: p} }
	return p
}

// Reader reads an image from its first byte to its last.
type Reader struct {
	r     io.Reader
	order *Order
	n     int64
	err   error // for ever
	pool  *sync.Pool
}

// NewReader reads the image that r gives.
func NewReader(r io.Reader, o Options) *Reader {
	return &Reader{r: r, order: NewOrder(o, 0), pool: newPool()}
}

// Next gives the next chunk, its header having been checked by itself and
// against those before it. io.EOF is the end of a complete image.
func (r *Reader) Next() (*Chunk, error) {
	if r.err != nil {
		return nil, r.err
	}
	c := r.pool.Get().(*Chunk)
	if r.err = r.read(c); r.err != nil {
		c.Release()
		return nil, r.err
	}
	r.n++
	return c, nil
}

func (r *Reader) read(c *Chunk) error {
	n, err := io.ReadFull(r.r, c.Data)
	switch {
	case n == 0 && err == io.EOF:
		if err := r.order.End(); err != nil {
			return err
		}
		return io.EOF
	case err == io.ErrUnexpectedEOF && n > 0:
		if r.n == 0 && !magical(c.Data[:n]) {
			return at(0, ErrMagic.as("a file of %d bytes", int64(n)))
		}
		return at(r.n, ErrTruncated.as("it has only %d bytes", int64(n)))
	case err != nil:
		return at(r.n, err)
	}
	c.Index = r.n
	if err := c.Header.parse(c.Data); err != nil {
		return at(r.n, err)
	}
	return r.order.Add(r.n, &c.Header)
}

// Order is what is known of the chunks so far. It is not to be added to.
func (r *Reader) Order() *Order { return r.order }

// Size is how much of the disk the chunks so far speak for, in bytes; after
// io.EOF, the size of the image.
func (r *Reader) Size() int64 { return r.order.Size() }
