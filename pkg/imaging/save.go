package imaging

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/blockdev"
	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/layout"
	"github.com/orbit-pxe/orbit/pkg/scrub"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// Format is what a save writes.
type Format string

const (
	Orbit   Format = "orbit"   // what is in use, with an index: see package image
	Ndz     Format = "ndz"     // what is in use, for imageunzip and frisbee: see package ndz
	Raw     Format = "raw"     // every byte of the disk
	RawZstd Format = "raw.zst" // every byte, compressed
)

// copies tells whether the format has every byte of the disk.
func (f Format) copies() bool { return f == Raw || f == RawZstd }

// formatFor is the format of an image that has no other reason to be of one than
// its name.
func formatFor(dest string) Format {
	if web(dest) {
		if u, err := url.Parse(dest); err == nil {
			dest = u.Path
		}
	}
	if strings.EqualFold(path.Ext(dest), ".ndz") {
		return Ndz
	}
	return Orbit
}

// SaveOptions say what to save where.
type SaveOptions struct {
	Disk      string        // device, regular file or selector, see package blockdev
	Dest      string        // path, "-" for Stdout, http or https URL to PUT to
	Stdout    io.Writer     // for Dest "-"
	Format    Format        // "" is Ndz for a Dest whose name ends so, else Orbit
	Level     int           // of zstd, 1 to 22; 0 is DefaultLevel; an .ndz image has none
	Partition int           // save only the partition of this number; 0: the disk
	Parent    string        // path or URL of an image: spans it has are taken from there
	Rescue    bool          // go on where the disk cannot be read
	Scrub     bool          // leave out identity, logs and histories
	Whole     bool          // save what is not in use too
	Sum       bool          // write the SHA-256 of a Dest that is a path into Dest.sha256
	Force     bool          // save a disk that is mounted: what changes meanwhile will be torn
	Node      string        // who is saved, for the image's description; "" is the host name
	Tool      string        // by what, with its version
	Wait      time.Duration // for the disk to appear
	Patience  time.Duration // with a server that takes nothing; 0 is transfer's default
	Events    api.Sink      // nil: none
	Log       *slog.Logger  // nil: none

	seam seam // for tests
}

// DefaultLevel of compression: level 1 takes a third of the time of 3, for a
// file larger by a few per cent.
const DefaultLevel = 1

// save is one disk on its way to one destination.
type save struct {
	o      SaveOptions
	report *report
	dev    device
	disk   *blockdev.Disk // nil for a file, a loop device, a partition
	part   extent.Range   // of the disk that is saved
	sector int            // bytes, logical
	layout *layout.Layout // of part
	used   extent.Set     // of part, relative to it
	patch  scrub.Patch    // what is scrubbed: read in place of what is on the disk
	notes  []string       // what the image has to tell of the save
	parent *parent        // nil without one

	read   atomic.Int64 // bytes of the disk that are done, read or not
	format string       // in words
	lost   int64        // bytes of used that could not be read
	losses int          // places they are in
}

// Save reads a disk into an image. In the formats Orbit and Ndz only what is in use
// is read. A file appears under its name only when it is complete and on stable
// storage; an HTTP server is sent a digest to check before it publishes. The
// error is a *RefusedError if nothing was begun.
func Save(ctx context.Context, o SaveOptions) (*Receipt, error) {
	o.Format, o.Level = cmp.Or(o.Format, formatFor(o.Dest)), cmp.Or(o.Level, DefaultLevel)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &save{o: o, report: newReport(o.Events), format: string(o.Format)}
	s.report.start(api.PlanStep)
	defer s.close()
	if err := s.prepare(ctx); err != nil {
		return nil, s.refuse(cause(ctx, err))
	}
	dest, err := openDest(ctx, o)
	if err != nil {
		return nil, s.refuse(cause(ctx, err))
	}
	s.report.done(api.PlanStep, 0, fmt.Sprintf("%s (%s)", s.dev.Path(), s.layout.Summary()))

	begun := time.Now()
	s.report.start(api.Write)
	stop := every(func() { s.report.progress(api.Write, s.read.Load(), s.part.Len()) })
	var index *image.Index
	switch o.Format {
	case Orbit:
		index, err = s.pack(ctx, dest)
	case Ndz:
		err = s.packChunks(ctx, dest)
	default:
		err = s.copy(ctx, dest)
	}
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
	s.report.done(api.Write, s.part.Len(), "")
	return s.receipt(dest, index, time.Since(begun)), nil
}

// prepare opens the disk and finds out what of it is to be saved.
func (s *save) prepare(ctx context.Context) error {
	if err := s.o.check(); err != nil {
		return err
	}
	if err := s.open(ctx); err != nil {
		return err
	}
	if err := s.survey(ctx); err != nil {
		return err
	}
	var err error
	if s.o.Parent != "" {
		s.parent, err = openParent(ctx, s.o)
		if err == nil && s.parent.mute != nil {
			s.report.note(api.PlanStep, fmt.Sprintf("%v: all spans are sent, not only those that the parent has not", s.parent.mute))
		}
	}
	return err
}

// check looks for options that contradict each other.
func (o *SaveOptions) check() error {
	switch o.Format {
	case Orbit:
	case Ndz:
		if o.Parent != "" {
			return errors.New("--parent needs the format orbit: an .ndz image cannot refer to another")
		}
	case Raw, RawZstd:
		for what, set := range map[string]bool{"--parent": o.Parent != "", "--rescue": o.Rescue, "--scrub": o.Scrub} {
			if set {
				return fmt.Errorf("%s needs the format orbit: %s has every byte of the disk and nothing else", what, o.Format)
			}
		}
	default:
		return fmt.Errorf("unknown format %q: want %s, %s, %s or %s", o.Format, Orbit, Ndz, Raw, RawZstd)
	}
	if o.Level < 1 || o.Level > 22 {
		return fmt.Errorf("zstd has no level %d: want 1 to 22", o.Level)
	}
	if o.Scrub && o.Whole {
		return errors.New("what is scrubbed is not in use afterwards: --scrub and --whole contradict each other")
	}
	return nil
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
		s.tell(u.String() + ": what changes meanwhile will be torn in the image")
	}
	s.disk = found.Disk
	s.dev, err = s.o.seam.use(blockdev.Open(found.Path, blockdev.Options{Direct: true}))
	return err
}

// tell notes something for whoever watches, and for the image.
func (s *save) tell(note string) {
	s.notes = append(s.notes, note)
	s.report.note(api.PlanStep, note)
}

func (s *save) refuse(err error) error {
	err = refusal(fmt.Sprintf("save %s to %s", s.o.Disk, s.o.Dest), err)
	s.report.fail(err)
	return err
}

func (s *save) close() {
	if s.dev != nil {
		s.dev.Close()
	}
	s.parent.close()
}

func (s *save) receipt(d *dest, x *image.Index, took time.Duration) *Receipt {
	r := &Receipt{
		Source: s.dev.Path(), Dest: s.o.Dest, Format: s.format,
		Stored: d.bytes(), Bytes: s.part.Len(), Used: s.used.Len() - s.lost,
		Seconds: took.Seconds(), Rate: float64(s.part.Len()) / took.Seconds(),
		SHA256: d.sum(), Table: s.layout.Table.Summary(), Time: time.Now().UTC(), Notes: s.notes,
	}
	if s.disk != nil {
		r.Serial = s.disk.Serial
	}
	if x != nil {
		r.Root = x.Root().String()
		r.Notes = x.Meta.Notes
	}
	return r
}

// meta describes the image.
func (s *save) meta() image.Meta {
	m := image.Meta{
		Scheme: string(s.layout.Table.Scheme), Part: s.o.Partition, Notes: s.notes, Scrubbed: s.o.Scrub,
		Origin: image.Origin{Node: s.o.Node, Time: time.Now().UTC().Truncate(time.Second), Tool: s.o.Tool},
	}
	if m.Origin.Node == "" {
		m.Origin.Node, _ = os.Hostname()
	}
	if s.disk != nil {
		m.Origin.Disk = &s.disk.Disk
	}
	for _, p := range s.layout.Parts {
		m.Parts = append(m.Parts, image.Partition{
			Number: p.Number, Name: p.Name, Type: p.Type, Offset: p.Range.Off, Size: p.Range.Len(),
			Kind: p.Kind, Label: p.Label, UUID: p.UUID, Covers: p.Covers, Used: p.Used,
		})
	}
	if s.parent != nil {
		m.Parent = &s.parent.root
	}
	return m
}

// summary is how much of the disk is in use, in words.
func (s *save) summary() string {
	return fmt.Sprintf("%s of %s are in use", units.Bytes(s.used.Len()), units.Bytes(s.part.Len()))
}
