package stream

import (
	"encoding/binary"
	"math/bits"
)

// Primes of XXH64, https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
const (
	xxPrime1 uint64 = 0x9E3779B185EBCA87
	xxPrime2 uint64 = 0xC2B2AE3D27D4EB4F
	xxPrime3 uint64 = 0x165667B19E3779F9
	xxPrime4 uint64 = 0x85EBCA77C2B2AE63
	xxPrime5 uint64 = 0x27D4EB2F165667C5
)

// xxhash64 is XXH64 with seed 0, of which zstd frames carry the low 32 bits.
type xxhash64 struct {
	v     [4]uint64
	total uint64
	rest  [32]byte
	n     int // bytes in rest
}

func newXXHash64() xxhash64 {
	p1, p2 := xxPrime1, xxPrime2 // variables: the sums overflow on purpose
	return xxhash64{v: [4]uint64{p1 + p2, p2, 0, -p1}}
}

func (x *xxhash64) Write(p []byte) {
	x.total += uint64(len(p))
	if x.n > 0 {
		m := copy(x.rest[x.n:], p)
		x.n += m
		p = p[m:]
		if x.n < len(x.rest) {
			return
		}
		x.stripes(x.rest[:])
		x.n = 0
	}
	whole := len(p) &^ 31
	x.stripes(p[:whole])
	x.n = copy(x.rest[:], p[whole:])
}

// stripes takes in a multiple of 32 bytes.
func (x *xxhash64) stripes(p []byte) {
	a, b, c, d := x.v[0], x.v[1], x.v[2], x.v[3]
	for len(p) >= 32 {
		s := p[:32]
		a = xxRound(a, binary.LittleEndian.Uint64(s[0:8]))
		b = xxRound(b, binary.LittleEndian.Uint64(s[8:16]))
		c = xxRound(c, binary.LittleEndian.Uint64(s[16:24]))
		d = xxRound(d, binary.LittleEndian.Uint64(s[24:32]))
		p = p[32:]
	}
	x.v = [4]uint64{a, b, c, d}
}

func xxRound(acc, lane uint64) uint64 {
	return bits.RotateLeft64(acc+lane*xxPrime2, 31) * xxPrime1
}

func (x *xxhash64) Sum64() uint64 {
	h := x.v[2] + xxPrime5
	if x.total >= 32 {
		h = bits.RotateLeft64(x.v[0], 1) + bits.RotateLeft64(x.v[1], 7) +
			bits.RotateLeft64(x.v[2], 12) + bits.RotateLeft64(x.v[3], 18)
		for _, v := range x.v {
			h = (h^xxRound(0, v))*xxPrime1 + xxPrime4
		}
	}
	h += x.total
	p := x.rest[:x.n]
	for ; len(p) >= 8; p = p[8:] {
		h ^= xxRound(0, binary.LittleEndian.Uint64(p))
		h = bits.RotateLeft64(h, 27)*xxPrime1 + xxPrime4
	}
	if len(p) >= 4 {
		h ^= uint64(binary.LittleEndian.Uint32(p)) * xxPrime1
		h = bits.RotateLeft64(h, 23)*xxPrime2 + xxPrime3
		p = p[4:]
	}
	for _, c := range p {
		h ^= uint64(c) * xxPrime5
		h = bits.RotateLeft64(h, 11) * xxPrime1
	}
	h ^= h >> 33
	h *= xxPrime2
	h ^= h >> 29
	h *= xxPrime3
	return h ^ h>>32
}
