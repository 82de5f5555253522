package deflate

import "math/bits"

const (
	hashBits = 14
	minMatch = 4
	maxMatch = 258
	margin   = 8 // bytes before the end of a block where no match begins

	enough = 16 // long enough a match to look for no other
	skip   = 6  // a step more for every 1<<skip bytes without a match
	stride = 6  // every so many positions in a match are put into the table
)

// bucket is the two latest positions with the same hash.
type bucket [2]uint32

func (b *bucket) put(at uint32) { b[0], b[1] = at, b[0] }

// seq is some literals and a match behind them.
type seq struct {
	lits uint32
	len  uint16
	dist uint16 // less one
}

// hash mixes five bytes.
func hash(v uint64) uint32 { return uint32((v << 24) * 889523592379 >> (64 - hashBits)) }

// find fills seqs with what src is made of from from on, up to the last match.
func (e *Encoder) find(src []byte, from int) {
	seqs, table, shift := 0, &e.table, e.shift
	emit, s := from, from
	limit := len(src) - margin
	for s <= limit {
		v := le.Uint64(src[s:])
		b := &table[hash(v)]
		at := uint32(s) + shift
		d0, d1 := at-b[0], at-b[1]
		b[0], b[1] = at, b[0]
		n, dist := 0, 0
		if d0-1 < Window {
			if t := s - int(d0); uint32(v) == le.Uint32(src[t:]) {
				n, dist = minMatch+same(src[s+minMatch:], src[t+minMatch:]), int(d0)
			}
		}
		if d1-1 < Window && n < enough {
			if t := s - int(d1); uint32(v) == le.Uint32(src[t:]) {
				if m := minMatch + same(src[s+minMatch:], src[t+minMatch:]); m > n {
					n, dist = m, int(d1)
				}
			}
		}
		if n == 0 {
			s += 1 + (s-emit)>>skip
			continue
		}
		for s > emit && s-dist > e.first && src[s-1] == src[s-1-dist] {
			s--
			n++
		}
		end := s + n
		for p := s + 2; p < min(end-stride, limit); p += stride {
			table[hash(le.Uint64(src[p:]))].put(uint32(p) + shift)
		}
		lits := uint32(s - emit)
		for ; end-s >= minMatch; lits = 0 {
			n := min(end-s, maxMatch)
			e.seqs[seqs] = seq{lits, uint16(n), uint16(dist - 1)}
			seqs++
			s += n
		}
		emit = s
		if s <= limit {
			x := le.Uint64(src[s-2:])
			table[hash(x)].put(uint32(s-2) + shift)
			table[hash(x>>8)].put(uint32(s-1) + shift)
		}
	}
	e.nseq, e.end = seqs, uint32(len(src))+shift
}

// same is how many bytes at the begin of a are those of b, which is not shorter.
func same(a, b []byte) int {
	n := 0
	for len(a) >= 8 {
		if x := le.Uint64(a) ^ le.Uint64(b); x != 0 {
			return n + bits.TrailingZeros64(x)>>3
		}
		a, b = a[8:], b[8:]
		n += 8
	}
	for i, c := range a {
		if c != b[i] {
			break
		}
		n++
	}
	return n
}
