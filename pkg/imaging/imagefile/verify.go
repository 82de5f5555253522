package imagefile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/ndz"
	"github.com/orbit-pxe/orbit/pkg/sign"
	"github.com/orbit-pxe/orbit/pkg/transfer"
)

// VerifyOptions say what an image is to be.
type VerifyOptions struct {
	Source   string       // path or URL
	Root     image.Digest // that it must have; zero for any
	Keys     []sign.PublicKey
	Patience time.Duration // with a server that sends nothing; 0 is transfer's default
	Events   api.Sink      // nil: none
	Ndz      ndz.Options   // how an .ndz image is read; its Workers and Room are not looked at
}

// TrustError reports an image that is not the one that was asked for.
type TrustError struct{ Reason string }

func (e *TrustError) Error() string { return e.Reason }

// Verdict is what Verify has found out about a sound image.
type Verdict struct {
	*image.Index            // of an Orbit image, or nil
	Ndz          *ndz.Image // nil if it is none

	Stored  int64  // bytes of the file
	Key     string // id of the key that it is signed with, of those that were given
	Comment string // trusted comment of that signature
}

// Verify reads all of an image and compares every span with its digest, or, in an
// .ndz image, everything with everything else. Who it is by is checked first: the
// error is a *TrustError if it is another's, and one of those for which IsDamaged
// holds if it is not sound.
func Verify(ctx context.Context, o VerifyOptions) (*Verdict, error) {
	file, err := transfer.OpenRanges(ctx, o.Source, transfer.Options{Patience: o.Patience})
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if o.Events == nil {
		o.Events = api.Discard
	}
	f, err := image.Open(file.ReaderAt(ctx), file.Size())
	if errors.Is(err, image.ErrNoIndex) {
		if v, err := o.verifyNdz(ctx, file); v != nil || err != nil {
			return v, err
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file.Name(), err)
	}
	v := &Verdict{Index: f.Index, Stored: file.Size()}
	if err := o.trust(v); err != nil {
		return nil, fmt.Errorf("%s: %w", file.Name(), err)
	}
	a := newAhead(ctx, file)
	defer a.close()
	m := startMeter(o.Events, api.Verify, f.Size)
	err = image.Check(ctx, image.File{Index: f.Index, ReaderAt: a}, func(spans int64) {
		m.add(spans * image.Span)
	})
	if err == nil { // the last span may be short
		m.add(f.Size - m.done.Load())
	}
	m.end(err)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file.Name(), err)
	}
	return v, nil
}

// verifyNdz reads an .ndz image, and gives nil for anything else.
func (o *VerifyOptions) verifyNdz(ctx context.Context, file *transfer.Ranges) (v *Verdict, err error) {
	opts := Options{Source: file.Name(), Ndz: o.Ndz, Patience: o.Patience, Events: o.Events}
	d, err := opts.ndzIn(ctx, file, somewhere)
	if d == nil && err == nil {
		return nil, nil
	}
	if d != nil {
		defer d.close()
	}
	if err == nil && (!o.Root.IsZero() || len(o.Keys) > 0) {
		err = &TrustError{"it is an .ndz image, which has no root and is not signed as Orbit images are"}
	}
	if err == nil {
		m := startMeter(o.Events, api.Verify, d.used.Len())
		err = d.ndz.Each(ctx, 0, d.ndz.Chunks(), func(_ int64, data []byte) error {
			m.add(int64(len(data)))
			return nil
		})
		m.end(err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file.Name(), err)
	}
	return &Verdict{Ndz: d.ndz, Stored: file.Size()}, nil
}

func (o *VerifyOptions) trust(v *Verdict) error {
	root := v.Root()
	if !o.Root.IsZero() && root != o.Root {
		return &TrustError{fmt.Sprintf("its root is %s, the one asked for is %s", root, o.Root)}
	}
	if len(o.Keys) == 0 {
		return nil
	}
	if v.Signature == nil {
		return &TrustError{"it is not signed"}
	}
	var reasons []string
	for _, k := range o.Keys {
		comment, err := k.Verify(image.Signed(root), v.Signature)
		if err == nil {
			v.Key, v.Comment = k.ID.String(), comment
			return nil
		}
		reasons = append(reasons, err.Error())
	}
	return &TrustError{strings.Join(reasons, "; and ")}
}
