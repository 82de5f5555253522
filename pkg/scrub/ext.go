package scrub

import (
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap/ext"
)

// Ext scrubs an ext2, ext3 or ext4 filesystem on a volume of size bytes. What
// its journal still holds of earlier writes is left out too. It gives
// fsmap.ErrUnknown for anything else, an *fsmap.UnsafeError for one that is
// damaged, and an *UnsupportedError for one that it cannot scrub.
func Ext(r io.ReaderAt, size int64) (*Patch, error) {
	v, err := ext.Open(r, size)
	if err != nil {
		return nil, err
	}
	if err := extSupported(v); err != nil {
		return nil, err
	}
	found, err := find(extTree{v})
	if err != nil {
		return nil, err
	}
	p := &Patch{}
	if err := extJournal(v, r, p); err != nil {
		return nil, err
	}
	edit := v.Edit()
	for _, names := range byInode(found) {
		if err := extFile(v, edit, names, p); err != nil {
			return nil, err
		}
	}
	blocks, freed, err := edit.Commit()
	if err != nil {
		return nil, err
	}
	p.Zero = p.Zero.Union(freed)
	for _, at := range slices.Sorted(maps.Keys(blocks)) {
		piece := Piece{int64(at) * v.Block, blocks[at]}
		if p.Zero.Overlaps(piece.Range()) {
			return nil, fmt.Errorf("scrub %s: metadata at %d is also content of a file", v.Kind, piece.Off)
		}
		p.Replace = append(p.Replace, piece)
	}
	return p, nil
}

// extSupported refuses what would make the result unsound or leave something
// behind.
func extSupported(v *ext.Volume) error {
	for _, c := range []struct {
		bad  bool
		what string
	}{
		{v.State != 1, "it was not unmounted, or has errors"},
		{v.Incompat&ext.IncompatRecover != 0, "its journal is to be replayed"},
		{v.LastOrphan != 0 || v.ROCompat&ext.ROOrphanPresent != 0, "it has deleted files that are still to be freed"},
		{v.ROCompat&ext.ROBigalloc != 0, "its clusters may be shared between files (bigalloc)"},
		{v.ROCompat&ext.ROQuota != 0, "it accounts for quotas"},
		{v.ROCompat&ext.ROSharedBlocks != 0, "its files share blocks"},
	} {
		if c.bad {
			return &UnsupportedError{v.Kind, c.what}
		}
	}
	return nil
}

// extJournal leaves out the journal but for its superblock. Nothing in it is
// needed by a clean filesystem, and there may be copies of anything.
func extJournal(v *ext.Volume, r io.ReaderAt, p *Patch) error {
	if v.Compat&ext.CompatJournal == 0 || v.JournalInode == 0 {
		return nil
	}
	in, err := v.Inode(v.JournalInode)
	if err != nil {
		return err
	}
	blocks, err := v.Layout(in)
	if err != nil {
		return err
	}
	if len(blocks.Data) == 0 || blocks.Data[0].Logical != 0 {
		return &UnsupportedError{v.Kind, "its journal has no beginning"}
	}
	var b [0x20]byte
	if n, err := r.ReadAt(b[:], int64(blocks.Data[0].Block)*v.Block); n < len(b) {
		return fmt.Errorf("read journal superblock at block %d: %w", blocks.Data[0].Block, err)
	}
	if binary.BigEndian.Uint32(b[:]) != 0xC03B3998 || binary.BigEndian.Uint32(b[0x1C:]) != 0 {
		return &UnsupportedError{v.Kind, "its journal is not empty"}
	}
	var log []extent.Range
	for i, run := range blocks.Data {
		if i == 0 {
			run.Block, run.Count = run.Block+1, run.Count-1
		}
		log = append(log, extent.Range{Off: int64(run.Block) * v.Block, End: int64(run.Block+run.Count) * v.Block})
	}
	p.Zero = extent.NewSet(log...)
	return nil
}

// byInode puts the names of each file together, in the order they were found.
func byInode(found []target) [][]target {
	var all [][]target
	at := map[uint64]int{}
	for _, t := range found {
		i, ok := at[t.id]
		if !ok {
			i = len(all)
			at[t.id] = i
			all = append(all, nil)
		}
		all[i] = append(all[i], t)
	}
	return all
}

// extFile empties or removes one file, all of whose names that were found are
// given.
func extFile(v *ext.Volume, edit *ext.Edit, names []target, p *Patch) error {
	in, err := v.Inode(uint32(names[0].id))
	if err != nil {
		return err
	}
	refuse := func(format string, args ...any) error {
		return &UnsupportedError{v.Kind, fmt.Sprintf("/%s ", names[0].path) + fmt.Sprintf(format, args...)}
	}
	switch {
	case in.Mode&ext.ModeType != ext.ModeFile || in.Links == 0:
		return refuse("is not a file, though its directory says so")
	case in.Flags&ext.FlagInline != 0:
		return refuse("has its content in its inode")
	case in.Flags&ext.FlagEncrypt != 0:
		return refuse("is encrypted")
	case in.Flags&ext.FlagVerity != 0:
		return refuse("is sealed with verity")
	case v.Incompat&ext.IncompatEAInode != 0:
		return refuse("may have attributes in other inodes")
	}
	removed := 0
	for _, t := range names {
		if t.do == remove {
			removed++
		}
	}
	if removed == 0 {
		blocks, err := v.Layout(in)
		if err != nil || in.Size == 0 && len(blocks.Data) == 0 && len(blocks.Meta) == 0 {
			return err
		}
		for _, t := range names {
			p.Emptied = append(p.Emptied, "/"+t.path)
		}
		return edit.Truncate(in)
	}
	if removed != len(names) || removed != int(in.Links) {
		return refuse("is to be removed, and has other names")
	}
	for _, t := range names {
		dir, err := v.Inode(uint32(t.parent))
		if err != nil {
			return err
		}
		if err := edit.Unlink(dir, t.name); err != nil {
			return err
		}
		p.Removed = append(p.Removed, "/"+t.path)
	}
	return edit.Free(in)
}

// extTree reads directories of an ext filesystem.
type extTree struct{ v *ext.Volume }

func (t extTree) root() uint64 { return 2 }

func (t extTree) list(id uint64) ([]entry, error) {
	dir, err := t.v.Inode(uint32(id))
	if err != nil {
		return nil, err
	}
	if dir.Flags&(ext.FlagInline|ext.FlagEncrypt) != 0 {
		return nil, &UnsupportedError{t.v.Kind, "the directory is inline or encrypted"}
	}
	names, err := t.v.List(dir)
	if err != nil {
		return nil, err
	}
	var all []entry
	for _, n := range names {
		if n.Name == "." || n.Name == ".." {
			continue
		}
		e := entry{name: n.Name, id: uint64(n.Inode), regular: n.Type == 1, dir: n.Type == 2}
		if n.Type == 0 { // the filesystem is too old to say
			in, err := t.v.Inode(n.Inode)
			if err != nil {
				return nil, err
			}
			e.regular, e.dir = in.Mode&ext.ModeType == ext.ModeFile, in.Mode&ext.ModeType == ext.ModeDir
		}
		all = append(all, e)
	}
	return all, nil
}
