//go:build !node

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/imaging"
	"github.com/orbit-pxe/orbit/pkg/imaging/imagefile"
	"github.com/orbit-pxe/orbit/pkg/progress"
	"github.com/orbit-pxe/orbit/pkg/units"
	"github.com/orbit-pxe/orbit/pkg/version"
)

func moreImageVerbs() []verb {
	return []verb{
		{"verify", "[flags] IMAGE", "read all of an image, and compare it with its digests and with who signed it", verifyVerb},
		{"convert", "[flags] SOURCE DEST", "make an image of another one or of a disk, in another format", convertVerb},
		{"sign", "--key SECRET [flags] IMAGE", "put a signature into an image", signVerb},
		{"keygen", "[flags] NAME", "make a pair of keys, NAME.key and NAME.pub", keygenVerb},
	}
}

func verifyVerb(ctx context.Context, stdout, _ io.Writer, args []string) error {
	f := imageFlags(stdout, "verify", "[flags] IMAGE", "Reads all of an Orbit image and compares every span with its digest. Who it is by is\n"+
		"checked first. Exit codes: 0 sound, and what was asked for; 1 it could not be read;\n"+
		"2 wrong usage; 3 damaged, or no Orbit image; 4 not the root, or not signed by a key, that was asked for.")
	o := imagefile.VerifyOptions{Patience: time.Minute}
	f.Func("key", "public key `FILE` of minisign, or the key itself, that must have signed it (again for others)", func(s string) error {
		k, err := publicKey(s)
		o.Keys = append(o.Keys, k)
		return err
	})
	f.Func("root", "root that it must have, `HEX`", func(s string) (err error) {
		o.Root, err = image.ParseDigest(s)
		return err
	})
	asJSON := f.Bool("json", false, "print progress as JSON lines")
	rest, err := parseArgs(f, args, "one IMAGE")
	if err != nil {
		return err
	}
	o.Source = rest[0]
	var v *imagefile.Verdict
	err = withProgress(stdout, *asJSON, func(p *progress.Printer) (err error) {
		o.Events = p.Sink()
		v, err = imagefile.Verify(ctx, o)
		return err
	})
	var trust *imagefile.TrustError
	switch {
	case errors.As(err, &trust):
		return &exit{exitTrust, err}
	case image.IsDamaged(err):
		return &exit{exitDamaged, err}
	case err != nil || *asJSON:
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s is sound: %s in use of %s, root %s, %s\n",
		clean(rest[0]), units.Bytes(v.Used.Len()), units.Bytes(v.Size), v.Root(), signedWords(v))
	return err
}

// signedWords tells by whom an image is signed.
func signedWords(v *imagefile.Verdict) string {
	switch {
	case v.Key != "":
		return fmt.Sprintf("signed by key %s (%s)", v.Key, clean(v.Comment))
	case v.Signature == nil:
		return "not signed"
	}
	return "signed, by whom is not checked (--key)"
}

// withProgress shows the progress of do.
func withProgress(w io.Writer, asJSON bool, do func(*progress.Printer) error) error {
	mode := progress.Auto
	if asJSON {
		mode = progress.JSON
	}
	p := progress.New(w, mode)
	defer p.Close()
	return do(p)
}

func convertVerb(ctx context.Context, stdout, _ io.Writer, args []string) error {
	f := imageFlags(stdout, "convert", "[flags] SOURCE DEST", "SOURCE is an image, a path or URL: Orbit, qcow2, or raw, compressed with zstd, gzip, xz or bzip2\n"+
		"or not; or a block device. DEST is a file, which gets its name when it is complete. Its format is told\n"+
		"from its name: an Orbit image from .zst, plain zstd from .raw.zst, raw from .raw and .img.")
	o := imagefile.Options{Tool: "orbit image convert " + version.String(), Patience: time.Minute}
	f.StringVar((*string)(&o.Format), "format", "", "`FORMAT` of DEST: orbit, raw or raw.zst")
	f.IntVar(&o.Level, "level", imaging.DefaultLevel, "`LEVEL` of zstd, 1 (fast) to 22 (small)")
	f.IntVar(&o.Sector, "sector-size", 0, "`BYTES` of a sector of the disks that SOURCE is for (default: as its GPT tells, else 512)")
	f.BoolVar(&o.Whole, "whole", false, "keep what is not in use, too")
	f.BoolVar(&o.Sum, "sha256", false, "write DEST.sha256, too")
	f.BoolVar(&o.Force, "force", false, "read a device though something on it is mounted: files that change will be torn")
	asJSON := f.Bool("json", false, "print progress as JSON lines")
	rest, err := parseArgs(f, args, "SOURCE", "DEST")
	if err != nil {
		return err
	}
	switch o.Sector {
	case 0, 512, 1024, 2048, 4096:
	default:
		return usage("--sector-size %d: want 512 or 4096", o.Sector)
	}
	if o.Level < 1 || o.Level > 22 {
		return usage("--level %d: want 1 to 22", o.Level)
	}
	o.Source, o.Dest = rest[0], rest[1]
	var r *imaging.Receipt
	err = withProgress(stdout, *asJSON, func(p *progress.Printer) (err error) {
		o.Events = p.Sink()
		r, err = imagefile.Convert(ctx, o)
		return err
	})
	if image.IsDamaged(err) {
		return &exit{exitDamaged, err}
	}
	if err != nil || *asJSON {
		return err
	}
	_, err = fmt.Fprintln(stdout, r)
	return err
}
