package imaging

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/blockdev"
	"github.com/orbit-pxe/orbit/pkg/partition"
	"github.com/orbit-pxe/orbit/pkg/stream"
)

// SaveOptions say what to save where.
type SaveOptions struct {
	Disk     string        // device, regular file or selector, see package blockdev
	Dest     string        // path, "-" for Stdout, http or https URL to PUT to
	Stdout   io.Writer     // for Dest "-"
	Level    int           // of zstd, 1 to 22; 0 is its default
	Sum      bool          // write the SHA-256 of a Dest that is a path into Dest.sha256
	Force    bool          // save a disk that is mounted: what changes meanwhile will be torn
	Wait     time.Duration // for the disk to appear
	Patience time.Duration // with a server that takes nothing; 0 is transfer's default
	Events   api.Sink      // nil: none
	Log      *slog.Logger  // nil: none
}

// save is one disk on its way to one destination.
type save struct {
	o      SaveOptions
	report *report
	dev    *blockdev.Device
	table  *partition.Table
	read   atomic.Int64 // bytes handed to the compressor
}

// Save reads a whole disk, in order, into a zstd stream of many frames. A file
// appears under its name only when it is complete and on stable storage; an HTTP server is sent
// a digest to check before it publishes. The error is a *RefusedError if
// nothing was begun.
func Save(ctx context.Context, o SaveOptions) (*Receipt, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &save{o: o, report: newReport(o.Events)}
	s.report.start(api.PlanStep)
	if err := s.open(ctx); err != nil {
		return nil, s.refuse(cause(ctx, err))
	}
	defer s.dev.Close()
	dest, err := openDest(ctx, o)
	if err != nil {
		return nil, s.refuse(cause(ctx, err))
	}
	s.report.done(api.PlanStep, 0, fmt.Sprintf("%s (%s)", s.dev.Path(), s.table.Summary()))

	begun := time.Now()
	s.report.start(api.Write)
	stop := every(func() { s.report.progress(api.Write, s.read.Load(), s.dev.Size()) })
	err = s.copyTo(ctx, dest)
	stop()
	if err != nil {
		dest.abandon(err)
	} else {
		err = dest.publish(ctx)
	}
	if err != nil {
		err = fmt.Errorf("save %s to %s: %w", s.dev.Path(), o.Dest, cause(ctx, err))
		s.report.fail(err)
		return nil, err
	}
	s.report.done(api.Write, s.dev.Size(), "")
	seconds := time.Since(begun).Seconds()
	return &Receipt{
		Source: s.dev.Path(), Dest: o.Dest, Format: string(stream.Zstd),
		Stored: dest.bytes(), Bytes: s.dev.Size(),
		Seconds: seconds, Rate: float64(s.dev.Size()) / seconds,
		SHA256: dest.sum(), Table: s.table.Summary(),
	}, nil
}

// open finds the disk and opens it for reading.
func (s *save) open(ctx context.Context) error {
	found, err := resolve(ctx, s.o.Disk, s.o.Wait, s.report.log(api.PlanStep, s.o.Log))
	if err != nil {
		return err
	}
	uses, err := blockdev.InUse(found.Path)
	if err != nil {
		return err
	}
	if len(uses) > 0 && !s.o.Force {
		return fmt.Errorf("%w, or save it as it is with --force", &blockdev.BusyError{Path: found.Path, Uses: uses})
	}
	for _, u := range uses {
		s.report.note(api.PlanStep, u.String()+": what changes meanwhile will be torn in the image")
	}
	if s.dev, err = blockdev.Open(found.Path, blockdev.Options{Direct: true}); err != nil {
		return err
	}
	if s.table, err = partition.Read(s.dev, s.dev.SectorSize()); err != nil {
		s.report.note(api.PlanStep, fmt.Sprintf("%s is saved with a damaged partition table: %v", found.Path, err))
		s.table = &partition.Table{Scheme: partition.SchemeNone}
	}
	return nil
}

// copyTo compresses the whole disk into w.
func (s *save) copyTo(ctx context.Context, w io.Writer) error {
	z, err := stream.NewWriter(w, s.o.Level, 0)
	if err != nil {
		return err
	}
	err = readAhead(ctx, s.dev, s.dev.Size(), func(data []byte) error {
		_, err := z.Write(data)
		s.read.Add(int64(len(data)))
		return err
	})
	// Closed in any case, for its goroutines; what it still writes after an
	// error is thrown away with the rest.
	return errors.Join(err, z.Close())
}

func (s *save) refuse(err error) error {
	err = refusal(fmt.Sprintf("save %s to %s", s.o.Disk, s.o.Dest), err)
	s.report.fail(err)
	return err
}
