package image

import (
	"bytes"

	"github.com/orbit-pxe/orbit/pkg/xxhash"
)

// zstd blocks hold 128 KiB at most.
const blockSize = 128 << 10

// emptyFrame is a zstd frame of n zeros: a header that asks for a window of one
// block, and blocks that repeat one byte.
func emptyFrame(n int64) []byte {
	b := frameHeader(n, 0)
	for n > 0 {
		size := min(n, blockSize)
		n -= size
		b = appendBlock(b, 1, size, n == 0)
		b = append(b, 0)
	}
	return b
}

// emptySize is the length of emptyFrame(n).
func emptySize(n int64) int64 { return 14 + 4*((n+blockSize-1)/blockSize) }

// rawFrame appends a zstd frame that holds p as it is, and zstd's checksum of it.
func rawFrame(dst, p []byte) []byte {
	sum := uint32(xxhash.Sum64(p))
	dst = append(dst, frameHeader(int64(len(p)), checksummed)...)
	for len(p) > 0 {
		size := min(len(p), blockSize)
		dst = appendBlock(dst, 0, int64(size), size == len(p))
		dst = append(dst, p[:size]...)
		p = p[size:]
	}
	return le.AppendUint32(dst, sum)
}

// checksummed says in a frame's header that its checksum follows.
const checksummed = 1 << 2

// frameHeader has the content's size in 8 bytes.
func frameHeader(n int64, flags byte) []byte {
	b := []byte{0x28, 0xb5, 0x2f, 0xfd, 3<<6 | flags, (17 - 10) << 3}
	return le.AppendUint64(b, uint64(n))
}

func appendBlock(b []byte, kind, size int64, last bool) []byte {
	h := size<<3 | kind<<1
	if last {
		h |= 1
	}
	return append(b, byte(h), byte(h>>8), byte(h>>16))
}

var zeros [64 << 10]byte

// isZero looks at the ends of each piece first: most that are not zeros show it there.
func isZero(p []byte) bool {
	for len(p) > 0 {
		n := min(len(p), len(zeros))
		if p[0] != 0 || p[n-1] != 0 || !bytes.Equal(p[:n], zeros[:n]) {
			return false
		}
		p = p[n:]
	}
	return true
}
