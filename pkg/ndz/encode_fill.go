package ndz

import (
	"fmt"
	"io"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

// fill reads a piece into buf. Short gaps are read along, for one transfer is
// cheaper than many, and become zeros.
func (p *plan) fill(src io.ReaderAt, c *piece, buf []byte) error {
	for _, r := range c.runs {
		q := buf[:r.Len()]
		buf = buf[len(q):]
		if err := p.read(src, q, r); err != nil {
			return err
		}
		for z := range p.zeros.Within(r) {
			clear(q[z.Off-r.Off : z.End-r.Off])
		}
	}
	return nil
}

// read fills q with the bytes of r, and zeros beyond the end of the disk.
func (p *plan) read(src io.ReaderAt, q []byte, r extent.Range) error {
	want := int(min(r.End, p.size) - r.Off)
	clear(q[want:])
	n, err := src.ReadAt(q[:want], r.Off)
	if n == want {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read %d bytes from %d: %w", want, r.Off, err)
}
