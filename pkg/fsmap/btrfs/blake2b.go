package btrfs

import (
	"encoding/binary"
	"math/bits"
)

// What BLAKE2b starts from and how it permutes a block's words, RFC 7693.
var (
	blakeIV = [8]uint64{
		0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
		0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
	}
	blakeSigma = [10][16]byte{
		{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
		{14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
		{11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
		{7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
		{9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
		{2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
		{12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
		{13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
		{6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
		{10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
	}
)

// blake2b is the BLAKE2b digest of 32 bytes of b, without a key.
func blake2b(b []byte) (out [32]byte) {
	h := blakeIV
	h[0] ^= 0x01010000 ^ uint64(len(out))
	n := uint64(0)
	for ; len(b) > 128; b = b[128:] {
		n += 128
		blakeBlock(&h, b[:128], n, 0)
	}
	var last [128]byte
	n += uint64(copy(last[:], b))
	blakeBlock(&h, last[:], n, ^uint64(0))
	for i := range len(out) / 8 {
		binary.LittleEndian.PutUint64(out[8*i:], h[i])
	}
	return out
}

// blakeBlock takes in a block, of which n bytes are counted so far; last is all
// ones for the last.
func blakeBlock(h *[8]uint64, b []byte, n, last uint64) {
	var m [16]uint64
	for i := range m {
		m[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	var v [16]uint64
	copy(v[:], h[:])
	copy(v[8:], blakeIV[:])
	v[12] ^= n
	v[14] ^= last
	for r := range 12 {
		s := &blakeSigma[r%10]
		for i := range 8 {
			// Columns first, then diagonals.
			turn := i / 4
			p, q := &v[i%4], &v[4+(i+turn)%4]
			c, d := &v[8+(i+2*turn)%4], &v[12+(i+3*turn)%4]
			*p += *q + m[s[2*i]&15]
			*d = bits.RotateLeft64(*d^*p, -32)
			*c += *d
			*q = bits.RotateLeft64(*q^*c, -24)
			*p += *q + m[s[2*i+1]&15]
			*d = bits.RotateLeft64(*d^*p, -16)
			*c += *d
			*q = bits.RotateLeft64(*q^*c, -63)
		}
	}
	for i := range h {
		h[i] ^= v[i] ^ v[i+8]
	}
}
