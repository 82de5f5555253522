package inflate

import "encoding/binary"

// adler is a running Adler-32 checksum (RFC 1950, section 8.2): the sum of the
// bytes, and the sum of those sums.
type adler struct{ a, b uint32 }

const (
	adlerBase = 65521
	// adlerRun is the most bytes whose sums fit 32 bits without a division.
	adlerRun = 5552 / adlerSpan * adlerSpan
	// adlerSpan is about the most bytes that 16-bit lanes can sum up: of 22
	// words of eight, 255 times 1 + 2 + ... + 21 is below 65536.
	adlerSpan = 22 * 8
)

func newAdler() adler { return adler{a: 1} }

func (s *adler) value() uint32 { return s.b<<16 | s.a }

// add sums p up.
func (s *adler) add(p []byte) {
	a, b := s.a, s.b
	for len(p) >= adlerSpan {
		run := p[:min(adlerRun, len(p)/adlerSpan*adlerSpan)]
		p = p[len(run):]
		for ; len(run) >= adlerSpan; run = run[adlerSpan:] {
			sum, weighted := span((*[adlerSpan]byte)(run))
			b += a*adlerSpan + weighted
			a += sum
		}
		a %= adlerBase
		b %= adlerBase
	}
	for _, c := range p {
		a += uint32(c)
		b += a
	}
	s.a, s.b = a%adlerBase, b%adlerBase
}

// span returns the sum of the bytes of p, and the sum of each byte times its
// distance from the end of p. Eight bytes at a time lie as 16-bit lanes in two
// words: the even ones and the odd ones. The sums of the sums count how many
// words were still to come.
func span(p *[adlerSpan]byte) (sum, weighted uint32) {
	const lanes = 0x00ff00ff00ff00ff
	var even, odd, evens, odds uint64
	for i := 0; i < adlerSpan; i += 16 {
		v := binary.LittleEndian.Uint64(p[i : i+8])
		w := binary.LittleEndian.Uint64(p[i+8 : i+16])
		evens += even
		odds += odd
		even += v & lanes
		odd += v >> 8 & lanes
		evens += even
		odds += odd
		even += w & lanes
		odd += w >> 8 & lanes
	}
	// The highest lane of a product with these is the sum of all lanes, or of
	// four times the first up to once the last. No lane of it overflows.
	const (
		once    = 0x0001000100010001
		falling = 0x0004000300020001
		half    = 0x0000ffff0000ffff
	)
	odd1 := odd * once >> 48
	sums := evens&half + evens>>16&half + odds&half + odds>>16&half
	sums = sums&0xffffffff + sums>>32
	// The even bytes of a word are 8, 6, 4, 2 from the end of it, the odd ones
	// 7, 5, 3, 1.
	weighted = uint32(8*sums + 2*(even*falling>>48+odd*falling>>48) - odd1)
	return uint32(even*once>>48 + odd1), weighted
}
