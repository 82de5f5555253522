package imaging

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// readTries is how often a part of a disk is read before it counts as lost.
const readTries = 3

// readRange reads p from off of what is saved. Where the disk fails it is tried
// again; with Rescue the sectors that stay unreadable become zeros, and their
// ranges are returned.
func (s *save) readRange(ctx context.Context, p []byte, off int64) ([]extent.Range, error) {
	return s.readPieces(ctx, api.Write, p, off, s.o.Rescue)
}

// readPieces is readRange for a step, with rescue or without.
func (s *save) readPieces(ctx context.Context, of api.Step, p []byte, off int64, rescue bool) ([]extent.Range, error) {
	err := s.readAt(p, off)
	if err == nil {
		return nil, nil
	}
	s.report.note(of, fmt.Sprintf("read of %s at %s failed, reading it in pieces: %v", units.Bytes(int64(len(p))), units.Bytes(s.part.Off+off), err))
	var lost extent.Set
	step := max(s.dev.SectorSize(), s.dev.PhysicalSector())
	for at := 0; at < len(p); at += step {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		part := p[at:min(at+step, len(p))]
		if err := s.insist(part, off+int64(at)); err != nil {
			clear(part)
			lost.Add(extent.Range{Off: off + int64(at), End: off + int64(at+len(part))})
			if !rescue {
				return nil, fmt.Errorf("read %s at %s (byte %d), %d times: %w (disk failing? see dmesg%s)",
					s.dev.Path(), units.Bytes(s.part.Off+off+int64(at)), s.part.Off+off+int64(at), readTries, bare(err), s.advice())
			}
		}
	}
	return lost.Ranges(), nil
}

// advice is what helps against a disk that cannot be read.
func (s *save) advice() string {
	switch {
	case s.o.Rescue:
		return ""
	case s.o.Format.copies():
		return "; --rescue with the format orbit goes on without what cannot be read"
	}
	return "; --rescue goes on without what cannot be read"
}

// reader is what is saved for those who need all that they read: where the disk
// fails it is tried again, and what stays unreadable is an error, with Rescue
// too.
func (s *save) reader(ctx context.Context, of api.Step) *io.SectionReader {
	return io.NewSectionReader(insistent{ctx, s, of}, 0, s.part.Len())
}

type insistent struct {
	ctx context.Context
	s   *save
	of  api.Step
}

func (r insistent) ReadAt(p []byte, off int64) (int, error) {
	if _, err := r.s.readPieces(r.ctx, r.of, p, off, false); err != nil {
		return 0, err
	}
	return len(p), nil
}

// insist reads a sector until it comes or has failed often enough.
func (s *save) insist(p []byte, off int64) (err error) {
	for range readTries {
		if err = s.readAt(p, off); err == nil {
			return nil
		}
	}
	return err
}

// readAt reads all of p from off of what is saved.
func (s *save) readAt(p []byte, off int64) error {
	n, err := s.dev.ReadAt(p, s.part.Off+off)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF // the disk has become smaller
	}
	return err
}

// bare is the cause of an error without the words around it.
func bare(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}
