// Package xfs reads which blocks of an XFS filesystem, of version 4 or 5, are
// in use: all but the free extents in the by-block B+tree of every allocation
// group. Blocks that a group keeps for its trees' growth count as used.
//
// It follows "XFS Algorithms & Data Structures" (3rd edition, and what newer
// kernels added to it), chapters "Allocation Groups", "Journaling Log".
//
// A log that holds more than an unmount makes every tree stale, as replaying
// it may put blocks to use: that is an [fsmap.UnsafeError], as are unknown
// features, realtime devices, and everything that does not add up.
package xfs

import (
	"io"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap"
)

// maxRanges bounds the memory of a map: 16 bytes for each.
const maxRanges = 1 << 20

// Map reads what is in use of the filesystem on a volume of size bytes.
func Map(r io.ReaderAt, size int64) (*fsmap.Map, error) {
	s, err := ReadSuper(r, size)
	if err != nil {
		return nil, err
	}
	m := &fsmap.Map{Kind: kind, Label: s.label, UUID: uuidText(s.uuid), Size: s.Blocks * s.Block, Block: s.Block}
	if s.logStart == 0 {
		m.Used.Add(extent.Range{End: m.Size})
		m.Notes = append(m.Notes, "its log is on another device, so it cannot be seen whether it was unmounted: all of it counts as used, and the log is to be saved too")
		return m, nil
	}
	j, err := openLog(r, s)
	if err != nil {
		return nil, err
	}
	switch clean, err := j.clean(); {
	case err != nil:
		return nil, err
	case !clean:
		return nil, unsafe("its log needs recovery: mount it once, and unmount it")
	}
	u := used{piece: s.Block, most: maxRanges}
	if err := u.groups(r, s); err != nil {
		return nil, err
	}
	log := extent.Range{Off: j.off, End: j.off + j.blocks*logBlock}
	if m.Used = u.finish(m.Size); !m.Used.Contains(log) {
		return nil, unsafe("its log is said to be free space")
	}
	if u.piece > s.Block {
		m.Notes = append(m.Notes, "free space is in very many pieces: the smaller ones count as used")
	}
	return m, nil
}

// groups goes through the allocation groups, and holds the sum of their free
// blocks against the superblock's, which is kept up to date by an unmount.
func (u *used) groups(r io.ReaderAt, s *Super) error {
	free := uint64(0)
	for n := range s.Groups {
		g, err := readGroup(r, s, n)
		if err != nil {
			return err
		}
		trees, err := walkFree(r, g, u.without)
		if err != nil {
			return err
		}
		for _, block := range append(trees, g.list...) {
			if at := g.bytes(block, 1); at.Off < u.end && !u.set.Contains(at) {
				return unsafe("group %d: block %d is free, and in use", n, block)
			}
		}
		free += uint64(g.free) + uint64(len(g.list)) + uint64(g.trees)
	}
	if s.lazy && free != s.free {
		return unsafe("it has %d blocks free, and says %d", free, s.free)
	}
	return nil
}

// used puts together what is in use from what is not, in bounded memory: free
// extents smaller than a piece are left out once there are too many.
type used struct {
	set   extent.Set
	end   int64 // of what is decided
	piece int64
	most  int
}

// without takes note of the next free extent.
func (u *used) without(free extent.Range) {
	if free.Len() < u.piece {
		return
	}
	u.set.Add(extent.Range{Off: u.end, End: free.Off})
	u.end = free.End
	for u.set.Count() > u.most {
		u.piece *= 2
		var coarse extent.Set
		last := extent.Range{}
		for r := range u.set.All() {
			if r.Off-last.End < u.piece {
				last.End = r.End
				continue
			}
			coarse.Add(last)
			last = r
		}
		coarse.Add(last)
		u.set = coarse
	}
}

// finish is what is in use of size bytes.
func (u *used) finish(size int64) extent.Set {
	u.set.Add(extent.Range{Off: u.end, End: size})
	return u.set
}
