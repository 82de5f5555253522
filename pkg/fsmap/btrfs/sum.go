package btrfs

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"math/bits"
)

// sumSize is what superblock and tree blocks reserve for their checksum, which
// is of all that follows.
const sumSize = 32

// sum computes a block's checksum, padded with zeros.
type sum func(b []byte) [sumSize]byte

func (s sum) good(b []byte) bool {
	want := s(b[sumSize:])
	return bytes.Equal(b[:sumSize], want[:])
}

// sumOf is the algorithm of a number in the superblock.
func sumOf(n uint16) (sum, error) {
	switch n {
	case 0:
		table := crc32.MakeTable(crc32.Castagnoli)
		return func(b []byte) (out [sumSize]byte) {
			binary.LittleEndian.PutUint32(out[:], crc32.Checksum(b, table))
			return out
		}, nil
	case 1:
		return func(b []byte) (out [sumSize]byte) {
			binary.LittleEndian.PutUint64(out[:], xxh64(b))
			return out
		}, nil
	case 2:
		return sha256.Sum256, nil
	case 3:
		return blake2b, nil
	}
	return nil, unsafef("checksums of unknown kind %d", n)
}

// Primes of XXH64, https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
const (
	prime1 uint64 = 0x9E3779B185EBCA87
	prime2 uint64 = 0xC2B2AE3D27D4EB4F
	prime3 uint64 = 0x165667B19E3779F9
	prime4 uint64 = 0x85EBCA77C2B2AE63
)

// xxh64 is XXH64 with seed 0 of a multiple of 32 bytes: so are all blocks here.
func xxh64(b []byte) uint64 {
	p1, p2 := prime1, prime2 // variables: the sums overflow on purpose
	v := [4]uint64{p1 + p2, p2, 0, -p1}
	n := uint64(len(b))
	for ; len(b) >= 32; b = b[32:] {
		for i := range v {
			v[i] = round(v[i], binary.LittleEndian.Uint64(b[8*i:]))
		}
	}
	h := bits.RotateLeft64(v[0], 1) + bits.RotateLeft64(v[1], 7) + bits.RotateLeft64(v[2], 12) + bits.RotateLeft64(v[3], 18)
	for _, lane := range v {
		h = (h^round(0, lane))*prime1 + prime4
	}
	h += n
	h ^= h >> 33
	h *= prime2
	h ^= h >> 29
	h *= prime3
	return h ^ h>>32
}

func round(acc, lane uint64) uint64 {
	return bits.RotateLeft64(acc+lane*prime2, 31) * prime1
}
