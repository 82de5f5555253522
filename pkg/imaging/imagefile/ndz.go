package imagefile

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/imaging"
	"github.com/orbit-pxe/orbit/pkg/ndz"
	"github.com/orbit-pxe/orbit/pkg/partition"
	"github.com/orbit-pxe/orbit/pkg/stream"
	"github.com/orbit-pxe/orbit/pkg/transfer"
)

// IsDamaged tells whether err says of an image of any format that it is not
// sound, or not one at all. That it cannot be opened with the keys at hand is
// something else: see ndz.ErrSeal.
func IsDamaged(err error) bool {
	var d ndz.Defect
	if errors.As(err, &d) {
		return d != ndz.ErrSeal && d != ndz.ErrFit && d != ndz.ErrChanged
	}
	var (
		short *imaging.ShortImageError
		cut   *stream.TruncatedError
		bad   *stream.FormatError
	)
	return errors.As(err, &short) || errors.As(err, &cut) || errors.As(err, &bad) || image.IsDamaged(err)
}

// isNdz tells whether a file is an .ndz image, or claims to be one by its name.
func isNdz(name string, head []byte) bool {
	return ndz.Sniff(head) || path.Ext(name) == ".ndz" && stream.Detect(head) == stream.Raw
}

// openNdz opens an .ndz image. All that its headers say is checked then.
func (o *Options) openNdz(ctx context.Context, r io.ReaderAt, size int64, closed func()) (*disk, error) {
	opts := o.Ndz
	opts.Workers, opts.Room = 0, 0
	m, err := ndz.Open(ctx, r, size, opts)
	if err != nil {
		return nil, err
	}
	d := &disk{ReaderAt: m.View(ctx), size: m.Size(), kind: "ndz", data: m.Used(), used: m.Used(), ndz: m, close: closed}
	if err := o.endNdz(ctx, d); err != nil {
		return nil, err
	}
	return d, nil
}

// endNdz reads the partition table of an .ndz image, and finds out where its disk
// ends. Where a chunk is missing at the end, nothing else may tell.
func (o *Options) endNdz(ctx context.Context, d *disk) error {
	head := make([]byte, min(d.size, 1<<20))
	if _, err := d.ReadAt(head, 0); err != nil {
		return err
	}
	sector, _ := partition.Sniff(head)
	t, err := partition.Read(io.NewSectionReader(d, 0, d.size), cmp.Or(sector, 512))
	var bad *partition.FormatError
	switch {
	case errors.As(err, &bad): // which layout tells, where that matters
		d.table = &partition.Table{}
		return nil
	case err != nil:
		return err
	}
	m, end := d.ndz, imaging.ChunksEnd{Name: o.Source, Have: d.size, Head: head, Table: t, Version: d.ndz.Version(), Counted: d.ndz.Counted()}
	size, err := end.Check(ctx, d)
	var short *imaging.ShortImageError
	if o.Force && errors.As(err, &short) && short.Volume {
		size, err = max(d.size, t.End), nil
		d.note(o, short.Error())
	}
	m.Extend(size)
	d.table, d.size = t, m.Size()
	return err
}

// lookForNdz opens the source if it is an .ndz image, compressed or not, and
// gives nil if it is not.
func (o *Options) lookForNdz(ctx context.Context, out *output) (*disk, error) {
	file, err := transfer.OpenRanges(ctx, o.Source, transfer.Options{Patience: o.Patience, Log: o.Log})
	var whole *transfer.NoRangesError
	if errors.As(err, &whole) {
		return o.streamNdz(ctx, out.temp)
	}
	if err != nil {
		return nil, err
	}
	d, err := o.ndzIn(ctx, file, out.temp)
	if d == nil {
		file.Close()
	}
	return d, err
}

// ndzIn opens the .ndz image that a file is, compressed or not, and gives nil if it
// is none. Else it is for the disk to close the file.
func (o *Options) ndzIn(ctx context.Context, file *transfer.Ranges, temp temporary) (*disk, error) {
	r := file.ReaderAt(ctx)
	head := make([]byte, min(file.Size(), ndz.HeaderSize))
	if _, err := r.ReadAt(head, 0); err != nil && err != io.EOF {
		return nil, err
	}
	if isNdz(file.Name(), head) {
		return o.openNdz(ctx, r, file.Size(), func() { file.Close() })
	}
	f, err := o.packedNdz(ctx, file, head, temp)
	if f == nil {
		return nil, err
	}
	return o.openStaged(ctx, f, func() { f.Close(); file.Close() })
}

// streamNdz is ndzIn for a source that can only be read as a stream.
func (o *Options) streamNdz(ctx context.Context, temp temporary) (*disk, error) {
	src, err := transfer.Open(ctx, o.Source, nil, transfer.Options{Patience: o.Patience, Log: o.Log})
	if err != nil {
		return nil, err
	}
	f, err := o.stageNdz(src, src.Size(), src.Bytes, temp)
	if f == nil {
		return nil, err
	}
	return o.openStaged(ctx, f, func() { f.Close() })
}

func (o *Options) openStaged(ctx context.Context, f *os.File, closed func()) (*disk, error) {
	st, err := f.Stat()
	if err == nil {
		var d *disk
		if d, err = o.openNdz(ctx, f, st.Size(), closed); err == nil {
			return d, nil
		}
	}
	f.Close()
	return nil, err
}

// expand writes the disk of an .ndz image as a file with holes, on all cores.
func (o *Options) expand(ctx context.Context, f *os.File, d *disk) (err error) {
	if err := f.Truncate(d.size); err != nil {
		return err
	}
	m := startMeter(o.Events, api.Write, d.used.Len())
	defer func() { m.end(err) }()
	return d.ndz.Each(ctx, 0, d.ndz.Chunks(), func(off int64, data []byte) error {
		m.add(int64(len(data)))
		return writeHoles(f, off, data)
	})
}

// writeHoles writes data, but for long runs of zeros.
func writeHoles(f *os.File, off int64, data []byte) error {
	const unit = 64 << 10
	for len(data) > 0 {
		n := min(unit, len(data))
		if !isZero(data[:n]) {
			if _, err := f.WriteAt(data[:n], off); err != nil {
				return err
			}
		}
		data, off = data[n:], off+int64(n)
	}
	return nil
}

func isZero(p []byte) bool { return p[0] == 0 && bytes.Equal(p[1:], p[:len(p)-1]) }

// checkNdz tells what of the options for .ndz images cannot be.
func (o *Options) checkNdz() error {
	switch v := o.As.Version; {
	case o.Format != Ndz && (v != 0 || o.As.ID != [16]byte{} || o.Part != 0):
		return fmt.Errorf("a version, an image id and a partition are for .ndz images, not for %s", o.Format)
	case v != 0 && (v < 2 || v > ndz.MaxVersion):
		return fmt.Errorf("version %d of the .ndz format is not written: want 2 to %d", v, ndz.MaxVersion)
	case v < 4 && o.As.ID != [16]byte{}:
		return errors.New("only versions 4 and 5 of the .ndz format have an image id: say which")
	}
	return nil
}

// packNdz writes what is in use of the disk, or of one partition, as an .ndz
// image.
func (o *Options) packNdz(ctx context.Context, out *output, d *disk, r *imaging.Receipt) (err error) {
	if o.Part != 0 {
		if d, err = d.only(o.Part); err != nil {
			return err
		}
	}
	opts := ndz.WriteOptions{Version: o.As.Version, ID: o.As.ID, Gap: o.As.Gap}
	if v := opts.Version; v != 0 && uint64(d.size+ndz.Sector-1)/ndz.Sector > ndz.MaxSector(v) {
		return fmt.Errorf("version %d of the .ndz format has no numbers for a disk of %d bytes: want 5", v, d.size)
	}
	if err := out.open(); err != nil {
		return err
	}
	m := startMeter(o.Events, api.Write, d.size)
	defer func() { m.end(err) }()
	opts.Progress = m.done.Store
	if _, err = ndz.Write(ctx, out.file, d, d.size, d.used, opts); err != nil {
		return err
	}
	m.done.Store(d.size)
	r.Bytes, r.Used, r.Table, r.Notes = d.size, d.used.Len(), d.meta.Scheme, d.meta.Notes
	return nil
}

// only is one partition of a disk, by itself.
func (d *disk) only(number int) (*disk, error) {
	for _, p := range d.meta.Parts {
		if p.Number != number {
			continue
		}
		r := extent.Range{Off: p.Offset, End: min(p.Offset+p.Size, d.size)}
		part := *d
		part.ReaderAt, part.size = io.NewSectionReader(d, r.Off, r.Len()), r.Len()
		part.used = d.used.Intersect(extent.NewSet(r)).Shift(-r.Off)
		part.meta.Scheme = ""
		return &part, nil
	}
	return nil, fmt.Errorf("there is no partition %d", number)
}
