package imagefile

import (
	"context"
	"io"
	"sync"

	"github.com/orbit-pxe/orbit/pkg/transfer"
)

const (
	blockSize = 4 << 20 // bytes that are fetched at a time
	blockKeep = 6       // so many at most are kept
)

// ahead reads a file that is read from front to back, by several goroutines and
// not quite in order: in large pieces, the next of which is fetched already. A
// request for every span would be slow where the server is far.
type ahead struct {
	ctx    context.Context
	cancel context.CancelFunc
	file   *transfer.Ranges
	fetch  sync.WaitGroup

	mu     sync.Mutex
	blocks map[int64]*block
	order  []int64 // oldest first
}

// block is a piece of the file.
type block struct {
	ready chan struct{} // closed once the others are set
	data  []byte
	err   error
}

func newAhead(ctx context.Context, file *transfer.Ranges) *ahead {
	a := &ahead{file: file, blocks: map[int64]*block{}}
	a.ctx, a.cancel = context.WithCancel(ctx)
	return a
}

func (a *ahead) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) && off < a.file.Size() {
		i := off / blockSize
		b := a.get(i)
		a.get(i + 1)
		<-b.ready
		if b.err != nil {
			a.drop(i, b)
			return n, b.err
		}
		k := copy(p[n:], b.data[off-i*blockSize:])
		n += k
		off += int64(k)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// get gives block i, which may still be on its way.
func (a *ahead) get(i int64) *block {
	a.mu.Lock()
	defer a.mu.Unlock()
	if b := a.blocks[i]; b != nil || i*blockSize >= a.file.Size() {
		return b
	}
	b := &block{ready: make(chan struct{})}
	if len(a.order) == blockKeep {
		delete(a.blocks, a.order[0])
		a.order = a.order[1:]
	}
	a.blocks[i] = b
	a.order = append(a.order, i)
	a.fetch.Go(func() {
		defer close(b.ready)
		b.data = make([]byte, min(blockSize, a.file.Size()-i*blockSize))
		b.err = a.file.ReadRange(a.ctx, b.data, i*blockSize)
	})
	return b
}

// drop forgets a block that could not be fetched, so that it is tried again.
func (a *ahead) drop(i int64, b *block) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.blocks[i] != b {
		return
	}
	delete(a.blocks, i)
	for k, n := range a.order {
		if n == i {
			a.order = append(a.order[:k:k], a.order[k+1:]...)
			return
		}
	}
}

// close ends what is being fetched.
func (a *ahead) close() {
	a.cancel()
	a.fetch.Wait()
}
