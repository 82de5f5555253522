package fat

import (
	"encoding/binary"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/internal/cluster"
)

// walk goes through all directories.
type walk struct {
	*table
	used  extent.Set
	label string         // the root directory's
	lost  extent.Set     // named by a directory, not in used
	named []extent.Range // named, and not yet compared with used
	seen  []uint64       // bit for each cluster of a directory
	dirs  []uint32       // their first clusters, still to be read
}

// Bounds of memory. No volume in any order comes near them.
const (
	maxNamed = 1 << 16
	maxLost  = 1 << 16
	maxDirs  = 1 << 20
)

func newWalk(t *table, used extent.Set) *walk {
	return &walk{table: t, used: used, seen: make([]uint64, (t.heap.Count+2+63)/64)}
}

// visit tells whether the cluster is seen for the first time.
func (w *walk) visit(n uint32) bool {
	bit := uint64(1) << (n % 64)
	if w.seen[n/64]&bit != 0 {
		return false
	}
	w.seen[n/64] |= bit
	return true
}

// root walks from the root directory down.
func (w *walk) root() error {
	if w.bits != 32 {
		b := make([]byte, w.boot.root.Len()) // up to 65535 entries of 32 bytes
		if err := cluster.Read(w.r, b, w.boot.root.Off, "root directory"); err != nil {
			return err
		}
		if err := w.entries(b, true); err != nil {
			return err
		}
	} else {
		w.named = append(w.named, w.heap.Range(int64(w.rootAt)-2, 1))
		w.visit(w.rootAt)
		if err := w.dir(w.rootAt, true); err != nil {
			return err
		}
	}
	for len(w.dirs) > 0 {
		n := w.dirs[len(w.dirs)-1]
		w.dirs = w.dirs[:len(w.dirs)-1]
		if err := w.dir(n, false); err != nil {
			return err
		}
	}
	return w.compare()
}

// dir reads the directory that begins with cluster n. A cluster is read once
// only, so a loop ends, and a directory that runs into another does too.
func (w *walk) dir(n uint32, root bool) error {
	b := make([]byte, w.heap.Size)
	for {
		if err := cluster.Read(w.r, b, w.heap.Range(int64(n)-2, 1).Off, "directory"); err != nil {
			return err
		}
		if err := w.entries(b, root); err != nil {
			return err
		}
		next, err := w.at(n)
		if err != nil {
			return err
		}
		if !w.valid(next) || !w.visit(next) {
			return nil
		}
		n = next
	}
}

// entries takes note of what a piece of a directory names. A zero does not end
// it: some drivers read on.
func (w *walk) entries(b []byte, root bool) error {
	for ; len(b) >= 32; b = b[32:] {
		attr := b[11]
		if b[0] == 0 || b[0] == 0xe5 || attr&0x3f == 0x0f {
			continue
		}
		if attr&0x18 == 0x08 {
			if root && w.label == "" {
				w.label = cluster.Text(b[:11])
			}
			continue
		}
		n := uint32(binary.LittleEndian.Uint16(b[26:]))
		if w.bits == 32 {
			n |= uint32(binary.LittleEndian.Uint16(b[20:])&0x0fff) << 16
		}
		if !w.valid(n) {
			continue
		}
		w.named = append(w.named, w.heap.Range(int64(n)-2, 1))
		if attr&0x10 != 0 && w.visit(n) {
			w.dirs = append(w.dirs, n)
		}
		if len(w.dirs) > maxDirs {
			return fsmap.Unsafef(kind, "more than %d directories", maxDirs)
		}
		if len(w.named) >= maxNamed {
			if err := w.compare(); err != nil {
				return err
			}
		}
	}
	return nil
}

// compare moves what is named and not in use to lost.
func (w *walk) compare() error {
	w.lost = w.lost.Union(extent.NewSet(w.named...).Subtract(w.used))
	w.named = w.named[:0]
	if w.lost.Count() > maxLost {
		return fsmap.Unsafef(kind, "directories name too many clusters that the FAT has free: run fsck")
	}
	return nil
}
