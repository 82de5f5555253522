package imaging

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/blockdev"
	"github.com/orbit-pxe/orbit/pkg/partition"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// WriteOptions say what to write where.
type WriteOptions struct {
	Source       string        // path, "-" for Stdin, http or https URL
	Stdin        io.Reader     // for Source "-"
	Disk         string        // device, regular file or selector, see package blockdev
	SHA256       string        // of the source as stored, lower-case hex; "" is not checked
	SHA256Beside bool          // take the SHA-256 from the .sha256 file beside the source
	Sum          bool          // compute the SHA-256 in any case, for the receipt
	SectorSize   int           // bytes, that the image was made for; 0 is told from the image
	FileSize     int64         // Disk is a regular file that stands for a disk of so many bytes; 0: it gets the size of the image
	Wait         time.Duration // for the disk to appear
	Patience     time.Duration // with a server that sends nothing; 0 is transfer's default
	Events       api.Sink      // nil: none
	Log          *slog.Logger  // nil: none
}

// Receipt is what Write and Save have done.
type Receipt struct {
	Source  string  `json:"source"`
	Dest    string  `json:"dest"`
	Format  string  `json:"format"`           // of the image file
	Stored  int64   `json:"stored"`           // bytes of the image file
	Bytes   int64   `json:"bytes"`            // of the disk: the image's content
	Seconds float64 `json:"seconds"`          // from the first byte to the last, plan left out
	Rate    float64 `json:"rate"`             // Bytes per second
	SHA256  string  `json:"sha256,omitempty"` // of the image file, hex, if it was computed
	Checked bool    `json:"checked"`          // SHA256 is what was asked for
	Table   string  `json:"table"`            // partition table, in words
}

// write is one image on its way to one disk.
type write struct {
	o      WriteOptions
	report *report
	image  *image
	target *target
	plan   *Plan

	dev   *blockdev.Device
	out   *output
	begun time.Time
	bytes int64 // of the image, once all is written
}

// Write writes an image to a disk: plan, wipe, stream, verify, commit, as the
// package comment tells. The error is a *RefusedError as long as nothing has
// been changed, and a *FailedError from then on.
func Write(ctx context.Context, o WriteOptions) (*Receipt, error) {
	w, err := prepare(ctx, o)
	if err != nil {
		return nil, err
	}
	defer w.close()
	if err := w.plan.Err(); err != nil {
		return nil, w.refuse(err)
	}
	if w.dev, err = w.target.open(); err != nil {
		return nil, w.refuse(err)
	}
	w.report.done(api.PlanStep, 0, w.target.String())

	err = w.wipe(ctx)
	if err == nil {
		err = w.stream(ctx)
	}
	if err == nil {
		err = w.verify(ctx)
	}
	if err == nil {
		err = w.commit(ctx)
	}
	if err != nil {
		return nil, w.abandon(ctx, err)
	}
	return w.receipt(), nil
}

// prepare finds the disk and opens the image, and compares them.
func prepare(ctx context.Context, o WriteOptions) (*write, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	w := &write{o: o, report: newReport(o.Events)}
	w.report.start(api.PlanStep)
	var err error
	if w.target, err = findTarget(ctx, o, w.report); err != nil {
		return nil, w.refuse(cause(ctx, err))
	}
	if w.image, err = openImage(ctx, o, w.report); err != nil {
		return nil, w.refuse(cause(ctx, err))
	}
	w.plan = judge(w.image, w.target)
	return w, nil
}

// wipe makes the disk look empty: no partition table, no backup of one, no
// boot loader, no superblock of a file system or RAID on the whole disk.
func (w *write) wipe(ctx context.Context) error {
	w.begun = time.Now()
	w.out = &output{dev: w.dev, fresh: w.target.file, room: w.target.room}
	w.out.hold(w.image.table.Regions())
	if w.target.file {
		return nil // emptied when it was opened
	}
	if err := w.clear(ctx); err != nil {
		return err
	}
	// The kernel still knows the old partitions, and would let them be mounted.
	return w.dev.Reread(ctx)
}

// clear zeros what can make a disk look like something, for good.
func (w *write) clear(ctx context.Context) error {
	size := w.dev.Size()
	edge := min(size, headSize)
	for _, r := range append([]partition.Region{{Offset: 0, Size: edge}, {Offset: size - edge, Size: edge}}, w.target.old...) {
		if err := w.dev.Zero(ctx, r.Offset, r.Size); err != nil {
			return fmt.Errorf("clear the old partition table: %w", err)
		}
	}
	return w.dev.Sync()
}

// stream fetches, decodes and writes all of the image but what is held back.
func (w *write) stream(ctx context.Context) error {
	m, r := w.image, w.report
	r.start(api.Fetch)
	r.start(api.Write)
	stop := every(func() {
		r.progress(api.Write, w.out.written.Load(), m.size())
		r.progress(api.Fetch, m.source.bytes.Load(), max(0, m.stored))
	})
	end, err := w.out.copyFrom(ctx, m.stream, int64(len(m.head)), m.abort)
	stop()
	if err != nil {
		return err
	}
	r.done(api.Fetch, m.source.bytes.Load(), "")
	w.bytes = end
	return nil
}

// verify makes sure that the image is complete, is the one that was asked for,
// and is on stable storage.
func (w *write) verify(ctx context.Context) error {
	m := w.image
	if w.bytes < m.table.End {
		return &ShortImageError{Source: m.name, Have: w.bytes, Want: m.table.End}
	}
	if w.target.file && w.target.room == unlimited {
		if err := w.dev.Truncate(w.bytes); err != nil {
			return err
		}
	}
	if err := w.dev.Sync(); err != nil {
		return err
	}
	w.report.done(api.Write, w.bytes, "")
	w.report.start(api.Verify)
	if got := m.sum(); m.want != "" && got != m.want {
		return &HashError{Source: m.name, Want: m.want, Got: got}
	}
	w.report.done(api.Verify, 0, w.plan.Check)
	return context.Cause(ctx)
}

// abandon is what err, which ended the writing, means for the disk. Only commit
// leaves something behind that has to be cleared.
func (w *write) abandon(ctx context.Context, err error) error {
	err = cause(ctx, err)
	ctx = context.WithoutCancel(ctx)
	failed := &FailedError{Disk: w.target.path, Err: err}
	if w.target.file {
		failed.Bare = w.dev.Truncate(0)
	} else {
		failed.Bare = errors.Join(w.clear(ctx), w.dev.Reread(ctx))
	}
	w.report.fail(failed)
	return failed
}

func (w *write) refuse(err error) error {
	err = refusal(fmt.Sprintf("write %s to %s", w.o.Source, w.o.Disk), err)
	w.report.fail(err)
	return err
}

func (w *write) close() {
	w.image.close()
	if w.dev != nil {
		w.dev.Close()
	}
}

func (w *write) receipt() *Receipt {
	seconds := time.Since(w.begun).Seconds()
	return &Receipt{
		Source: w.o.Source, Dest: w.target.path,
		Format: string(w.image.stream.Format()),
		Stored: w.image.source.bytes.Load(), Bytes: w.bytes,
		Seconds: seconds, Rate: float64(w.bytes) / seconds,
		SHA256: w.image.sum(), Checked: w.image.want != "",
		Table: w.image.table.Summary(),
	}
}

// String is the receipt in a line.
func (r *Receipt) String() string {
	took := time.Duration(r.Seconds * float64(time.Second))
	return fmt.Sprintf("%s -> %s: %s in %s, %s (%s stored, %s)", r.Source, r.Dest,
		units.Bytes(r.Bytes), units.Duration(took), units.Rate(r.Bytes, took), units.Bytes(r.Stored), r.Format)
}

// cause is why ctx was cancelled, where that is what ended the work, and err
// otherwise.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
