package imaging

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/frisbee"
	"github.com/orbit-pxe/orbit/pkg/ndz"
	"github.com/orbit-pxe/orbit/pkg/transfer"
)

// sums are the digests of the chunks of a file, which may lie beside it; nil where
// none do.
func sums(ctx context.Context, o WriteOptions, size int64) (*frisbee.Sums, error) {
	u, err := url.Parse(o.Source)
	if err != nil {
		return nil, err
	}
	u.Path, u.RawPath = u.Path+frisbee.SumsSuffix, ""
	text, err := transfer.Get(ctx, u.String(), frisbee.SumsSize(size), transfer.Options{Patience: o.Patience, Log: o.Log})
	var status *transfer.StatusError
	if errors.As(err, &status) && (status.Code == http.StatusNotFound || status.Code == http.StatusGone) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return frisbee.ParseSums(text, size)
}

// openParts opens an image that is read in any order. Where it comes by
// multicast, an .ndz is not begun as a stream first to find out what it is: what
// the server sends of one until it is closed, it would send to each of the room.
func openParts(ctx context.Context, o WriteOptions, file *transfer.Ranges) (*source, error) {
	m, err := openIndexed(ctx, o, file)
	if m != nil || err != nil || o.Room == nil || file.Size() < ndz.ChunkSize || o.trusts() {
		return m, err
	}
	head := make([]byte, ndz.HeaderSize)
	if err := file.ReadRange(ctx, head, 0); err != nil || !ndz.Sniff(head) {
		return nil, err
	}
	return openChunks(ctx, o, file)
}

// chunkTaker writes the chunks of an .ndz image as they come, in any order. What
// is wrong is not asked for again, but fetched from the server of the image in
// the end: see frameTaker.
type chunkTaker struct {
	w         *write
	c         *chunkFile
	expanders sync.Pool // *expander
	trial

	mu   sync.Mutex
	done []bool // by index
}

func (t *chunkTaker) take(ctx context.Context, k int32, data []byte) error {
	x := t.expanders.Get().(*expander)
	defer t.expanders.Put(x)
	var err error
	if t.c.sums != nil && !t.c.sums.Check(k, data) {
		err = ndz.ErrChanged
	} else if err = t.c.image.Parse(int64(k), data, &x.header); err == nil {
		err = x.expand(ctx, &x.header, data)
	}
	var defect ndz.Defect
	switch {
	case err == nil:
		t.right.Add(1)
		t.mu.Lock()
		t.done[k] = true
		t.mu.Unlock()
		return nil
	case !errors.As(err, &defect):
		return t.fails(err)
	}
	t.wrong.Add(1)
	return t.judge()
}

// left are the chunks that have not been written.
func (t *chunkTaker) left() []int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []int64
	for i, done := range t.done {
		if !done {
			all = append(all, int64(i))
		}
	}
	return all
}

// expandRoom receives and writes all chunks by multicast, and by other means what
// did not come.
func (w *write) expandRoom(ctx context.Context) error {
	c := w.source.chunks
	t := &chunkTaker{w: w, c: c, done: make([]bool, c.image.Chunks())}
	t.expanders.New = func() any { return &expander{w: w, d: ndz.NewDecoder(c.o)} }
	err := w.source.cast.run(ctx, w.o.Room, frisbee.ClientOptions{
		Bytes: uint64(c.file.Size()), Chunk: within(ctx, t.take), Repair: repair(c.file), Log: w.report.log(api.Fetch, w.o.Log),
	}, w.o.Source)
	if err = t.outcome(ctx, err, w.report, "chunks"); err != nil {
		return err
	}
	left := t.left()
	return w.expandAll(ctx, int64(len(left)), func(i int64) int64 { return left[i] })
}
