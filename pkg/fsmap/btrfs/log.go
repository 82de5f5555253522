package btrfs

import (
	"encoding/binary"
	"math"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

// readLogs adds what only log trees refer to: themselves, and data that was
// written and synced since the last commit. There is one log tree for each
// subvolume that had a file synced, and a tree of their roots.
func (v *volume) readLogs() error {
	v.seen = nil
	var logs []ptr
	err := v.walk(v.s.log, whole, func(k key, data []byte) error {
		if k.object != logTree || k.kind != rootItem {
			return unsafef("unexpected item %v in the tree of logs", k)
		}
		p, err := parseRoot(data, logTree)
		logs = append(logs, p)
		return err
	})
	if err != nil {
		return err
	}
	var found []extent.Range
	for _, p := range logs {
		err := v.walk(p, whole, func(k key, data []byte) error {
			if k.kind != extentData {
				return nil
			}
			r, err := v.logged(k, data)
			if !r.Empty() && !v.used.Contains(r) {
				found = append(found, r)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	for _, at := range v.seen {
		found = append(found, extent.Range{Off: at, End: at + v.s.nodeSize})
	}
	v.used = v.used.Union(extent.NewSet(found...))
	return nil
}

// logged is the extent that a file extent item refers to, empty for a hole and
// for data within the item.
func (v *volume) logged(k key, data []byte) (extent.Range, error) {
	const inline, prealloc = 0, 2
	if len(data) < 21 || data[20] > prealloc || data[20] != inline && len(data) != 53 {
		return extent.Range{}, unsafef("bad file extent item %v in a log", k)
	}
	if data[20] == inline {
		return extent.Range{}, nil
	}
	at, size := binary.LittleEndian.Uint64(data[21:]), binary.LittleEndian.Uint64(data[29:])
	if at == 0 {
		return extent.Range{}, nil
	}
	sector := uint64(v.s.sectorSize)
	if at > math.MaxInt64 || size > math.MaxInt64 || at%sector != 0 || size%sector != 0 || v.chunks.find(int64(at), int64(size)) == nil {
		return extent.Range{}, unsafef("a log refers to %d bytes at %d, which are impossible", size, at)
	}
	return extent.Range{Off: int64(at), End: int64(at + size)}, nil
}
