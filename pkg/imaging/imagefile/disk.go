package imagefile

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/layout"
	"github.com/orbit-pxe/orbit/pkg/ndz"
	"github.com/orbit-pxe/orbit/pkg/partition"
	"github.com/orbit-pxe/orbit/pkg/qcow2"
	"github.com/orbit-pxe/orbit/pkg/stream"
	"github.com/orbit-pxe/orbit/pkg/transfer"
)

// disk is the content of an image, read at random.
type disk struct {
	io.ReaderAt
	size   int64
	kind   string
	sector int        // bytes; 0 where the image does not say
	data   extent.Set // all else reads as zeros
	close  func()

	// What is in use: an Orbit image and an .ndz say it, for others see survey.
	index *image.Index
	ndz   *ndz.Image
	table *partition.Table // of an .ndz
	used  extent.Set
	meta  image.Meta
}

// openDisk opens the source. What can only be read as a stream is decoded into
// a file beside out.
func (o *Options) openDisk(ctx context.Context, out *output) (*disk, error) {
	file, err := transfer.OpenRanges(ctx, o.Source, transfer.Options{Patience: o.Patience, Log: o.Log})
	var d *disk
	var whole *transfer.NoRangesError
	switch {
	case errors.As(err, &whole):
		d, err = o.streamNdz(ctx, out.temp)
	case err == nil:
		if d, err = o.understand(ctx, file, out); d == nil {
			file.Close()
		}
	}
	if d == nil && err == nil {
		return o.stage(ctx, out)
	}
	return d, err
}

// understand opens what can be read at random, and gives nil for what cannot.
func (o *Options) understand(ctx context.Context, file *transfer.Ranges, out *output) (*disk, error) {
	size := file.Size()
	r := io.NewSectionReader(file.ReaderAt(ctx), 0, size)
	d, err := openImage(ctx, r, file)
	if d != nil || err != nil {
		return d, err
	}
	if d, err := o.ndzIn(ctx, file, out.temp); d != nil || err != nil {
		return d, err
	}
	head := make([]byte, min(size, 1<<20))
	if _, err := r.ReadAt(head, 0); err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case len(head) == 0:
		return nil, errors.New("it is empty")
	case bytes.HasPrefix(head, []byte(qcow2.Magic)):
		q, err := qcow2.Open(r, size)
		if err != nil {
			return nil, err
		}
		data, err := q.Used(ctx)
		if err != nil {
			return nil, err
		}
		return &disk{ReaderAt: q, size: q.Size(), kind: "qcow2", data: data, close: func() { file.Close() }}, nil
	case stream.Detect(head) != stream.Raw || compressed(file.Name()):
		return nil, nil // imaging tells what is wrong with a name that promises more
	}
	return &disk{ReaderAt: r, size: size, kind: "raw", data: whole(size), close: func() { file.Close() }}, nil
}

func whole(size int64) extent.Set { return extent.NewSet(extent.Range{End: size}) }

// compressed tells a name that promises compression.
func compressed(name string) bool {
	switch filepath.Ext(name) {
	case ".gz", ".xz", ".zst", ".bz2", ".qcow2":
		return true
	}
	return false
}

// stage decodes the source into a file with holes, which has no name any more
// when it is read.
func (o *Options) stage(ctx context.Context, out *output) (*disk, error) {
	f, err := os.OpenFile(out.path+".raw", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	got, err := o.decode(ctx, f.Name())
	if err = errors.Join(err, os.Remove(f.Name())); err != nil {
		f.Close()
		return nil, err
	}
	return &disk{ReaderAt: f, size: got.Bytes, kind: got.Format, data: whole(got.Bytes), close: func() { f.Close() }}, nil
}

// survey finds out what of the disk is in use, and what it is.
func (d *disk) survey(ctx context.Context, o *Options) error {
	if d.index != nil && !o.Whole {
		d.sector, d.used, d.meta = d.index.Sector, d.index.Used, d.index.Meta
		return nil
	}
	if d.sector = cmp.Or(d.sector, o.Sector); d.sector == 0 {
		var err error
		if d.sector, err = d.sniff(); err != nil {
			return err
		}
	}
	l, err := layout.Read(ctx, io.NewSectionReader(d, 0, d.size), d.size, d.sector)
	if err != nil {
		return fmt.Errorf("read what is in use: %w", err)
	}
	if d.ndz != nil {
		l.Used, l.Warnings = d.used, nil // they are about finding out what is in use
	}
	for _, w := range l.Warnings {
		d.note(o, w)
	}
	d.used = l.Used
	if o.Whole {
		d.used = whole(d.size)
	}
	d.meta = image.Meta{
		Scheme: string(l.Table.Scheme), Notes: l.Warnings,
		Origin: image.Origin{Time: time.Now().UTC().Truncate(time.Second), Tool: o.Tool + ", from " + d.kind,
			Disk: &api.Disk{Path: filepath.Base(o.Source), Size: d.size, Sector: d.sector}},
	}
	for _, p := range l.Parts {
		d.meta.Parts = append(d.meta.Parts, image.Partition{
			Number: p.Number, Name: p.Name, Type: p.Type, Offset: p.Range.Off, Size: p.Range.Len(),
			Kind: p.Kind, Label: p.Label, UUID: p.UUID, Used: p.Used,
		})
	}
	return nil
}

// sniff tells from a disk's table how large its sectors are.
func (d *disk) sniff() (int, error) {
	head := make([]byte, min(d.size, 1<<20))
	if _, err := d.ReadAt(head, 0); err != nil && err != io.EOF {
		return 0, err
	}
	sector, _ := partition.Sniff(head)
	return cmp.Or(sector, 512), nil
}

// note tells whoever watches something about the disk.
func (d *disk) note(o *Options, text string) {
	o.Events(api.Event{Time: time.Now(), Step: api.PlanStep, State: api.Note, Message: text})
}
