package imaging

import (
	"context"
	"io"
	"sync"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/ndz"
)

// packChunks reads what is in use, compresses it on all cores, and writes an
// .ndz image. That has no place for notes: what could not be read is told to
// whoever watches, and in the receipt.
func (s *save) packChunks(ctx context.Context, w io.Writer) error {
	r := &patched{ctx: ctx, s: s}
	done, err := ndz.Write(ctx, w, r, s.part.Len(), s.used, ndz.WriteOptions{Progress: s.read.Store})
	if err != nil {
		return err
	}
	s.format = chunkFormat(done.Version)
	if note := s.moreLost(); note != "" {
		s.notes = append(s.notes, note)
	}
	return nil
}

// patched is what is saved as an .ndz image gets it: scrubbed, and with zeros where
// it cannot be read, if that is wanted. It is safe for concurrent use.
type patched struct {
	ctx context.Context
	s   *save
	mu  sync.Mutex // guards what s counts as lost
}

func (p *patched) ReadAt(b []byte, off int64) (int, error) {
	lost, err := p.s.readRange(p.ctx, b, off)
	if err != nil {
		return 0, err
	}
	here := extent.Range{Off: off, End: off + int64(len(b))}
	applyPatch(&p.s.patch, here, b)
	for _, r := range lost {
		clear(b[r.Off-off : r.End-off]) // whatever the patch says
		p.lose(r)
	}
	return len(b), nil
}

// lose notes those parts of r that are in use: what is between them is read along.
func (p *patched) lose(r extent.Range) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for part := range p.s.used.Within(r) {
		note := p.s.lose(part)
		if p.s.losses <= lossNotes {
			p.s.notes = append(p.s.notes, note)
		}
	}
}
