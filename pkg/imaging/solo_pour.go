package imaging

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/frisbee"
	"github.com/orbit-pxe/orbit/pkg/ndz"
)

// soloTaker writes the chunks of an .ndz image that comes by multicast alone.
type soloTaker struct {
	w         *write
	s         *solo
	expanders sync.Pool // *expander
}

// pourSolo receives and writes all of an image but what is held back.
func (w *write) pourSolo(ctx context.Context) error {
	m, r, s := w.source, w.report, w.source.solo
	if err := w.begin(ctx); err != nil {
		return err
	}
	w.remember(0, m.head)
	r.start(api.Fetch)
	r.start(api.Write)
	stop := every(func() {
		r.progress(api.Write, w.out.written.Load(), 0)
		r.progress(api.Fetch, m.fetched(), m.stored)
	})
	err := w.takeSolo(ctx)
	stop()
	if err != nil {
		return err
	}
	r.done(api.Fetch, m.fetched(), "")
	w.bytes = s.order.Size()
	// The last sector of a file may be short.
	m.length, m.used = w.bytes, s.used.Intersect(extent.NewSet(extent.Range{End: w.bytes}))
	return nil
}

func (w *write) takeSolo(ctx context.Context) error {
	s := w.source.solo
	t := &soloTaker{w: w, s: s}
	t.expanders.New = func() any { return &expander{w: w, d: ndz.NewDecoder(s.o), least: headSize} }
	early := s.early
	for k, chunk := range early {
		if err := t.take(ctx, k, chunk); err != nil {
			return err
		}
		early[k] = nil // only its number is needed from now on
	}
	err := s.run(ctx, frisbee.ClientOptions{
		Want:  func(k int32) bool { _, have := early[k]; return !have },
		Chunk: t.take, Log: w.report.log(api.Fetch, w.o.Log),
	})
	if err != nil && uint64(len(early)) < s.size/ndz.ChunkSize { // else it was only to take leave
		return err
	}
	if err := s.order.End(); err != nil {
		return chunkError(w.source.name, err)
	}
	return context.Cause(ctx)
}

// take writes a chunk. One that is damaged is asked for again.
func (t *soloTaker) take(ctx context.Context, k int32, data []byte) error {
	x := t.expanders.Get().(*expander)
	defer t.expanders.Put(x)
	err := t.look(k, data, &x.header)
	if err == nil {
		err = x.expand(ctx, &x.header, data)
		t.s.settle(k, &x.header, err)
	}
	var defect ndz.Defect
	if errors.As(err, &defect) && !errors.Is(err, ndz.ErrSeal) {
		return fmt.Errorf("%w: %w", frisbee.ErrBadChunk, err)
	}
	return err
}

// look checks the header of a chunk by itself and against the others.
func (t *soloTaker) look(k int32, data []byte, h *ndz.Header) (err error) {
	if len(data) != ndz.ChunkSize {
		return ndz.ErrTruncated
	}
	if *h, err = ndz.ParseHeader(data); err != nil {
		return err
	}
	s := t.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.order.Add(int64(k), h); err != nil {
		return err
	}
	return t.w.takes(h, s.order.Size())
}

// settle notes what a chunk has in use, once all of it has proved to be right. What
// the header of another one said may have been wrong, too.
func (s *solo) settle(k int32, h *ndz.Header, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.order.Forget(int64(k))
		return
	}
	for _, r := range h.Regions {
		s.used.Add(r.Range())
	}
}
