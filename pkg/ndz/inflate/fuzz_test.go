package inflate

import (
	"hash/adler32"
	"testing"
)

// FuzzInflate decodes anything, as it is and as the blocks between a good
// header and whatever checksum they need, and wants the verdict of the
// standard library.
func FuzzInflate(f *testing.F) {
	for _, data := range corpus(f) {
		data = data[:min(len(data), 2000)]
		for _, level := range []int{-2, 0, 1, 9} {
			f.Add(compress(f, data, level))
		}
	}
	f.Add(new(bitWriter).dynamic(deep(), []int{1, 1}).word(0, 1).word(1<<maxBits-1, maxBits).wrap([]byte{1}))
	r := new(Reader)
	f.Fuzz(func(t *testing.T, src []byte) {
		if len(src) > 32<<10 {
			t.Skip("more than a thousand times that would come out")
		}
		compare(t, r, src)
		if len(src) < 6 {
			return
		}
		// Mutations never meet the checksum: give it to them.
		whole := append([]byte{0x78, 0x9c}, src[2:]...)
		out, used, err := all(r, whole)
		if e, ok := err.(*Error); ok && e.Fault == BadChecksum && used >= 4 {
			r.Reset(whole)
			var sum uint32
			if out, sum = tolerant(r); r.Consumed() != used {
				t.Fatalf("used %d bytes, then %d", used, r.Consumed())
			}
			if sum != adler32.Checksum(out) {
				t.Fatalf("checksum %08x of %d bytes; want %08x", sum, len(out), adler32.Checksum(out))
			}
			whole = append(whole[:used-4:used-4], byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum))
			if !compare(t, r, whole) {
				t.Fatal("refused")
			}
		}
	})
}

// tolerant decodes r up to the end of its stream, whatever its checksum is,
// and returns the right one.
func tolerant(r *Reader) (out []byte, sum uint32) {
	for {
		piece, err := r.Next()
		if err != nil {
			return append(out, r.window[r.start:r.pos]...), r.sum.value()
		}
		out = append(out, piece...)
	}
}

// TestAdler sums up lengths around the spans, and the largest bytes there are.
func TestAdler(t *testing.T) {
	random := corpus(t)["random"]
	ones := make([]byte, 40000)
	for i := range ones {
		ones[i] = 255
	}
	for _, data := range [][]byte{random, ones} {
		for n := 0; n < 30000; n += 1 + n/7 {
			for _, split := range []int{0, n / 3, n} {
				s := newAdler()
				s.add(data[:split])
				s.add(data[split:n])
				if want := adler32.Checksum(data[:n]); s.value() != want {
					t.Fatalf("%d bytes, split at %d: %08x; want %08x", n, split, s.value(), want)
				}
			}
		}
	}
}
