package imaging

import (
	"bytes"

	"github.com/orbit-pxe/orbit/pkg/partition"
)

// fitTable is the image's GPT as it has to be on this disk: its backup goes
// where the disk ends. It gives nil where the table is right as it is.
func (w *write) fitTable() ([]partition.Piece, error) {
	disk := w.dev.Size()
	g := w.source.table.GPT
	if g == nil || g.End() == disk || w.target.file && w.target.room == unlimited {
		return nil, nil
	}
	g, err := partition.DecodeGPT(bytes.NewReader(w.source.head), g.SectorSize) // a copy of its own
	if err != nil {
		return nil, err
	}
	if err := g.MoveBackup(disk); err != nil {
		return nil, err
	}
	return g.Pieces(), nil
}
