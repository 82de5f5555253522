// Package btrfs maps what a btrfs filesystem on one device uses: the first
// MiB, the superblocks, and every extent that the extent tree knows, in all
// its copies. The format is described in
// https://btrfs.readthedocs.io/en/latest/dev/On-disk-format.html
//
// The profiles single, dup, and raid0 of one stripe are read; block groups may
// be mixed, their items in the extent tree or in the block group tree, and
// tree blocks summed by any of the four algorithms. Blocks of log trees are in
// no extent tree until the next mount replays them, so these are walked.
// Filesystems on several devices, seeds, zones, raid stripe trees, the second
// extent tree format and whatever is newer are refused.
//
// Every tree block on the way is verified, and the extents of each block group
// have to add up to what its item and the superblock say.
package btrfs

import (
	"io"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap"
)

const kind = "btrfs"

// reserved is the device's first MiB. Chunks keep clear of it, boot loaders do
// not.
const reserved = 1 << 20

func unsafef(format string, args ...any) error {
	return fsmap.Unsafef(kind, format, args...)
}

// Map reads which bytes of the btrfs filesystem in r, of size bytes, are used.
// It gives fsmap.ErrUnknown where there is none, and an *fsmap.UnsafeError
// where it cannot be sure.
func Map(r io.ReaderAt, size int64) (*fsmap.Map, error) {
	return mapWithin(r, size, maxRanges)
}

// mapWithin is Map with a limit to the number of ranges.
func mapWithin(r io.ReaderAt, size int64, limit int) (*fsmap.Map, error) {
	s, err := readSuper(r, size)
	if err != nil {
		return nil, err
	}
	v := &volume{r: r, s: s, left: s.total / s.nodeSize, limit: limit}
	if err := v.readChunks(); err != nil {
		return nil, err
	}
	if err := v.readExtents(); err != nil {
		return nil, err
	}
	m := &fsmap.Map{Kind: kind, Label: s.label, UUID: s.uuid, Size: s.total, Block: s.sectorSize}
	if s.log.at != 0 {
		if err := v.readLogs(); err != nil {
			return nil, err
		}
		m.Unclean = true
		m.Notes = append(m.Notes, "not unmounted: there is a log that the next mount replays")
	}
	m.Used = v.chunks.physical(v.used)
	m.Used.Add(extent.Range{Off: 0, End: min(reserved, s.total)})
	for _, at := range mirrors {
		if at+superSize <= s.total {
			m.Used.Add(extent.Range{Off: at, End: at + superSize})
		}
	}
	return m, nil
}

// volume is the state of one reading.
type volume struct {
	r      io.ReaderAt
	s      *super
	chunks chunks
	used   extent.Set // logical
	seen   []int64    // logical addresses of tree blocks that were read
	limit  int        // of ranges in used
	left   int64      // tree blocks that may yet be read: no volume holds more
	buf    [maxLevel + 1][]byte
}
