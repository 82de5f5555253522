package imagefile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/imaging"
	"github.com/orbit-pxe/orbit/pkg/ndz"
)

// Options say what to convert into what.
type Options struct {
	Source   string         // path or URL of an image, or a block device
	Dest     string         // path of a regular file
	Format   imaging.Format // of Dest; "" is told from its name, see FormatOf
	Level    int            // of zstd, 1 to 22; 0 is imaging.DefaultLevel
	Sector   int            // bytes, of the disk that a raw image or a qcow2 is of; 0: as its GPT tells, else 512
	Whole    bool           // take for in use what is not
	Sum      bool           // write Dest.sha256, too
	Force    bool           // convert a disk that is mounted, and an .ndz image that lacks something at its end
	Tool     string         // by what, with its version
	Patience time.Duration  // with a server that sends nothing; 0 is transfer's default
	Events   api.Sink       // nil: none
	Log      *slog.Logger   // nil: none

	// Of .ndz images (package ndz).
	Ndz  ndz.Options      // how Source is read; its Workers and Room are not looked at
	As   ndz.WriteOptions // how Dest is written; only Version, ID and Gap are looked at
	Part int              // number of the only partition of Source that goes into Dest; 0: all of the disk
}

// Ndz is the format of package ndz.
const Ndz imaging.Format = "ndz"

// FormatOf tells the format that a file is to have from its name: raw.zst from
// .raw.zst, Orbit from any other .zst, .ndz, raw from .raw, .img, .dd and .bin.
func FormatOf(name string) (imaging.Format, error) {
	lower := strings.ToLower(filepath.Base(name))
	switch ext := filepath.Ext(lower); {
	case strings.HasSuffix(lower, ".raw.zst"):
		return imaging.RawZstd, nil
	case ext == ".zst":
		return imaging.Orbit, nil
	case ext == ".ndz":
		return Ndz, nil
	case ext == ".raw", ext == ".img", ext == ".dd", ext == ".bin":
		return imaging.Raw, nil
	}
	return "", fmt.Errorf("%s: its name tells no format (want .img.zst for an Orbit image, .ndz, .raw.zst, .raw or .img; or say it with --format)", name)
}

// Convert makes an image file of another one or of a disk. Dest gets its name
// when it is complete and on stable storage.
func Convert(ctx context.Context, o Options) (*imaging.Receipt, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	if st, err := os.Stat(o.Source); err == nil && st.Mode()&os.ModeType == os.ModeDevice {
		if o.Part != 0 || o.As.Version != 0 || o.As.ID != [16]byte{} {
			return nil, fmt.Errorf("%s is a device, which is saved as savenode does it: of one partition give the device, and a version only for a file", o.Source)
		}
		return imaging.Save(ctx, imaging.SaveOptions{
			Disk: o.Source, Dest: o.Dest, Format: o.Format, Level: o.Level, Whole: o.Whole,
			Sum: o.Sum, Force: o.Force, Tool: o.Tool, Events: o.Events, Log: o.Log,
		})
	}
	begun := time.Now()
	out, err := create(o.Dest)
	if err != nil {
		return nil, err
	}
	defer out.discard()
	r := &imaging.Receipt{Source: o.Source, Dest: o.Dest, Format: string(o.Format)}
	if o.Format == imaging.Raw {
		err = o.unpack(ctx, out, r)
	} else {
		err = o.pack(ctx, out, r)
	}
	if err == nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		r.Stored, r.SHA256, err = out.publish(o.Sum)
	}
	if err != nil {
		return nil, fmt.Errorf("%s to %s: %w", o.Source, o.Dest, err)
	}
	r.Time = time.Now().UTC()
	r.Seconds = r.Time.Sub(begun).Seconds()
	r.Rate = float64(r.Bytes) / r.Seconds
	return r, nil
}

func (o *Options) complete() error {
	if o.Source == "" || o.Dest == "" || o.Source == "-" || o.Dest == "-" {
		return errors.New("want the names of two files")
	}
	o.Level, o.Tool = cmp.Or(o.Level, imaging.DefaultLevel), cmp.Or(o.Tool, "orbit")
	if o.Events == nil {
		o.Events = api.Discard
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	switch o.Format {
	case "":
		var err error
		if o.Format, err = FormatOf(o.Dest); err != nil {
			return err
		}
	case imaging.Orbit, imaging.Raw, imaging.RawZstd, Ndz:
	default:
		return fmt.Errorf("unknown format %q: want %s, %s, %s or %s", o.Format, imaging.Orbit, Ndz, imaging.Raw, imaging.RawZstd)
	}
	return o.checkNdz()
}

// unpack makes a raw file with holes, as imagenode writes a disk.
func (o *Options) unpack(ctx context.Context, out *output, r *imaging.Receipt) error {
	d, err := o.lookForNdz(ctx, out)
	if err != nil {
		return err
	}
	if err := out.open(); err != nil {
		if d != nil {
			d.close()
		}
		return err
	}
	if d == nil {
		got, err := o.decode(ctx, out.path)
		if err == nil {
			r.Bytes, r.Used, r.Root, r.Table, r.Notes = got.Bytes, got.Used, got.Root, got.Table, got.Notes
		}
		return err
	}
	defer d.close()
	r.Bytes, r.Used, r.Table = d.size, d.used.Len(), string(d.table.Scheme)
	return o.expand(ctx, out.file, d)
}

// decode writes the disk of the source to a file, which is there and empty: of
// one that is not, the name might be taken for a selector.
func (o *Options) decode(ctx context.Context, path string) (*imaging.Receipt, error) {
	return imaging.Write(ctx, imaging.WriteOptions{
		Source: o.Source, Disk: path, SectorSize: o.Sector, Patience: o.Patience, Events: o.Events, Log: o.Log,
	})
}

// pack compresses a disk, with an index or without.
func (o *Options) pack(ctx context.Context, out *output, r *imaging.Receipt) error {
	d, err := o.openDisk(ctx, out)
	if err != nil {
		return err
	}
	defer d.close()
	r.Bytes = d.size
	if o.Format == imaging.RawZstd {
		if err := out.open(); err != nil {
			return err
		}
		return o.compress(ctx, out.file, d)
	}
	if err := d.survey(ctx, o); err != nil {
		return err
	}
	if o.Format == Ndz {
		return o.packNdz(ctx, out, d, r)
	}
	if err := out.open(); err != nil {
		return err
	}
	x, err := o.writeImage(ctx, out.file, d)
	if err != nil {
		return err
	}
	r.Used, r.Root, r.Table, r.Notes = d.used.Len(), x.Root().String(), d.meta.Scheme, d.meta.Notes
	return nil
}
