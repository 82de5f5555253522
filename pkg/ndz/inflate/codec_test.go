package inflate

import (
	"bytes"
	"compress/zlib"
	"hash/adler32"
	"io"
	"math/bits"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// bitWriter makes streams that no encoder would.
type bitWriter struct {
	buf   []byte
	count int
}

// bits appends n bits of v, the lowest first.
func (w *bitWriter) bits(v, n int) *bitWriter {
	for i := range n {
		if w.count%8 == 0 {
			w.buf = append(w.buf, 0)
		}
		w.buf[w.count/8] |= byte(v>>i&1) << (w.count % 8)
		w.count++
	}
	return w
}

// word appends a code word of n bits, the highest first.
func (w *bitWriter) word(v, n int) *bitWriter {
	return w.bits(int(bits.Reverse32(uint32(v))>>(32-n)), n)
}

// fixed appends symbols of the fixed code of literals and lengths.
func (w *bitWriter) fixed(symbols ...int) *bitWriter {
	for _, s := range symbols {
		switch {
		case s < 144:
			w.word(0x30+s, 8)
		case s < 256:
			w.word(0x190+s-144, 9)
		case s < 280:
			w.word(s-256, 7)
		default:
			w.word(0xc0+s-280, 8)
		}
	}
	return w
}

// align fills the byte up.
func (w *bitWriter) align() *bitWriter {
	w.count = 8 * len(w.buf)
	return w
}

// raw appends bytes.
func (w *bitWriter) raw(p ...byte) *bitWriter {
	w.buf = append(w.buf, p...)
	return w.align()
}

// stored appends a stored block.
func (w *bitWriter) stored(last int, p []byte) *bitWriter {
	n := len(p)
	w.bits(last, 1).bits(0, 2).align()
	return w.raw(byte(n), byte(n>>8), byte(^n), byte(^n>>8)).raw(p...)
}

// dynamic opens a last dynamic block with the given lengths of code words,
// all of which are written with four bits.
func (w *bitWriter) dynamic(lengths, offsets []int) *bitWriter {
	w.bits(1, 1).bits(2, 2).bits(len(lengths)-257, 5).bits(len(offsets)-1, 5).bits(len(order)-4, 4)
	for _, symbol := range order {
		n := 0
		if symbol < 16 {
			n = 4
		}
		w.bits(n, 3)
	}
	for _, n := range append(lengths[:len(lengths):len(lengths)], offsets...) {
		w.word(n, 4)
	}
	return w
}

// sparse returns count lengths, those of some symbols not zero.
func sparse(count int, lens map[int]int) []int {
	s := make([]int, count)
	for symbol, n := range lens {
		s[symbol] = n
	}
	return s
}

// wrap puts the header in front of w and the checksum of want behind it.
func (w *bitWriter) wrap(want []byte) []byte {
	sum := adler32.Checksum(want)
	return append(append([]byte{0x78, 0x9c}, w.buf...), byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum))
}

// all decodes src, and returns how much of it was used.
func all(r *Reader, src []byte) (out []byte, used int, err error) {
	r.Reset(src)
	for {
		piece, err := r.Next()
		if err == io.EOF {
			return out, r.Consumed(), nil
		}
		if err != nil {
			return out, r.Consumed(), err
		}
		out = append(out, piece...)
	}
}

// standard is all with the standard library.
func standard(src []byte) (out []byte, used int, err error) {
	in := bytes.NewReader(src)
	z, err := zlib.NewReader(in)
	if err != nil {
		return nil, 0, err
	}
	out, err = io.ReadAll(z)
	return out, len(src) - in.Len(), err
}

// compare decodes src with this package and with the standard library, which
// must agree, and reports whether it is a stream.
func compare(t *testing.T, r *Reader, src []byte) bool {
	t.Helper()
	got, used, err := all(r, src)
	want, length, wantErr := standard(src)
	if e, ok := err.(*Error); ok && e.Fault == BadLengthCode && wantErr == nil {
		// The standard library takes a code of code lengths that is a single
		// bit. zlib does not.
		return false
	}
	switch {
	case (err == nil) != (wantErr == nil):
		t.Errorf("error %v of %d bytes; want %v", err, len(src), wantErr)
	case err == nil && !bytes.Equal(got, want):
		t.Errorf("output of %d bytes differs", len(src))
	case err == nil && used != length:
		t.Errorf("used %d of %d bytes; want %d", used, len(src), length)
	case !bytes.HasPrefix(want, got):
		t.Errorf("%d bytes before %v are wrong", len(got), err)
	}
	return err == nil
}

// compress packs data with the standard library.
func compress(t testing.TB, data []byte, level int) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := zlib.NewWriterLevel(&buf, level)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(data)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// corpus returns data of many kinds; some of it spans several pieces.
func corpus(t testing.TB) map[string][]byte {
	t.Helper()
	rnd := rand.New(rand.NewPCG(1, 2))
	random := make([]byte, 700<<10)
	for i := range random {
		random[i] = byte(rnd.Uint32())
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	// Every short period, and matches from far away.
	var periods, far []byte
	for n := 1; n < 40; n++ {
		for range 1 + rnd.IntN(300) {
			periods = append(periods, random[:n]...)
		}
		periods = append(periods, random[n*50:n*50+n]...)
	}
	for len(far) < 900<<10 {
		n := rnd.IntN(300)
		if from := len(far) - maxDistance + rnd.IntN(64); from > 0 && n > 2 {
			far = append(far, far[from:from+n]...)
		}
		far = append(far, random[n*7:n*7+rnd.IntN(60)]...)
	}
	// Code words of all lengths: each byte half as often as the one before.
	skewed := make([]byte, 300<<10)
	for i := range skewed {
		skewed[i] = byte(bits.LeadingZeros32(rnd.Uint32()) * 7)
	}
	return map[string][]byte{
		"empty":   nil,
		"byte":    {7},
		"zeros":   make([]byte, 3<<20),
		"random":  random,
		"text":    []byte(strings.Repeat("to be or not to be, that is the question; ", 9000)),
		"program": program[:min(len(program), 1500<<10)],
		"periods": periods,
		"far":     far,
		"skewed":  skewed,
	}
}
