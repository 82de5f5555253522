package image

import (
	"encoding/binary"
	"math"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

const (
	// maxIndex is the largest index that is read, in bytes: that of a disk of
	// 15 TiB that is full.
	maxIndex = 1 << 29

	maxMeta = 1 << 20 // bytes of description

	// maxEmpty is how many full empty frames an index may have: 256 TiB of nothing.
	// Data pays for its frame in memory, and for one before it, with its digest in the
	// index; nothing would not.
	maxEmpty = 1 << 22
)

// footer is the fixed end of a file.
type footer struct {
	length int64 // of the index before it
	file   int64 // bytes of the file
	sum    Digest
}

// parseFooter reads the last footerSize bytes of a file. ok tells whether there is
// anything like a footer.
func parseFooter(b []byte) (f footer, ok bool, err error) {
	if len(b) != footerSize || [8]byte(b) != footerMagic {
		return f, false, nil
	}
	if v := le.Uint32(b[8:]); v != Version {
		return f, true, badf("footer", "version %d is not known here, only %d is (a newer Orbit may read it)", v, Version)
	}
	if flags := le.Uint32(b[12:]); flags != 0 {
		return f, true, badf("footer", "flags %#x are not known here", flags)
	}
	length, file := le.Uint64(b[16:]), le.Uint64(b[24:])
	if length < fixedSize || length > maxIndex || file > math.MaxInt64 || file < length+headerSize+footerSize {
		return f, true, badf("footer", "an index of %d bytes in a file of %d bytes", length, file)
	}
	return footer{int64(length), int64(file), Digest(b[32:])}, true, nil
}

// decode reads an index and its footer, the size of both being known to be
// right. It checks everything but what the frames hold.
func decode(b []byte, f footer) (*Index, error) {
	if sum := Sum(b[:len(b)-len(f.sum)]); sum != f.sum {
		return nil, badf("index", "its digest is %s, expected %s (damaged)", sum, f.sum)
	}
	b = b[:len(b)-footerSize]
	x := &Index{Size: int64(le.Uint64(b)), Sector: int(le.Uint32(b[8:]))}
	if span := le.Uint32(b[12:]); span != Span {
		return nil, badf("index", "spans of %d bytes are not known here", span)
	}
	if x.Size <= 0 || x.Size > math.MaxInt64-Span || x.Sector < 512 || x.Sector > 64<<10 || x.Sector&(x.Sector-1) != 0 {
		return nil, badf("index", "a disk of %d bytes with sectors of %d", x.Size, x.Sector)
	}
	lengths := [...]uint64{uint64(le.Uint32(b[16:])), uint64(le.Uint32(b[20:])), le.Uint64(b[32:]), le.Uint64(b[40:]), le.Uint64(b[48:])}
	unit := le.Uint64(b[24:])
	if unit != 1 && unit != 512 {
		return nil, badf("index", "ranges in units of %d bytes", unit)
	}
	var parts [len(lengths)][]byte
	rest := b[fixedSize:]
	for i, n := range lengths {
		if n > uint64(len(rest)) {
			return nil, badf("index", "its parts are longer than itself")
		}
		parts[i], rest = rest[:n:n], rest[n:]
	}
	if len(rest) > 0 {
		return nil, badf("index", "%d bytes are left over", len(rest))
	}
	if len(parts[0]) > maxMeta {
		return nil, badf("index", "a description of %d bytes", len(parts[0]))
	}
	x.meta = parts[0]
	if err := x.Meta.decode(x.meta); err != nil {
		return nil, badf("index", "description: %v", err)
	}
	if len(parts[1]) > 0 {
		x.Signature = parts[1]
	}
	if err := x.decodeRanges(parts[2], int64(unit)); err != nil {
		return nil, err
	}
	if err := x.decodeFrames(parts[3], parts[4]); err != nil {
		return nil, err
	}
	if want := x.end + headerSize + f.length + footerSize; want != f.file {
		return nil, badf("index", "describes a file of %d bytes, its footer one of %d", want, f.file)
	}
	return x, nil
}

// decodeRanges reads the used ranges, which must be as encode writes them: in
// order, none empty, none touching.
func (x *Index) decodeRanges(b []byte, unit int64) error {
	at := int64(0)
	for len(b) > 0 {
		gap, n := binary.Uvarint(b)
		if n <= 0 {
			return badf("index", "a range is cut off")
		}
		length, m := binary.Uvarint(b[n:])
		if m <= 0 {
			return badf("index", "a range is cut off")
		}
		b = b[n+m:]
		left := uint64(x.Size-at) / uint64(unit)
		if gap > left || length == 0 || length > left-gap || gap == 0 && at > 0 {
			return badf("index", "a range of %d units, %d behind byte %d of %d", length, gap, at, x.Size)
		}
		off := at + int64(gap)*unit
		at = off + int64(length)*unit
		x.Used.Add(extent.Range{Off: off, End: at})
	}
	return nil
}

// decodeFrames reads the frames, which must cover the disk.
func (x *Index) decodeFrames(b, digests []byte) error {
	all := x.Spans()
	data := int64(len(digests) / len(Digest{}))
	if data > all || len(digests)%len(Digest{}) != 0 {
		return badf("index", "%d bytes of digests for %d spans", len(digests), all)
	}
	x.frames = make([]Frame, 0, data)
	span, full := int64(0), 0
	for len(b) > 0 {
		head, n := binary.Uvarint(b)
		if n <= 0 {
			return badf("index", "a frame is cut off")
		}
		b = b[n:]
		f := Frame{Kind: Kind(head & 3), First: span, Count: int64(head >> 2), Off: x.end}
		if f.Kind > Inherited || f.Count < 1 || f.Count > min(MaxRun, all-span) || f.Kind != Empty && f.Count != 1 {
			return badf("index", "a frame of kind %d with %d spans at span %d of %d", f.Kind, f.Count, span, all)
		}
		if f.Kind != Inherited {
			stored, n := binary.Uvarint(b)
			if n <= 0 || stored > MaxFrame || uint64(f.Off) > math.MaxInt64-stored-maxIndex {
				return badf("index", "the frame of span %d has %d bytes", span, stored)
			}
			b = b[n:]
			f.Stored = int64(stored)
		}
		if f.Kind == Empty {
			if f.Stored != emptySize(x.Range(f).Len()) {
				return badf("index", "%d empty spans at span %d in %d bytes", f.Count, span, f.Stored)
			}
			if n := len(x.frames); n > 0 && x.frames[n-1].Kind == Empty && x.frames[n-1].Count < MaxRun {
				return badf("index", "a run of empty spans goes on at span %d in another frame", span)
			}
			if f.Count == MaxRun {
				full++
			}
			if full > maxEmpty {
				return badf("index", "more than %d full empty frames", maxEmpty)
			}
		} else {
			if len(digests) == 0 {
				return badf("index", "span %d has no digest", span)
			}
			f.Digest = Digest(digests)
			digests = digests[len(f.Digest):]
			if !x.Used.Overlaps(x.Range(f)) {
				return badf("index", "span %d has data and is not in use", span)
			}
		}
		span += f.Count
		x.end += f.Stored
		x.frames = append(x.frames, f)
	}
	if span != all || len(digests) > 0 {
		return badf("index", "frames for %d of %d spans, %d bytes of digests left over", span, all, len(digests))
	}
	return nil
}
