package image

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

func tooLarge(t *testing.T, err error, what string) {
	t.Helper()
	var large *TooLargeError
	if !errors.As(err, &large) || large.What != what || large.Have <= large.Most {
		t.Fatalf("error is %v, want one that tells that the %s is too large", err, what)
	}
	if !strings.Contains(err.Error(), "save its partitions alone") {
		t.Errorf("the error does not tell what to do: %v", err)
	}
}

// What no reader would take is not written, wherever it shows.
func TestTooLarge(t *testing.T) {
	long := strings.Repeat("x", maxMeta)
	_, err := NewWriter(io.Discard, Index{Size: Span, Sector: 512, Meta: Meta{Notes: []string{long}}})
	tooLarge(t, err, "description")

	var out bytes.Buffer
	w, err := NewWriter(&out, Index{Size: Span, Sector: 512})
	if err != nil {
		t.Fatal(err)
	}
	w.Append(Packed{Kind: Empty})
	w.Note(long)
	_, err = w.Close()
	tooLarge(t, err, "description")

	const all = 1000
	x := Index{Size: all * Span, Sector: 512, Used: extent.NewSet(extent.Range{End: all*Span - 5})}
	for _, limit := range []int64{100 * leastFrame, all * leastFrame, (all + 20) * leastFrame} {
		w, err := NewWriter(io.Discard, x)
		if err != nil {
			t.Fatal(err)
		}
		w.limit = limit
		tight := w.Tight()
		n := int64(0)
		for ; n < all && err == nil; n++ {
			err = w.Append(Packed{Kind: Data, Digest: Digest{1}, Frame: []byte{1}})
		}
		_, closed := w.Close()
		if limit > (all+10)*leastFrame {
			if err != nil || closed != nil || tight {
				t.Errorf("an index of %d bytes: %v, %v, tight %v", limit, err, closed, tight)
			}
			continue
		}
		tooLarge(t, err, "index")
		if n > limit/leastFrame || !tight || closed == nil {
			t.Errorf("broke off at span %d with room for %d, tight %v, %v", n, limit/leastFrame, tight, closed)
		}
	}

	// Zeros may be in use as far as anyone likes.
	w, err = NewWriter(io.Discard, x)
	w.limit = 200
	for range all {
		err = errors.Join(err, w.Append(Packed{Kind: Empty}))
	}
	if _, closed := w.Close(); err != nil || closed != nil {
		t.Errorf("zeros: %v, %v", err, closed)
	}
}

// Runs of empty spans are counted, too.
func TestTooEmpty(t *testing.T) {
	for _, runs := range []int{3, 4} {
		x := Index{Size: int64(runs) * MaxRun * Span, Sector: 512}
		w, err := NewWriter(io.Discard, x)
		if err != nil {
			t.Fatal(err)
		}
		w.full = maxEmpty - 3 // as if so many had come
		for range x.Spans() {
			w.Append(Packed{Kind: Empty})
		}
		_, err = w.Close()
		if (runs > 3) != (err != nil && strings.Contains(err.Error(), "save its partitions alone")) {
			t.Errorf("%d runs where there is room for 3: %v", runs, err)
		}
	}
}

// What Append counts is what the index has.
func TestLeast(t *testing.T) {
	content, used := disk(3, 40*Span+77, 512)
	var out bytes.Buffer
	w, err := NewWriter(&out, Index{Size: int64(len(content)), Sector: 512, Used: used, Meta: meta})
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPacker(1, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for i := range w.index.Spans() {
		r := w.index.SpanRange(i)
		data := bytes.Clone(content[r.Off:r.End])
		Mask(used, r, data)
		if err := w.Append(p.Pack(nil, data)); err != nil {
			t.Fatal(err)
		}
	}
	x, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if n := int64(out.Len()) - x.DataEnd() - headerSize - footerSize; n != w.least {
		t.Errorf("the index has %d bytes, counted were %d", n, w.least)
	}
}
