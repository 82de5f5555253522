// Package xxhash computes XXH64 with seed 0, the checksum of zstd frames and of
// btrfs blocks
// (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md). It finds
// accidents, not forgers.
package xxhash

import (
	"encoding/binary"
	"math/bits"
)

// Sum64 is the hash of p.
func Sum64(p []byte) uint64 {
	h := New()
	h.Write(p)
	return h.Sum64()
}

const (
	prime1 uint64 = 0x9E3779B185EBCA87
	prime2 uint64 = 0xC2B2AE3D27D4EB4F
	prime3 uint64 = 0x165667B19E3779F9
	prime4 uint64 = 0x85EBCA77C2B2AE63
	prime5 uint64 = 0x27D4EB2F165667C5
)

// Hash takes in bytes with Write; make one with New.
type Hash struct {
	v     [4]uint64
	total uint64
	rest  [32]byte
	n     int // bytes in rest
}

// New is a hash of nothing yet.
func New() Hash {
	p1, p2 := prime1, prime2 // variables: the sums overflow on purpose
	return Hash{v: [4]uint64{p1 + p2, p2, 0, -p1}}
}

// Write takes in p.
func (x *Hash) Write(p []byte) {
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
func (x *Hash) stripes(p []byte) {
	a, b, c, d := x.v[0], x.v[1], x.v[2], x.v[3]
	for len(p) >= 32 {
		s := p[:32]
		a = round(a, binary.LittleEndian.Uint64(s[0:8]))
		b = round(b, binary.LittleEndian.Uint64(s[8:16]))
		c = round(c, binary.LittleEndian.Uint64(s[16:24]))
		d = round(d, binary.LittleEndian.Uint64(s[24:32]))
		p = p[32:]
	}
	x.v = [4]uint64{a, b, c, d}
}

func round(acc, lane uint64) uint64 {
	return bits.RotateLeft64(acc+lane*prime2, 31) * prime1
}

// Sum64 is the hash of what was written so far.
func (x *Hash) Sum64() uint64 {
	h := x.v[2] + prime5
	if x.total >= 32 {
		h = bits.RotateLeft64(x.v[0], 1) + bits.RotateLeft64(x.v[1], 7) +
			bits.RotateLeft64(x.v[2], 12) + bits.RotateLeft64(x.v[3], 18)
		for _, v := range x.v {
			h = (h^round(0, v))*prime1 + prime4
		}
	}
	h += x.total
	p := x.rest[:x.n]
	for ; len(p) >= 8; p = p[8:] {
		h ^= round(0, binary.LittleEndian.Uint64(p))
		h = bits.RotateLeft64(h, 27)*prime1 + prime4
	}
	if len(p) >= 4 {
		h ^= uint64(binary.LittleEndian.Uint32(p)) * prime1
		h = bits.RotateLeft64(h, 23)*prime2 + prime3
		p = p[4:]
	}
	for _, c := range p {
		h ^= uint64(c) * prime5
		h = bits.RotateLeft64(h, 11) * prime1
	}
	h ^= h >> 33
	h *= prime2
	h ^= h >> 29
	h *= prime3
	return h ^ h>>32
}
