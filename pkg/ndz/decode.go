package ndz

import (
	"context"
	"fmt"
	"io"
)

// pieceSize is how much of a chunk is expanded at a time, in bytes. What
// relocations need together is always less, see clusters.
const pieceSize = 4 << 20

// Decoder expands chunks, one at a time, with the memory of one piece.
type Decoder struct {
	o     Options
	z     inflater
	buf   []byte // a piece
	plain []byte // for the Opener

	// The chunk being expanded:
	h        *Header
	at, end  int64     // of the stream that is not expanded yet, in bytes
	clusters []cluster // that are not expanded yet
}

// cluster is a part of the expanded stream that has to be in one piece:
// relocations read or change it, and overlap.
type cluster struct{ begin, end int64 }

// NewDecoder gives a decoder.
func NewDecoder(o Options) *Decoder { return &Decoder{o: o, buf: make([]byte, pieceSize)} }

// Decode expands the chunk that h was parsed from, at least HeaderSize + h.Size
// bytes of it, and calls use with what belongs at off on the disk, relocations
// applied, in ascending order, in pieces of at most 4 MiB. All of them are whole
// sectors, but for a short last one. data is only valid during the call.
//
// A chunk that does not expand to more than 4 MiB is found to be whole before
// the first call. Of a larger one, parts may have been used before damage behind
// them is found.
func (d *Decoder) Decode(ctx context.Context, h *Header, chunk []byte, use func(off int64, data []byte) error) error {
	if err := d.begin(h, chunk); err != nil {
		return err
	}
	for d.at < d.end {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		from := d.at
		data, err := d.next()
		if err != nil {
			return err
		}
		if err := h.spread(from, data, use); err != nil {
			return err
		}
	}
	return nil
}

// begin takes a chunk.
func (d *Decoder) begin(h *Header, chunk []byte) error {
	if len(chunk) < HeaderSize+h.Size {
		return ErrTruncated.as("%d bytes, expected %d", int64(len(chunk)), HeaderSize+int64(h.Size))
	}
	stream := chunk[HeaderSize:][:h.Size]
	if d.o.Seal != nil {
		if d.plain == nil {
			d.plain = make([]byte, 0, MaxData)
		}
		var err error
		if stream, err = d.o.Seal.Open(d.plain, h, chunk); err != nil {
			return err
		}
	} else if h.Cipher != CipherNone || h.Sum != SumNone {
		return ErrSeal.as("there is no key")
	}
	d.z.reset(stream)
	d.h, d.at, d.end = h, 0, int64(h.Sectors())*Sector
	d.cluster()
	return nil
}

// next expands the next piece, and looks for the end of the stream behind the
// last one.
func (d *Decoder) next() ([]byte, error) {
	end := d.cut(min(d.end, d.at+int64(len(d.buf))))
	data := d.buf[:end-d.at]
	n, err := d.z.read(data)
	if n < len(data) {
		if err == io.EOF {
			return nil, ErrLength.as("%d bytes, expected %d", d.at+int64(n), d.end)
		}
		return nil, failed(err)
	}
	if end == d.end {
		if err := d.finish(); err != nil {
			return nil, err
		}
	}
	if err := d.relocate(d.at, data); err != nil {
		return nil, err
	}
	d.at = end
	return data, nil
}

// finish makes sure that the stream ends here.
func (d *Decoder) finish() error {
	n, err := d.z.read(make([]byte, 1))
	if n > 0 {
		return ErrLength.as("more than %d bytes", d.end)
	}
	if err != io.EOF {
		return failed(err)
	}
	if n := d.z.rest(); n > 0 {
		return ErrLength.as("%d bytes are left over behind the compressed data", int64(n))
	}
	return nil
}

// failed is the error of an inflater as one of ours.
func failed(err error) error {
	if cut(err) {
		return ErrLength.as("the compressed data is cut short")
	}
	return fmt.Errorf("%w: %w", ErrData, err)
}

// cluster finds out which parts of the expanded chunk must not be cut.
func (d *Decoder) cluster() {
	d.clusters = d.clusters[:0]
	for _, r := range d.h.Relocs {
		begin, end, _ := r.window(MaxSector64)
		if begin < end {
			in := d.h.inStream(begin)
			d.clusters = append(d.clusters, cluster{in, in + int64(end-begin)})
		}
	}
	for i := range d.clusters { // there are few, mostly in order
		for k := i; k > 0 && d.clusters[k].begin < d.clusters[k-1].begin; k-- {
			d.clusters[k], d.clusters[k-1] = d.clusters[k-1], d.clusters[k]
		}
	}
	n := 0
	for _, c := range d.clusters {
		if n > 0 && c.begin < d.clusters[n-1].end {
			d.clusters[n-1].end = max(d.clusters[n-1].end, c.end)
			continue
		}
		d.clusters[n] = c
		n++
	}
	d.clusters = d.clusters[:n]
}

// cut moves the end of a piece before a cluster that it would cut. Clusters fit
// into a piece: no header has 256 relocations, and none needs more than 1 KiB.
func (d *Decoder) cut(end int64) int64 {
	for len(d.clusters) > 0 && d.clusters[0].end <= end {
		d.clusters = d.clusters[1:]
	}
	if len(d.clusters) > 0 && d.clusters[0].begin < end {
		return d.clusters[0].begin
	}
	return end
}

// inStream is where a byte of the disk is in the expanded stream. It is in one
// of the regions.
func (h *Header) inStream(off uint64) int64 {
	before := uint64(0)
	for _, r := range h.Regions {
		if off < r.End()*Sector {
			return int64(before*Sector + off - r.Start*Sector)
		}
		before += r.Count
	}
	return int64(before * Sector)
}

// spread calls use with the parts of data, which begins at from in the expanded
// stream, and their places on the disk.
func (h *Header) spread(from int64, data []byte, use func(off int64, data []byte) error) error {
	begin := int64(0) // of the region, in the stream
	for _, r := range h.Regions {
		end := begin + int64(r.Count)*Sector
		if from >= end {
			begin = end
			continue
		}
		if len(data) == 0 {
			return nil
		}
		off := int64(r.Start)*Sector + from - begin
		part := data[:min(end-from, int64(len(data)))]
		data, from, begin = data[len(part):], from+int64(len(part)), end
		if left := h.end() - off; left < int64(len(part)) {
			part = part[:left] // the short sector
		}
		if err := use(off, part); err != nil {
			return err
		}
	}
	return nil
}
