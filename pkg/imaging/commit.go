package imaging

import (
	"context"
	"fmt"

	"github.com/orbit-pxe/orbit/pkg/api"
)

// commit writes what was held back, from the back of the disk to its front.
// All before is in place and on stable storage when the next part is begun;
// the first sector, which firmware and kernel look at first, comes last.
func (w *write) commit(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx) // a few writes from done: not worth breaking off
	w.report.start(api.Commit)
	if err := w.relocate(ctx); err != nil {
		return err
	}
	head := w.image.head
	first := min(w.dev.SectorSize(), len(head))
	parts := append(w.out.held, &held{int64(first), head[first:]}, &held{0, head[:first]})
	for _, p := range parts {
		if len(p.data) == 0 {
			continue
		}
		if _, err := w.dev.WriteAt(p.data, p.off); err != nil {
			return fmt.Errorf("write the partition table: %w", err)
		}
		if err := w.dev.Sync(); err != nil {
			return err
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

// relocate fits a GPT to this disk, if the image was made for a smaller one:
// its backup goes where this disk ends. What is held changes accordingly.
func (w *write) relocate(ctx context.Context) error {
	g, disk := w.image.table.GPT, w.dev.Size()
	if g == nil || g.End()+int64(g.SectorSize) > disk {
		return nil
	}
	for _, h := range w.out.held {
		if err := w.dev.Zero(ctx, h.off, int64(len(h.data))); err != nil {
			return fmt.Errorf("clear the image's backup partition table: %w", err)
		}
	}
	if err := g.MoveBackup(disk); err != nil {
		return err
	}
	w.out.held = nil
	for _, p := range g.Pieces() {
		if p.Off+int64(len(p.Data)) <= int64(len(w.image.head)) {
			copy(w.image.head[p.Off:], p.Data)
		} else {
			w.out.held = append(w.out.held, &held{p.Off, p.Data})
		}
	}
	return nil
}
