package imaging

import (
	"bytes"
	"context"
	"fmt"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/partition"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// commit writes what was held back, from the back of the disk to its front.
// All before is in place and on stable storage when the next part is begun;
// the first sector, which firmware and kernel look at first, comes last. A disk
// that holds all of it already is left alone.
func (w *write) commit(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx) // a few writes from done: not worth breaking off
	w.report.start(api.Commit)
	parts, err := w.final()
	if err != nil {
		return err
	}
	if !w.changed && w.holdsAll(parts) {
		w.report.done(api.Commit, 0, "the disk holds the image already: nothing was written")
		return nil
	}
	if err := w.begin(ctx); err != nil {
		return err
	}
	if err := w.clearMoved(ctx, parts); err != nil {
		return err
	}
	for _, p := range parts {
		if _, err := w.dev.WriteAt(p.Data, p.Off); err != nil {
			return fmt.Errorf("write the partition table: %w", err)
		}
		w.out.written.Add(int64(len(p.Data)))
		if err := w.dev.Sync(); err != nil {
			return err
		}
	}
	if w.o.Verify == VerifyDisk {
		if err := w.dev.DropCache(); err != nil {
			return err
		}
		if !w.holdsAll(parts) {
			return &ReadBackError{Disk: w.target.path, Spans: []int64{0}}
		}
	}
	if err := w.dev.Reread(ctx); err != nil {
		// The image is on the disk, whole and verified; it is this kernel that
		// cannot use it yet.
		w.report.note(api.Commit, err.Error())
	}
	w.report.done(api.Commit, 0, w.plan.Change)
	return nil
}

// holdsAll tells whether the disk holds all of the parts.
func (w *write) holdsAll(parts []partition.Piece) bool {
	for _, p := range parts {
		data := make([]byte, len(p.Data))
		if readAll(w.dev, data, p.Off) != nil || !bytes.Equal(data, p.Data) {
			return false
		}
	}
	return true
}

// final is what was held back as it has to be on this disk, in the order in
// which it is written.
func (w *write) final() ([]partition.Piece, error) {
	head := bytes.Clone(w.source.head)
	var back []partition.Piece
	moved, err := w.fitTable()
	if err != nil {
		return nil, err
	}
	if moved == nil {
		for _, h := range w.out.held {
			back = append(back, partition.Piece{Off: h.off, Data: h.data})
		}
	}
	for _, p := range moved {
		n := 0 // bytes in the head, which is written last
		if p.Off < int64(len(head)) {
			n = copy(head[p.Off:], p.Data)
		}
		if n < len(p.Data) {
			back = append(back, partition.Piece{Off: p.Off + int64(n), Data: p.Data[n:]})
		}
	}
	first := min(w.dev.SectorSize(), len(head))
	second := min(max(first, superblock), len(head))
	for _, at := range [][2]int{{second, len(head)}, {first, second}, {0, first}} {
		if at[0] < at[1] {
			back = append(back, partition.Piece{Off: int64(at[0]), Data: head[at[0]:at[1]]})
		}
	}
	return back, nil
}

// clearMoved removes the image's own backup table from where it would have been, if it
// is elsewhere on this disk.
func (w *write) clearMoved(ctx context.Context, parts []partition.Piece) error {
	for _, h := range w.out.held {
		same := false
		for _, p := range parts {
			same = same || p.Off == h.off
		}
		if !same && h.off < w.dev.Size() {
			if err := w.dev.Zero(ctx, h.off, min(int64(len(h.data)), w.dev.Size()-h.off)); err != nil {
				return fmt.Errorf("clear the image's backup partition table: %w", err)
			}
		}
	}
	return nil
}

func sprintKept(kept, total int64) string {
	return fmt.Sprintf("%s of %s were there already", units.Bytes(kept), units.Bytes(total))
}
