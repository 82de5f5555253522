package ndz

import (
	"context"
	"io"
	"sync"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

// View reads an image as the disk that it was made of. What the image does not
// hold reads as zeros. It is safe for concurrent use, and meant for reading
// about from front to back: of each of a few chunks it keeps up to 8 MiB at
// hand, and to go back further is to expand the chunk again.
type View struct {
	ctx context.Context
	m   *Image
	sem chan struct{} // as many reads at a time as there may be windows

	mu      sync.Mutex
	windows []*window
	clock   int64 // counts reads
}

// View gives a view of the disk, which ctx ends. It keeps as many chunks at hand
// as Options.Workers says.
func (m *Image) View(ctx context.Context) *View {
	n := m.o.workers()
	return &View{ctx: ctx, m: m, sem: make(chan struct{}, n), windows: make([]*window, 0, n)}
}

// ReadAt reads from the disk. Behind its end is io.EOF.
func (v *View) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= v.m.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), v.m.size-off))
	r := extent.Range{Off: off, End: off + int64(n)}
	clear(p[:n])
	for i, end := v.m.Holding(r); i < end; i++ {
		if !v.m.used.Overlaps(v.m.Range(i).Intersect(r)) {
			continue
		}
		if err := v.read(i, p[:n], r); err != nil {
			return 0, at(i, err)
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// read puts what the chunk has of r into p.
func (v *View) read(i int64, p []byte, r extent.Range) error {
	select {
	case v.sem <- struct{}{}:
		defer func() { <-v.sem }()
	case <-v.ctx.Done():
		return context.Cause(v.ctx)
	}
	w := v.take(i)
	defer v.give(w)
	return w.read(v.ctx, p, r)
}

// take gives the window on a chunk, which others may be using, too.
func (v *View) take(i int64) *window {
	v.mu.Lock()
	defer v.mu.Unlock()
	var idle *window // the one that has been for longest
	for _, w := range v.windows {
		if w.index == i {
			w.users++
			return w
		}
		if w.users == 0 && (idle == nil || w.used < idle.used) {
			idle = w
		}
	}
	if len(v.windows) < cap(v.windows) {
		idle = newWindow(v.m)
		v.windows = append(v.windows, idle)
	}
	// There is an idle one: this read and the others under way are no more than
	// there are windows, and each uses only one.
	idle.index, idle.users = i, 1
	return idle
}

func (v *View) give(w *window) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.clock++
	w.users--
	w.used = v.clock
}
