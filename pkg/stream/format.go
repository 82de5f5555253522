package stream

import (
	"bytes"
	"encoding/binary"
)

// Format is how a stream is compressed.
type Format string

// The formats a Reader understands.
const (
	Raw   Format = "raw" // anything not recognised
	Gzip  Format = "gzip"
	Xz    Format = "xz"
	Zstd  Format = "zstd"
	Bzip2 Format = "bzip2"
)

const (
	gzipMagic  = "\x1f\x8b\x08"
	xzMagic    = "\xfd7zXZ\x00"
	zstdMagic  = "\x28\xb5\x2f\xfd"
	bzip2Magic = "BZh"
	bzip2Block = "1AY&SY"                   // BCD of pi: the first block follows
	bzip2End   = "\x17\x72\x45\x38\x50\x90" // BCD of sqrt(pi): an empty stream

	zstdSkippable = 0x184D2A50 // the low four bits are the writer's own
	sniffLen      = 10         // bytes that settle the format
)

// Detect tells the format of a stream from its first bytes. Ten bytes settle
// it, six are enough unless a raw stream begins with "BZh1" to "BZh9".
func Detect(head []byte) Format {
	switch {
	case len(head) >= 4 && string(head[:3]) == gzipMagic && head[3]&0xe0 == 0:
		return Gzip
	case bytes.HasPrefix(head, []byte(xzMagic)):
		return Xz
	case bytes.HasPrefix(head, []byte(zstdMagic)):
		return Zstd
	case len(head) >= 4 && binary.LittleEndian.Uint32(head)&^0xf == zstdSkippable:
		return Zstd
	case len(head) >= 4 && string(head[:3]) == bzip2Magic && head[3] >= '1' && head[3] <= '9':
		rest := head[4:min(len(head), sniffLen)]
		if hasPart(rest, bzip2Block) || hasPart(rest, bzip2End) {
			return Bzip2
		}
	}
	return Raw
}

// cutShort tells which format a whole stream shorter than its own magic
// number was going to be. No disk image is that short.
func cutShort(all []byte) (Format, bool) {
	for _, m := range []struct {
		f     Format
		magic string
	}{{Gzip, gzipMagic}, {Xz, xzMagic}, {Zstd, zstdMagic}, {Zstd, string(sizeFrame[:4])}, {Bzip2, bzip2Magic}} {
		if len(all) > 0 && len(all) < max(4, len(m.magic)) && hasPart(all, m.magic) {
			return m.f, true
		}
	}
	return Raw, false
}

// hasPart reports whether the shorter of part and whole begins the other.
func hasPart(part []byte, whole string) bool {
	n := min(len(part), len(whole))
	return string(part[:n]) == whole[:n]
}
