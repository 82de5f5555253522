package btrfs

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"

	"github.com/orbit-pxe/orbit/pkg/xxhash"
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
			binary.LittleEndian.PutUint64(out[:], xxhash.Sum64(b))
			return out
		}, nil
	case 2:
		return sha256.Sum256, nil
	case 3:
		return blake2b, nil
	}
	return nil, unsafef("checksums of unknown kind %d", n)
}
