package inflate

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
)

// TestReaderTruncated cuts small streams after every byte.
func TestReaderTruncated(t *testing.T) {
	var r Reader
	data := bytes.Repeat([]byte("to be or not to be, "), 50)
	for _, level := range []int{-2, 0, 1, 9} {
		src := compress(t, data, level)
		for n := range src {
			_, used, err := all(&r, src[:n])
			if e, ok := errors.AsType[*Error](err); !ok || e.Fault != Truncated || e.Offset > n || used > n {
				t.Errorf("level %d, %d of %d bytes: used %d: %v; want truncated", level, n, len(src), used, err)
			}
		}
		if !compare(t, &r, src) {
			t.Errorf("level %d: whole stream refused", level)
		}
		if !compare(t, &r, append(src, 1, 2, 3)) {
			t.Errorf("level %d: followed by other bytes: refused", level)
		}
	}
}

// TestReaderFlipped inverts bits, each of small streams and some of a large
// one.
func TestReaderFlipped(t *testing.T) {
	var r Reader
	rnd := rand.New(rand.NewPCG(3, 4))
	small := make([]byte, 600)
	for i := range small {
		small[i] = byte(rnd.ExpFloat64() * 9)
	}
	small = append(small, small[100:400]...)
	for _, level := range []int{-2, 0, 1, 9} {
		src := compress(t, small, level)
		for bit := range 8 * len(src) {
			src[bit/8] ^= 1 << (bit % 8)
			compare(t, &r, src)
			src[bit/8] ^= 1 << (bit % 8)
		}
	}
	src := compress(t, corpus(t)["program"][:400<<10], 5)
	for range 100 {
		bit := rnd.IntN(8 * len(src))
		src[bit/8] ^= 1 << (bit % 8)
		compare(t, &r, src)
		src[bit/8] ^= 1 << (bit % 8)
	}
}

// TestReaderPieces looks at the pieces themselves: they are bounded, and an
// error stays.
func TestReaderPieces(t *testing.T) {
	var r Reader
	if _, err := r.Next(); err == nil {
		t.Error("a zero Reader decodes nothing without an error")
	}
	data := corpus(t)["zeros"]
	src := compress(t, data, 9)
	r.Reset(src)
	pieces, total := 0, 0
	for {
		piece, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(piece) == 0 || len(piece) > windowSize {
			t.Fatalf("piece of %d bytes", len(piece))
		}
		pieces++
		total += len(piece)
	}
	if total != len(data) || pieces < len(data)/windowSize {
		t.Errorf("%d bytes in %d pieces", total, pieces)
	}
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("after the end: %v; want EOF", err)
	}
	src[len(src)-1] ^= 1
	r.Reset(src)
	var err error
	for got := 0; err == nil; {
		var piece []byte
		piece, err = r.Next()
		if got += len(piece); got >= total {
			t.Fatal("all output came before the checksum was wrong")
		}
	}
	if _, again := r.Next(); again != err || errors.Is(err, io.EOF) {
		t.Errorf("error %v became %v", err, again)
	}
}

// TestReaderBomb decodes what is a thousand times smaller than its output.
func TestReaderBomb(t *testing.T) {
	// A match of 258 zeros is a length of one bit and a distance of one bit.
	const matches = 1 << 20
	w := new(bitWriter).dynamic(
		sparse(286, map[int]int{0: 2, endSymbol: 2, 285: 1}), sparse(1, map[int]int{0: 1}))
	w.word(2, 2)
	w.buf = append(w.buf, make([]byte, matches/4)...)
	w.count += 2 * matches
	w.buf = w.buf[:(w.count+7)/8]
	w.word(3, 2)
	size := 1 + matches*maxLength
	src := w.wrap(make([]byte, size))
	var r Reader
	r.Reset(src)
	total := 0
	for {
		piece, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		total += len(piece)
	}
	if total != size || r.Consumed() != len(src) {
		t.Errorf("%d bytes from %d of %d; want %d", total, r.Consumed(), len(src), size)
	}
}

const endSymbol = 256
