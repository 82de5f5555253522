package imaging

import (
	"context"
	"fmt"
	"io"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/blockdev"
	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// packJob is one span on its way through the pipeline of a save: read, packed,
// appended. A fixed number of them goes round.
type packJob struct {
	span   int64
	buf    []byte // page-aligned, a span long
	data   []byte // of buf
	frame  []byte
	packed image.Packed
	lost   []extent.Range // that could not be read, relative to the image
	read   chan error     // one value when data is there
	done   chan struct{}  // one value when packed
}

const (
	// readers is how many spans are read at a time.
	readers = 4

	// lossNotes is how many unreadable places an image's description names: it
	// has room for a MiB.
	lossNotes = 1000
)

// pack reads what is in use, hashes and compresses it on all cores, and writes
// the image in order.
func (s *save) pack(ctx context.Context, w io.Writer) (*image.Index, error) {
	workers := runtime.GOMAXPROCS(0)
	packer, err := image.NewPacker(s.o.Level, workers)
	if err != nil {
		return nil, err
	}
	defer packer.Close()
	out, err := image.NewWriter(w, image.Index{
		Size: s.part.Len(), Sector: s.sector, Used: s.used, Meta: s.meta(),
	})
	if err != nil {
		return nil, err
	}
	if out.Tight() {
		s.report.note(api.Write, "so much is in use that it may be too much for one image: the save breaks off then (save the partitions alone)")
	}

	jobs := readers + 2*workers
	free := make(chan *packJob, jobs)
	for range jobs {
		buf := blockdev.AllocAligned(image.Span)
		defer blockdev.FreeAligned(buf)
		free <- &packJob{buf: buf, read: make(chan error, 1), done: make(chan struct{}, 1)}
	}
	g, ctx := errgroup.WithContext(ctx)
	toRead, toPack, ordered := make(chan *packJob), make(chan *packJob, jobs), make(chan *packJob, jobs)
	g.Go(func() error {
		defer close(toRead)
		defer close(toPack)
		defer close(ordered)
		for i := range (s.part.Len() + image.Span - 1) / image.Span {
			var j *packJob
			select {
			case j = <-free:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			j.span, j.lost = i, nil
			j.data = j.buf[:s.spanOf(i).Len()]
			select {
			case toRead <- j:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			toPack <- j // neither is ever full: there are no more jobs
			ordered <- j
		}
		return nil
	})
	for range readers {
		g.Go(func() error {
			for j := range toRead {
				j.read <- s.fill(ctx, j)
			}
			return nil
		})
	}
	for range workers {
		g.Go(func() error {
			for j := range toPack {
				if err := <-j.read; err != nil {
					return err
				}
				j.packed = packer.Pack(j.frame[:0], j.data)
				if j.packed.Frame != nil {
					j.frame = j.packed.Frame
				}
				j.done <- struct{}{}
			}
			return nil
		})
	}
	g.Go(func() error {
		for j := range ordered {
			select {
			case <-j.done:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			if err := s.append(out, j); err != nil {
				return err
			}
			s.read.Add(int64(len(j.data)))
			free <- j
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if note := s.moreLost(); note != "" {
		out.Note(note)
	}
	if s.parent != nil {
		s.report.note(api.Write, fmt.Sprintf("%d of %d spans are as in the parent", s.parent.same, s.parent.same+s.parent.other))
	}
	return out.Close()
}

// moreLost sums up the losses that have no note of their own, "" for none.
func (s *save) moreLost() string {
	if s.losses <= lossNotes {
		return ""
	}
	return fmt.Sprintf("%d more places could not be read, %s of the disk in all", s.losses-lossNotes, units.Bytes(s.lost))
}

// append adds a packed span to the image.
func (s *save) append(out *image.Writer, j *packJob) error {
	for _, r := range j.lost {
		out.Lose(r)
		if note := s.lose(r); s.losses <= lossNotes {
			out.Note(note)
		}
	}
	if s.parent == nil {
		return out.Append(j.packed)
	}
	return out.Append(s.parent.inherit(j))
}

// lose counts what could not be read, and says so.
func (s *save) lose(r extent.Range) string {
	s.lost += r.Len()
	s.losses++
	note := fmt.Sprintf("%s of the disk at %s (bytes %d to %d) could not be read: zeros are in their place",
		units.Bytes(r.Len()), units.Bytes(s.part.Off+r.Off), s.part.Off+r.Off, s.part.Off+r.End-1)
	s.report.note(api.Write, note)
	return note
}

// fill reads the used parts of a span; the rest becomes zeros.
func (s *save) fill(ctx context.Context, j *packJob) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	span := extent.Range{Off: j.span * image.Span, End: j.span*image.Span + int64(len(j.data))}
	clearTo := int64(0) // j.data is right up to here
	for r := range closeBy(s.used, span) {
		clear(j.data[clearTo : r.Off-span.Off])
		lost, err := s.readRange(ctx, j.data[r.Off-span.Off:r.End-span.Off], r.Off)
		if err != nil {
			return err
		}
		j.lost = append(j.lost, lost...)
		clearTo = r.End - span.Off
	}
	clear(j.data[clearTo:])
	applyPatch(&s.patch, span, j.data)
	image.Mask(s.used, span, j.data)
	for _, r := range j.lost { // not in use from now on, so zeros whatever the patch says
		clear(j.data[r.Off-span.Off : r.End-span.Off])
	}
	return nil
}
