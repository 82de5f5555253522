//go:build !node

package main

import (
	"context"
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
		"checked first. Of an .ndz image all chunks are expanded, and everything in them is checked.\n"+
		"Exit codes: 0 sound, and what was asked for; 1 it could not be read; 2 wrong usage;\n"+
		"3 damaged, or no such image; 4 not the root, or not signed by a key, that was asked for.")
	read := ndzFlags(f)
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
	o.Source, o.Ndz = rest[0], *read
	var v *imagefile.Verdict
	err = withProgress(stdout, *asJSON, func(p *progress.Printer) (err error) {
		o.Events = p.Sink()
		v, err = imagefile.Verify(ctx, o)
		return err
	})
	if err != nil || *asJSON {
		return imageCode(err)
	}
	if m := v.Ndz; m != nil {
		used := m.Used()
		_, err = fmt.Fprintf(stdout, "%s is sound: .ndz version %d, %s, %s in use of %s\n",
			clean(rest[0]), m.Version(), count(m.Chunks(), "chunk"), units.Bytes(used.Len()), units.Bytes(m.Size()))
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
	f := imageFlags(stdout, "convert", "[flags] SOURCE DEST", "SOURCE is an image, a path or URL: Orbit, .ndz (frisbee, imagezip), qcow2, or raw, compressed with zstd,\n"+
		"gzip, xz or bzip2 or not; or a block device. DEST is a file, which gets its name when it is complete. Its format\n"+
		"is told from its name: an Orbit image from .zst, .ndz, plain zstd from .raw.zst, raw from .raw and .img.")
	o := imagefile.Options{Tool: "orbit image convert " + version.String(), Patience: time.Minute}
	f.StringVar((*string)(&o.Format), "format", "", "`FORMAT` of DEST: orbit, ndz, raw or raw.zst")
	f.IntVar(&o.Level, "level", imaging.DefaultLevel, "`LEVEL` of zstd, 1 (fast) to 22 (small)")
	f.IntVar(&o.Sector, "sector-size", 0, "`BYTES` of a sector of the disks that SOURCE is for (default: as its GPT tells, else 512)")
	f.BoolVar(&o.Whole, "whole", false, "keep what is not in use, too")
	f.IntVar(&o.As.Version, "ndz-version", 0, "`VERSION` of an .ndz DEST, 2 to 5 (default: 3, which every reader takes; 5 for disks beyond 2 TiB)")
	f.Func("ndz-id", "image `ID` of an .ndz DEST of version 4 or 5, 32 hexadecimal digits", func(s string) (err error) {
		o.As.ID, err = parseID(s)
		return err
	})
	f.IntVar(&o.Part, "partition", 0, "put only partition `N` of SOURCE into an .ndz DEST")
	read := ndzFlags(f)
	f.BoolVar(&o.Sum, "sha256", false, "write DEST.sha256, too")
	f.BoolVar(&o.Force, "force", false, "read a device though something on it is mounted: files that change will be torn; or an .ndz whose filesystem needs more than there is")
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
	o.Source, o.Dest, o.Ndz = rest[0], rest[1], *read
	var r *imaging.Receipt
	err = withProgress(stdout, *asJSON, func(p *progress.Printer) (err error) {
		o.Events = p.Sink()
		r, err = imagefile.Convert(ctx, o)
		return err
	})
	if err != nil || *asJSON {
		return imageCode(err)
	}
	_, err = fmt.Fprintln(stdout, r)
	return err
}
