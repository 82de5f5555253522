package imaging

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/partition"
)

// write is one image on its way to one disk.
type write struct {
	o      WriteOptions
	report *report
	source *source
	target *target
	plan   *Plan

	dev     device
	out     *output
	start   time.Time
	bytes   int64 // of the image, once all is written
	written written

	once    sync.Once // see begin
	changed bool
	wiped   error
}

// Write writes an image to a disk: plan, wipe, write, verify, commit, as the
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
	if w.dev, err = o.seam.use(w.target.open(w.source.spans != nil && !o.Full)); err != nil {
		return nil, w.refuse(err)
	}
	w.changed = w.target.fresh || w.target.resized // what the file held is gone, or part of it
	w.report.done(api.PlanStep, 0, w.target.String())

	if err := w.run(ctx); err != nil {
		return nil, w.abandon(ctx, err)
	}
	return w.receipt(), nil
}

// run is the writing, from the first byte to the last.
func (w *write) run(ctx context.Context) error {
	w.start = time.Now()
	w.out = &output{dev: w.dev, fresh: w.target.fresh, room: w.target.room, seen: w.remember}
	w.out.hold(w.source.table.Regions())
	if w.plan.Cut != "" && w.source.table.MBR != nil {
		// The links between logical partitions are cut too, and lie all over the disk.
		for _, p := range w.source.table.Pieces() {
			w.out.hold([]partition.Region{{Offset: p.Off, Size: int64(len(p.Data))}})
		}
	}
	var err error
	switch m := w.source; {
	case m.spans != nil:
		err = w.patch(ctx)
	case m.chunks != nil:
		err = w.expand(ctx)
	case m.solo != nil:
		err = w.pourSolo(ctx)
	case m.flow.chunks != nil:
		err = w.pourChunks(ctx)
	default:
		err = w.pour(ctx)
	}
	if err == nil {
		err = w.verify(ctx)
	}
	if err == nil {
		err = w.commit(ctx)
	}
	return err
}

// prepare finds the disk and opens the image, and compares them.
func prepare(ctx context.Context, o WriteOptions) (*write, error) {
	err := o.complete()
	w := &write{o: o, report: newReport(o.Events)}
	w.report.start(api.PlanStep)
	if err != nil {
		return nil, w.refuse(err)
	}
	if w.target, err = findTarget(ctx, o, w.report); err != nil {
		return nil, w.refuse(cause(ctx, err))
	}
	o.room, o.slice = w.target.room, w.target.slice
	if w.source, err = openSource(ctx, o, w.report); err != nil {
		return nil, w.refuse(cause(ctx, err))
	}
	if o.trusts() && w.source.flow == nil {
		if err := o.trust(w.source.index); err != nil {
			w.source.close()
			return nil, w.refuse(err)
		}
	}
	w.plan = judge(ctx, &o, w.source, w.target)
	return w, nil
}

// begin is called before anything is changed. The first time it makes the disk
// look empty: no partition table, no backup of one, no boot loader, no
// superblock or label of what was there. Until commit the disk is nothing that
// could be booted or mounted.
func (w *write) begin(ctx context.Context) error {
	w.once.Do(func() {
		w.changed = true
		if w.target.file && w.target.fresh {
			return // created or emptied when it was opened
		}
		if w.wiped = w.clear(ctx); w.wiped == nil {
			// The kernel still knows the old partitions, and would let them be mounted.
			w.wiped = w.dev.Reread(ctx)
		}
	})
	return w.wiped
}

// pour fetches, decodes and writes all of a stream but what is held back.
func (w *write) pour(ctx context.Context) error {
	m, r := w.source, w.report
	if err := w.begin(ctx); err != nil {
		return err
	}
	w.remember(0, m.head)
	w.passRoom()
	r.start(api.Fetch)
	r.start(api.Write)
	stop := every(func() {
		r.progress(api.Write, w.out.written.Load(), m.size())
		r.progress(api.Fetch, m.fetched(), max(0, m.stored))
	})
	end, err := w.out.copyFrom(ctx, m.flow, int64(len(m.head)), m.cancel)
	stop()
	if err != nil {
		return err
	}
	r.done(api.Fetch, m.fetched(), "")
	w.bytes = end
	return nil
}

// patch fetches and writes what the disk does not hold already.
func (w *write) patch(ctx context.Context) error {
	m, r := w.source, w.report
	if err := w.loadHeld(ctx); err != nil {
		return err
	}
	d, room := m.spans.(*indexed)
	if room {
		d.note = func(s string) { r.note(api.Fetch, s) }
	}
	if room = room && w.o.Room != nil; !room {
		w.passRoom()
	}
	p := &pass{w: w, look: room}
	total := m.used.Len()
	r.start(api.Fetch)
	r.start(api.Write)
	stop := every(func() {
		r.progress(api.Write, p.seen.Load(), total)
		r.progress(api.Fetch, m.fetched(), 0)
	})
	err := p.run(ctx, m.frames)
	if err == nil && room {
		err = p.patchRoom(ctx, d)
	}
	stop()
	if err != nil {
		return err
	}
	message := m.ways()
	if n := p.kept.Load(); n > 0 {
		message = strings.TrimPrefix(message+", "+sprintKept(n, total), ", ")
	}
	r.done(api.Fetch, m.fetched(), message)
	w.bytes = m.length
	return nil
}

// loadHeld reads from the image what is held back until the end.
func (w *write) loadHeld(ctx context.Context) error {
	at := w.source.readerAt(ctx)
	for _, h := range w.out.held {
		if _, err := at.ReadAt(h.data, h.off); err != nil {
			return err
		}
	}
	return nil
}

// verify makes sure that the image is complete, is the one that was asked for,
// and is on stable storage.
func (w *write) verify(ctx context.Context) error {
	m := w.source
	if m.isTold() && !m.anyOrder() { // chunks, and where they end
		var err error
		if w.bytes, err = m.endOf(w.bytes).Check(ctx, unfinished{w}); err != nil {
			return err
		}
		m.length = w.bytes
	}
	if w.bytes < m.table.End && w.plan.Cut == "" {
		return &ShortImageError{Source: m.name, Have: w.bytes, Want: m.table.End}
	}
	if w.target.file && w.target.room == unlimited && w.dev.Size() != w.bytes {
		if err := w.begin(ctx); err != nil {
			return err
		}
		if err := w.dev.Truncate(w.bytes); err != nil {
			return err
		}
	}
	if err := w.clearUnused(ctx); err != nil {
		return err
	}
	if err := w.dev.Sync(); err != nil {
		return err
	}
	w.report.done(api.Write, w.bytes, "")
	w.report.start(api.Verify)
	if m.flow != nil {
		if got := m.flow.sum(); m.flow.want != "" && got != m.flow.want {
			return &HashError{Source: m.name, Want: m.flow.want, Got: got}
		}
		if err := m.flow.tail.check(&w.o); err != nil {
			return err
		}
	}
	if w.o.Verify == VerifyDisk {
		if err := w.readBack(ctx); err != nil {
			return err
		}
	}
	w.report.done(api.Verify, 0, w.plan.Check)
	return context.Cause(ctx)
}

// abandon is what err, which ended the writing, means for the disk. Only commit
// leaves something behind that has to be cleared.
func (w *write) abandon(ctx context.Context, err error) error {
	err = cause(ctx, err)
	if !w.changed {
		return w.refuse(err)
	}
	ctx = context.WithoutCancel(ctx)
	failed := &FailedError{Disk: w.target.path, Err: err}
	if w.target.file && w.target.fresh {
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
	w.source.close()
	if w.dev != nil {
		w.dev.Close()
	}
}

func (w *write) receipt() *Receipt {
	m := w.source
	seconds := time.Since(w.start).Seconds()
	r := &Receipt{
		Source: w.o.Source, Dest: w.target.path, Format: m.format,
		Stored: m.fetched(), Multicast: m.cast.bytes(), Bytes: w.bytes, Used: m.used.Len(), Written: w.out.written.Load(),
		Seconds: seconds, Rate: float64(w.bytes) / seconds,
		Table: m.table.Summary(), Verified: w.o.Verify, Time: time.Now().UTC(),
		Checked: w.o.trusts() || m.flow != nil && m.flow.want != "",
	}
	if w.target.disk != nil {
		r.Serial = w.target.disk.Serial
	}
	x := m.index
	if m.flow != nil {
		r.SHA256, x = m.flow.sum(), m.flow.tail.index
	}
	if x != nil {
		r.Root, r.Notes = x.Root().String(), x.Meta.Notes
	}
	return r
}

// cause is why ctx was cancelled, where that is what ended the work, and err
// otherwise.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
