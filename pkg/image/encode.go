package image

import (
	"encoding/binary"

	"github.com/zeebo/blake3"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

const (
	indexMagic = 0x184D2A5B // of the skippable frame that holds the index
	headerSize = 8          // of a skippable frame: magic, size

	footerSize = 64 // of the footer, the file's last bytes

	fixedSize = 56 // of the index's fixed part
)

var footerMagic = [8]byte{'O', 'R', 'B', 'I', 'T', 'I', 'D', 'X'}

// IsIndex tells whether a skippable frame with this magic number may be an index.
func IsIndex(magic uint32) bool { return magic == indexMagic }

var le = binary.LittleEndian

// Root is the digest that stands for the image: of its content and of what is
// said of it, but not of how it is compressed.
func (x *Index) Root() Digest {
	h := blake3.New()
	h.Write([]byte("orbit image 1\n"))
	ranges := encodeRanges(x.Used, x.unit())
	b := le.AppendUint64(nil, uint64(x.Size))
	b = le.AppendUint32(b, uint32(x.Sector))
	b = le.AppendUint32(b, Span)
	b = le.AppendUint64(b, uint64(len(x.meta)))
	b = le.AppendUint64(b, uint64(x.unit()))
	b = le.AppendUint64(b, uint64(len(ranges)))
	h.Write(b)
	h.Write(x.meta)
	h.Write(ranges)
	for _, f := range x.frames {
		if f.Kind != Empty {
			b = le.AppendUint64(b[:0], uint64(f.First))
			h.Write(append(b, f.Digest[:]...))
		}
	}
	var d Digest
	h.Sum(d[:0])
	return d
}

// unit is what ranges are counted in: sectors of 512 bytes wherever that is possible.
func (x *Index) unit() int64 {
	for r := range x.Used.All() {
		if r.Off%512 != 0 || r.End%512 != 0 {
			return 1
		}
	}
	return 512
}

// encodeRanges gives each range as the distance from the one before and its length.
func encodeRanges(s extent.Set, unit int64) []byte {
	var b []byte
	at := int64(0)
	for r := range s.All() {
		b = binary.AppendUvarint(b, uint64((r.Off-at)/unit))
		b = binary.AppendUvarint(b, uint64(r.Len()/unit))
		at = r.End
	}
	return b
}

// encode gives the skippable frame that ends the file.
func (x *Index) encode() []byte {
	unit := x.unit()
	ranges := encodeRanges(x.Used, unit)
	var frames, digests []byte
	for _, f := range x.frames {
		frames = binary.AppendUvarint(frames, uint64(f.Count)<<2|uint64(f.Kind))
		if f.Kind != Inherited {
			frames = binary.AppendUvarint(frames, uint64(f.Stored))
		}
		if f.Kind != Empty {
			digests = append(digests, f.Digest[:]...)
		}
	}
	b := le.AppendUint32(nil, indexMagic)
	b = le.AppendUint32(b, 0) // the size, below
	b = le.AppendUint64(b, uint64(x.Size))
	b = le.AppendUint32(b, uint32(x.Sector))
	b = le.AppendUint32(b, Span)
	b = le.AppendUint32(b, uint32(len(x.meta)))
	b = le.AppendUint32(b, uint32(len(x.Signature)))
	b = le.AppendUint64(b, uint64(unit))
	b = le.AppendUint64(b, uint64(len(ranges)))
	b = le.AppendUint64(b, uint64(len(frames)))
	b = le.AppendUint64(b, uint64(len(digests)))
	for _, part := range [][]byte{x.meta, x.Signature, ranges, frames, digests} {
		b = append(b, part...)
	}
	length := len(b) - headerSize
	le.PutUint32(b[4:], uint32(length+footerSize))

	foot := len(b)
	b = append(b, footerMagic[:]...)
	b = le.AppendUint32(b, Version)
	b = le.AppendUint32(b, 0)
	b = le.AppendUint64(b, uint64(length))
	b = le.AppendUint64(b, uint64(x.end)+uint64(foot)+footerSize) // bytes of the whole file
	sum := Sum(b[headerSize:])
	return append(b, sum[:]...)
}
