package inflate

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// deep is a code with words of every length up to 15: a literal of each from 1
// on, and two of 15 bits, the last of which ends the block.
func deep() []int {
	lens := sparse(257, nil)
	for n := 1; n <= maxBits; n++ {
		lens[n] = n
	}
	lens[endSymbol] = maxBits
	return lens
}

// TestCorners decodes what RFC 1951 allows and encoders hardly make.
func TestCorners(t *testing.T) {
	random := corpus(t)["random"]
	repeat := func(s string, n int) []byte { return bytes.Repeat([]byte(s), n) }
	w := func() *bitWriter { return new(bitWriter) }
	letters := w().dynamic(deep(), []int{0})
	var deepWant []byte
	for n := 1; n <= maxBits; n++ {
		// Words of n bits: n-1 ones and a zero; the last pair differs in the
		// last bit.
		letters.word(1<<n-2, n)
		deepWant = append(deepWant, byte(n))
	}
	letters.word(1<<maxBits-1, maxBits)
	distances := []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 15}
	for _, test := range []struct {
		name string
		w    *bitWriter
		want []byte
	}{
		{"fixed, empty", w().bits(1, 1).bits(1, 2).fixed(endSymbol), nil},
		{"fixed, a literal", w().bits(1, 1).bits(1, 2).fixed(255, endSymbol), []byte{255}},
		{"stored, empty", w().stored(1, nil), nil},
		{"stored, longest", w().stored(1, random[:65535]), random[:65535]},
		{"stored, pieces", w().stored(0, random[:65535]).stored(0, random[65535:2*65535]).stored(0, random[2*65535:3*65535]).
			stored(0, random[3*65535:4*65535]).stored(1, random[4*65535:5*65535]), random[:5*65535]},
		{"sync flushes", w().stored(0, nil).stored(0, nil).bits(0, 1).bits(1, 2).fixed('a', endSymbol).stored(0, nil).stored(1, []byte("b")), []byte("ab")},
		{"empty blocks", w().bits(0, 3).align().raw(0, 0, 255, 255).bits(0, 1).bits(1, 2).fixed(endSymbol).bits(0, 1).bits(1, 2).fixed(endSymbol).bits(1, 1).bits(1, 2).fixed('x', endSymbol), []byte("x")},
		{"length 258, distance 1", w().bits(1, 1).bits(1, 2).fixed('a', 285).word(0, 5).fixed(endSymbol), repeat("a", 259)},
		{"length 258 by extra bits", w().bits(1, 1).bits(1, 2).fixed('a', 284).bits(31, 5).word(0, 5).fixed(endSymbol), repeat("a", 259)},
		{"length 3, distance 2", w().bits(1, 1).bits(1, 2).fixed('a', 'b', 257).word(1, 5).fixed(endSymbol), []byte("ababa")},
		{"distance 32768", w().stored(0, random[:32768]).bits(1, 1).bits(1, 2).fixed(285).word(29, 5).bits(8191, 13).fixed(endSymbol), append(random[:32768:32768], random[:258]...)},
		{"distance 32768 after a slide", w().stored(0, random[:65535]).stored(0, random[:65535]).stored(0, random[:65535]).stored(0, random[:65535]).stored(0, random[:65535]).
			bits(1, 1).bits(1, 2).fixed(285).word(29, 5).bits(8191, 13).fixed(endSymbol),
			append(bytes.Repeat(random[:65535], 5), random[32767:32767+258]...)},
		{"single distance code", w().dynamic(sparse(258, map[int]int{'z': 1, endSymbol: 2, 257: 2}), []int{0, 0, 1}).word(0, 1).word(0, 1).word(0, 1).word(3, 2).word(0, 1).word(2, 2), repeat("z", 6)},
		{"no distance codes, unused", w().dynamic(sparse(257, map[int]int{'q': 1, endSymbol: 1}), []int{0}).word(0, 1).word(1, 1), []byte("q")},
		{"single literal code", w().dynamic(sparse(257, map[int]int{endSymbol: 1}), []int{0}).word(0, 1), nil},
		{"words of 15 bits", letters, deepWant},
		{"distances of 15 bits", w().dynamic(sparse(258, map[int]int{'k': 1, endSymbol: 2, 257: 2}), distances).
			bits(0, 300).word(3, 2).word(1<<15-2, 15).bits(63, 6).word(3, 2).word(1<<15-1, 15).bits(63, 6).word(2, 2), repeat("k", 306)},
	} {
		src := test.w.wrap(test.want)
		var r Reader
		got, used, err := all(&r, src)
		if err != nil || used != len(src) {
			t.Errorf("%s: used %d of %d: %v", test.name, used, len(src), err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" && len(diff) < 2000 || diff != "" && !bytes.Equal(got, test.want) {
			t.Errorf("%s: output (-want +got):\n%.2000s", test.name, diff)
		}
		compare(t, &r, src)
	}
}

// TestFaults decodes what must be refused, for the reason that it must.
func TestFaults(t *testing.T) {
	w := func() *bitWriter { return new(bitWriter) }
	fixed := func() *bitWriter { return w().bits(1, 1).bits(1, 2) }
	// head is a dynamic block whose code of code lengths has these lengths.
	head := func(lengths, offsets int, lens ...int) *bitWriter {
		b := w().bits(1, 1).bits(2, 2).bits(lengths-257, 5).bits(offsets-1, 5).bits(len(order)-4, 4)
		for _, symbol := range order {
			b.bits(at(lens, int(symbol)), 3)
		}
		return b
	}
	header := func(cmf, flags byte) []byte {
		return append([]byte{cmf, flags}, fixed().fixed(endSymbol).wrap(nil)[2:]...)
	}
	ends := map[int]int{'a': 1, endSymbol: 2, 257: 2}
	sum := fixed().fixed('a', endSymbol).wrap([]byte("b"))
	for _, test := range []struct {
		name string
		src  []byte
		want Fault
	}{
		{"empty", nil, Truncated},
		{"gzip", []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0}, BadHeader},
		{"other method", header(0x77, 0x85), BadHeader},
		{"window of 64 KiB", header(0x88, 0x1c), BadHeader},
		{"check of the header", header(0x78, 0x9d), BadHeader},
		{"dictionary", header(0x78, 0xbb), Dictionary},
		{"block type 3", w().bits(1, 1).bits(3, 2).wrap(nil), BadBlock},
		{"complement", w().bits(1, 3).align().raw(1, 0, 254, 254, 'x').wrap([]byte("x")), BadStored},
		{"287 lengths", head(287, 1).wrap(nil), BadCounts},
		{"31 distances", head(257, 31).wrap(nil), BadCounts},
		{"code lengths: none", head(257, 1).wrap(nil), BadLengthCode},
		{"code lengths: single", head(257, 1, 1).wrap(nil), BadLengthCode},
		{"code lengths: incomplete", head(257, 1, 2, 2, 2).wrap(nil), BadLengthCode},
		{"code lengths: over-subscribed", head(257, 1, 1, 1, 1).wrap(nil), BadLengthCode},
		{"repeats nothing", append(head(257, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1).word(1, 1).wrap(nil), make([]byte, 64)...), BadLengths},
		{"repeats too often", head(257, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1).word(1, 1).bits(127, 7).word(1, 1).bits(127, 7).wrap(nil), BadLengths},
		{"no end", w().dynamic(sparse(257, map[int]int{'a': 1, 'b': 1}), []int{0}).word(0, 1).wrap(nil), NoEnd},
		{"literals incomplete", w().dynamic(sparse(257, map[int]int{'a': 2, endSymbol: 2}), []int{0}).wrap(nil), BadLiteralCode},
		{"literals of one word of 2 bits", w().dynamic(sparse(257, map[int]int{endSymbol: 2}), []int{0}).wrap(nil), BadLiteralCode},
		{"literals over-subscribed", w().dynamic(sparse(257, map[int]int{'a': 1, 'b': 1, endSymbol: 1}), []int{0}).wrap(nil), BadLiteralCode},
		{"distances incomplete", w().dynamic(sparse(258, ends), []int{2, 2}).wrap(nil), BadDistanceCode},
		{"distances of one word of 2 bits", w().dynamic(sparse(258, ends), []int{2}).wrap(nil), BadDistanceCode},
		{"distances over-subscribed", w().dynamic(sparse(258, ends), []int{1, 1, 1}).wrap(nil), BadDistanceCode},
		{"no distance codes, used", w().dynamic(sparse(258, ends), []int{0}).word(0, 1).word(3, 2).wrap(nil), BadSymbol},
		{"other of a single distance code", w().dynamic(sparse(258, ends), []int{1}).word(0, 1).word(3, 2).word(1, 1).wrap(nil), BadSymbol},
		{"other of a single literal code", w().dynamic(sparse(257, map[int]int{endSymbol: 1}), []int{0}).word(1, 1).wrap(nil), BadSymbol},
		{"length 286", fixed().fixed('a', 286).word(0, 5).fixed(endSymbol).wrap(nil), BadSymbol},
		{"length 287", fixed().fixed('a', 287).word(0, 5).fixed(endSymbol).wrap(nil), BadSymbol},
		{"distance 30", fixed().fixed('a', 257).word(30, 5).fixed(endSymbol).wrap(nil), BadSymbol},
		{"distance 31", fixed().fixed('a', 257).word(31, 5).fixed(endSymbol).wrap(nil), BadSymbol},
		{"distance of nothing", fixed().fixed(257).word(0, 5).fixed(endSymbol).wrap(nil), BadDistance},
		{"distance before the start", fixed().fixed('a', 257).word(1, 5).fixed(endSymbol).wrap(nil), BadDistance},
		{"checksum", sum, BadChecksum},
	} {
		var r Reader
		_, _, err := all(&r, test.src)
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Fault != test.want {
			t.Errorf("%s: %v; want %v", test.name, err, test.want)
		}
		compare(t, &r, test.src)
	}
}

// at returns s[i], or zero behind its end.
func at(s []int, i int) int {
	if i < len(s) {
		return s[i]
	}
	return 0
}

// TestFault gives every fault words of its own.
func TestFault(t *testing.T) {
	seen := map[string]bool{}
	for f := Truncated; f <= BadChecksum; f++ {
		if seen[f.String()] || f.String() == Fault(0).String() {
			t.Errorf("fault %d is %q", f, f)
		}
		seen[f.String()] = true
	}
	err := &Error{BadDistance, 17}
	if got, want := err.Error(), "inflate: distance too far back at byte 17"; got != want {
		t.Errorf("error %q; want %q", got, want)
	}
}
