package image

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

// Every bit of an image counts: whichever is flipped, the image is refused,
// or (in what no reader looks at) holds what it held.
func TestBitFlips(t *testing.T) {
	content, used := disk(3, 3*mib+4096, 4096)
	b := pack(t, content, used, 1, meta, nil)
	want := masked(content, used)
	r := rand.New(rand.NewPCG(1, 1))
	x, err := ReadIndex(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	flips := make([]int64, 0, 1000)
	for i := x.DataEnd() * 8; i < int64(len(b))*8; i += 1 + r.Int64N(16) {
		flips = append(flips, i) // the index, densely
	}
	for range 300 {
		flips = append(flips, r.Int64N(x.DataEnd()*8))
	}
	for _, i := range flips {
		bad := bytes.Clone(b)
		bad[i/8] ^= 1 << (i % 8)
		got, _, err := unpack(bad)
		var format *FormatError
		var digest *DigestError
		switch {
		case err == nil && bytes.Equal(got, want) && i < x.DataEnd()*8: // a checksum, or a frame of zeros
		case err == nil:
			t.Fatalf("bit %d flipped: taken as whole", i)
		case !errors.As(err, &format) && !errors.As(err, &digest) && !errors.Is(err, ErrNoIndex):
			t.Fatalf("bit %d flipped: %v", i, err)
		}
	}
}

func TestTruncated(t *testing.T) {
	content, used := disk(4, 2*mib, 4096)
	b := pack(t, content, used, 1, meta, nil)
	for n := range len(b) {
		if n > 4096 && n%97 != 0 {
			continue
		}
		if _, _, err := unpack(b[:n]); !errors.Is(err, ErrNoIndex) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
		if _, _, err := unpack(b[n+1:]); err == nil {
			t.Fatalf("the first %d bytes are missing, and nothing is said", n+1)
		}
	}
}

// Every index that decodes describes a disk without contradiction, and is the
// one encoding of what it says.
func FuzzIndex(f *testing.F) {
	for seed, size := range map[uint64]int64{1: 512, 2: 5 * mib, 3: 130*mib + 4096} {
		content, used := disk(seed, size, 4096)
		b := pack(f, content, used, 1, meta, nil)
		x, err := ReadIndex(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(x.encode()[headerSize:], x.end)
	}
	f.Fuzz(func(t *testing.T, b []byte, end int64) {
		if len(b) < fixedSize+footerSize || end < 0 {
			return
		}
		// What no attacker has to leave to chance: the footer, and the digest.
		b = bytes.Clone(b)
		foot := b[len(b)-footerSize:]
		copy(foot, footerMagic[:])
		le.PutUint32(foot[8:], Version)
		le.PutUint32(foot[12:], 0)
		le.PutUint64(foot[16:], uint64(len(b)-footerSize))
		le.PutUint64(foot[24:], uint64(end)+headerSize+uint64(len(b)))
		sum := Sum(b[:len(b)-32])
		copy(foot[32:], sum[:])
		x, err := ParseIndex(b)
		if err != nil {
			return
		}
		if x.Used.End() > x.Size {
			t.Fatal("used behind the end")
		}
		next, short := int64(0), false
		for _, f := range x.Frames() {
			if f.First != next || x.Range(f).Empty() {
				t.Fatalf("frame %+v at span %d", f, next)
			}
			if short && f.Kind == Empty {
				t.Fatalf("a run of empty spans goes on in %+v", f)
			}
			short = f.Kind == Empty && f.Count < MaxRun
			next += f.Count
		}
		if next != x.Spans() {
			t.Fatalf("%d of %d spans", next, x.Spans())
		}
		x.Root()
		y, err := ParseIndex(x.encode()[headerSize:])
		if err != nil || y.Root() != x.Root() || !y.Used.Equal(x.Used) {
			t.Fatalf("encoded again it is another: %v", err)
		}
	})
}

// FuzzOpen reads whatever is there, all of it.
func FuzzOpen(f *testing.F) {
	small, smallUsed := disk(1, 4096, 512)
	f.Add(pack(f, small, smallUsed, 1, Meta{}, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		content, x, err := unpack(b)
		if err == nil && int64(len(content)) != x.Size {
			t.Fatal("not all of it")
		}
	})
}

// Check finds whichever bit is flipped.
func TestCheck(t *testing.T) {
	content, used := disk(7, 4*mib, 4096)
	used.Remove(extent.Range{Off: 2 * mib, End: 3 * mib})
	b := pack(t, content, used, 1, meta, nil)
	open := func(b []byte) error {
		f, err := Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return err
		}
		return Check(t.Context(), f, nil)
	}
	if err := open(b); err != nil {
		t.Fatal(err)
	}
	x, err := ReadIndex(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(2, 2))
	for _, f := range x.Frames() {
		for range 20 {
			bad := bytes.Clone(b)
			i := f.Off + r.Int64N(f.Stored-4) // the last four bytes may be a checksum that nobody needs
			bad[i] ^= 1 << r.IntN(8)
			if err := open(bad); err == nil {
				if got, _, err := unpack(bad); err != nil || !bytes.Equal(got, masked(content, used)) {
					t.Errorf("byte %d changed, of the frame of span %d: not noticed", i, f.First)
				}
			} else if !IsDamaged(err) {
				t.Errorf("byte %d changed: %v", i, err)
			}
		}
	}
}

// TestStoredFrameHasChecksum flips bits of a span that does not shrink: any zstd
// must notice, not only those who read the index.
func TestStoredFrameHasChecksum(t *testing.T) {
	p, err := NewPacker(1, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	span := make([]byte, Span)
	src := rand.NewChaCha8([32]byte{7})
	src.Read(span)
	frame := p.Pack(nil, span).Frame
	if len(frame) <= Span {
		t.Fatalf("frame of random bytes has %d", len(frame))
	}
	dec, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	if got, err := dec.DecodeAll(frame, nil); err != nil || !bytes.Equal(got, span) {
		t.Fatalf("frame does not give the span: %v", err)
	}
	for _, at := range []int{100, Span / 2, len(frame) - 5} {
		frame[at] ^= 4
		if _, err := dec.DecodeAll(frame, nil); !errors.Is(err, zstd.ErrCRCMismatch) {
			t.Errorf("bit flipped at %d: %v", at, err)
		}
		frame[at] ^= 4
	}
}

// TestSplitRun refuses empty spans in more frames than they need: a short index
// would become very long in memory.
func TestSplitRun(t *testing.T) {
	for _, counts := range [][]int64{{1, 2}, {MaxRun, 1, 1}, {MaxRun, 3}, {3}} {
		x := &Index{Sector: 512, meta: []byte("{}")}
		for _, n := range counts {
			f := Frame{Kind: Empty, First: x.Spans(), Count: n, Off: x.end, Stored: emptySize(n * Span)}
			x.Size += n * Span
			x.end += f.Stored
			x.frames = append(x.frames, f)
		}
		_, err := ParseIndex(x.encode()[headerSize:])
		split := len(counts) > 1 && counts[len(counts)-2] < MaxRun
		var bad *FormatError
		if split != errors.As(err, &bad) || !split && err != nil {
			t.Errorf("%v: %v", counts, err)
		}
	}
}
