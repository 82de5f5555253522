package ndz

import (
	"fmt"

	"github.com/orbit-pxe/orbit/pkg/extent"
	flate "github.com/orbit-pxe/orbit/pkg/ndz/deflate"
)

const (
	// pieceLen is how many bytes are read and compressed at a time.
	pieceLen = 1 << 20

	// blockShare is the part of a chunk's regions that one block may have: so
	// many blocks of scattered sectors fill a chunk.
	blockShare = 7
)

// plan is what of a disk goes into an image, and how.
type plan struct {
	WriteOptions
	sectors uint64     // of the disk
	size    int64      // of the disk in bytes
	saved   extent.Set // what is in use, in whole sectors, and the short gaps
	zeros   extent.Set // of saved, what becomes zeros
	regions int        // of a chunk, at most
}

// newPlan looks at what is in use of size bytes.
//
// A chunk has one region at least, so that a disk with nothing in use has its
// first sector saved. The last sector of a disk that ends inside it is saved,
// too: only a relocation for it tells where the disk ends.
func newPlan(size int64, used extent.Set, o WriteOptions) (*plan, error) {
	if size <= 0 {
		return nil, fmt.Errorf("a disk of %d bytes", size)
	}
	for r := range used.All() {
		if r.Off < 0 || r.End > size {
			return nil, fmt.Errorf("bytes %d to %d of %d are in use", r.Off, r.End-1, size)
		}
	}
	p := &plan{WriteOptions: o, sectors: (uint64(size) + Sector - 1) / Sector, size: size}
	if err := p.complete(p.sectors); err != nil {
		return nil, err
	}
	used = used.Align(Sector)
	relocs := 0
	short := extent.Range{Off: size / Sector * Sector, End: int64(p.sectors) * Sector}
	if !short.Empty() {
		relocs = 1
	}
	p.regions = min(writtenRegions, Room(p.Version, relocs))

	at := int64(0) // where the last used range ended
	save := func(r extent.Range) {
		if gap := r.Off - at; gap > 0 && gap/Sector < p.Gap {
			r.Off = at
		}
		p.saved.Add(r)
		at = r.End
	}
	for r := range used.All() {
		save(r)
	}
	end := int64(p.sectors) * Sector
	if gap := end - at; gap/Sector < p.Gap && at > 0 {
		p.saved.Add(extent.Range{Off: at, End: end})
	}
	p.saved.Add(short)
	if p.saved.Empty() {
		p.saved.Add(extent.Range{End: Sector})
	}
	if !p.Stale {
		p.zeros = p.saved.Subtract(used)
	}
	return p, nil
}

// piece is some of what is saved, one run behind the other.
type piece struct {
	runs   []extent.Range // of the disk
	blocks []block
}

// block is a part of a piece that is compressed by itself.
type block struct {
	from, to int      // in the piece
	regions  []Region // that its bytes belong to
}

// pieces cuts what is saved.
type pieces struct {
	plan *plan
	left []extent.Range
}

// next is the next piece. The last has no blocks.
func (p *pieces) next() (c piece) {
	most := p.plan.regions / blockShare
	var b block
	for len(p.left) > 0 && b.from <= pieceLen-flate.MaxBlock {
		r := &p.left[0]
		n := min(r.Len(), int64(flate.MaxBlock-(b.to-b.from)))
		b.regions = append(b.regions, Region{uint64(r.Off / Sector), uint64(n / Sector)})
		b.to += int(n)
		if k := len(c.runs); k == 0 || c.runs[k-1].End != r.Off {
			c.runs = append(c.runs, extent.Range{Off: r.Off, End: r.Off})
		}
		r.Off += n
		c.runs[len(c.runs)-1].End = r.Off
		if r.Empty() {
			p.left = p.left[1:]
		}
		if b.to-b.from == flate.MaxBlock || len(b.regions) == most || len(p.left) == 0 {
			c.blocks = append(c.blocks, b)
			b = block{from: b.to, to: b.to}
		}
	}
	return c
}
