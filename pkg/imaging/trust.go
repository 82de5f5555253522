package imaging

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/sign"
	"github.com/orbit-pxe/orbit/pkg/transfer"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// TrustError reports an image that is not the one that is trusted.
type TrustError struct {
	Image  string
	Reason string
}

func (e *TrustError) Error() string {
	return fmt.Sprintf("image %s is not to be trusted: %s", e.Image, e.Reason)
}

// trusts tells whether only certain images may be written.
func (o *WriteOptions) trusts() bool { return !o.Root.IsZero() || len(o.Keys) > 0 }

// trust checks that an index is what the options ask for. All spans are checked
// against it when they are read.
func (o *WriteOptions) trust(x *image.Index) error {
	distrust := func(format string, args ...any) error {
		return &TrustError{o.Source, fmt.Sprintf(format, args...)}
	}
	if x == nil {
		return distrust("it has no index, and so nothing that a root or a signature could be of (want an Orbit image)")
	}
	root := x.Root()
	if !o.Root.IsZero() && root != o.Root {
		return distrust("its root is %s, the one asked for is %s", root, o.Root)
	}
	if len(o.Keys) == 0 {
		return nil
	}
	if len(x.Signature) == 0 {
		return distrust("it is not signed")
	}
	var reasons []string
	for _, k := range o.Keys {
		_, err := k.Verify(image.Signed(root), x.Signature)
		if err == nil {
			return nil
		}
		reasons = append(reasons, err.Error())
	}
	return distrust("%s", strings.Join(reasons, "; and "))
}

// trustFirst checks the index of an image that will be read first to last, where
// it would else come by when the disk has been written already.
func (o *WriteOptions) trustFirst(ctx context.Context, t transfer.Options) error {
	file, err := transfer.OpenRanges(ctx, o.Source, t)
	var whole *transfer.NoRangesError
	if errors.As(err, &whole) {
		return &TrustError{o.Source, fmt.Sprintf("its index cannot be read before the disk is written: %v (put it on a server that gives parts of files, or pipe it in)", err)}
	}
	if err != nil {
		return err
	}
	defer file.Close()
	x, err := image.ReadIndex(file.ReaderAt(ctx), file.Size())
	if err != nil && !errors.Is(err, image.ErrNoIndex) {
		return fmt.Errorf("image %s: %w", o.Source, err)
	}
	return o.trust(x)
}

// Key is a public key whose signature makes an image trusted.
type Key = sign.PublicKey

// tail computes the digests of an Orbit image that comes as a stream, until the
// index has come by that tells what they should be.
type tail struct {
	hash  bool  // compute the digests
	most  int64 // bytes of an index that there is memory for
	large int64 // bytes of one that was larger, and passed over
	span  []byte
	sums  []image.Digest // of all spans so far, zero for those that are empty
	index *image.Index
	err   error
}

func (t *tail) wanted(magic uint32, size int64) bool {
	if !image.IsIndex(magic) {
		return false
	}
	if size > t.most {
		t.large = size
	}
	return size <= t.most
}

func (t *tail) skipped(content []byte) {
	switch x, err := image.ParseIndex(content); {
	case errors.Is(err, image.ErrNoIndex):
	case err != nil:
		t.err = err
	default:
		t.index = x
	}
}

// see takes the next bytes of the image.
func (t *tail) see(p []byte) {
	if !t.hash {
		return
	}
	for len(p) > 0 {
		if len(t.span) == 0 && len(p) >= image.Span {
			t.add(p[:image.Span])
			p = p[image.Span:]
			continue
		}
		n := min(image.Span-len(t.span), len(p))
		t.span = append(t.span, p[:n]...)
		p = p[n:]
		if len(t.span) == image.Span {
			t.add(t.span)
			t.span = t.span[:0]
		}
	}
}

func (t *tail) add(span []byte) {
	if isZeroAll(span) {
		t.sums = append(t.sums, image.Digest{})
		return
	}
	t.sums = append(t.sums, image.Sum(span))
}

// check compares what came with what the index says, once all has come. Not
// every zstd frame has a checksum. Without an index there is nothing to compare
// unless somebody asks for it.
func (t *tail) check(o *WriteOptions) error {
	if t.err != nil {
		return fmt.Errorf("image %s: %w", o.Source, t.err)
	}
	if t.large > 0 && (o.trusts() || t.hash) {
		return fmt.Errorf("image %s: its index has %s, there is memory for %s of one, and without it nothing tells whether the right bytes came (write it from a server that gives parts of files, or on a machine with more memory)",
			o.Source, units.Bytes(t.large), units.Bytes(t.most))
	}
	if o.trusts() {
		if err := o.trust(t.index); err != nil {
			return err
		}
	}
	if t.index == nil || !t.hash {
		return nil
	}
	if len(t.span) > 0 {
		t.add(t.span)
		t.span = nil
	}
	if int64(len(t.sums)) != t.index.Spans() {
		return &TrustError{o.Source, fmt.Sprintf("%d spans came, its index has %d", len(t.sums), t.index.Spans())}
	}
	for _, f := range t.index.Frames() {
		for i := f.First; i < f.First+f.Count; i++ {
			if t.sums[i] != f.Digest {
				return fmt.Errorf("image %s: %w", o.Source, &image.DigestError{Span: i, Want: f.Digest, Got: t.sums[i]})
			}
		}
	}
	return nil
}
