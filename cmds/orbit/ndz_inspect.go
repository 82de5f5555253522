//go:build !node

package main

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/imaging"
	"github.com/orbit-pxe/orbit/pkg/imaging/imagefile"
	"github.com/orbit-pxe/orbit/pkg/layout"
	"github.com/orbit-pxe/orbit/pkg/ndz"
	"github.com/orbit-pxe/orbit/pkg/partition"
	"github.com/orbit-pxe/orbit/pkg/transfer"
)

// ndzDescription is what inspect tells of an .ndz image, and its JSON.
type ndzDescription struct {
	File      string `json:"file"`
	Format    string `json:"format"` // "ndz"
	Version   int    `json:"version"`
	Stored    int64  `json:"stored"` // bytes of the file
	Packed    int64  `json:"packed"` // bytes of compressed data in it
	Size      int64  `json:"size"`   // bytes of the disk that it speaks for
	Used      int64  `json:"used"`   // bytes of the disk that it holds
	Free      int64  `json:"free"`   // bytes of the disk that it calls free
	First     int64  `json:"first"`  // sector of 512 bytes
	Last      int64  `json:"last"`   // sector, the last one that it speaks for
	Ranges    int    `json:"ranges"` // runs of the disk, those that two chunks share counted once
	Chunks    int64  `json:"chunks"`
	Regions   int    `json:"regions"` // in all chunks
	ID        string `json:"id,omitempty"`
	Signed    bool   `json:"signed"`
	Checksum  bool   `json:"checksum"` // each chunk has one, signed or not
	Encrypted bool   `json:"encrypted"`

	Relocations map[string]int `json:"relocations,omitempty"` // how many of each kind

	// Of the content, where it can be read.
	Scheme string            `json:"scheme,omitempty"`
	Parts  []image.Partition `json:"parts,omitempty"`
	Opaque string            `json:"opaque,omitempty"` // why it cannot
	Notes  []string          `json:"notes,omitempty"`

	List []ndzChunk `json:"list,omitempty"` // --chunks
}

// ndzChunk is one chunk in JSON.
type ndzChunk struct {
	Chunk       int64           `json:"chunk"`
	First       uint64          `json:"first"` // sector
	Last        uint64          `json:"last"`  // sector, the last one
	Packed      int             `json:"packed"`
	Sectors     uint64          `json:"sectors"` // that it holds
	Regions     []ndzRegion     `json:"regions"`
	Relocations []ndzRelocation `json:"relocations,omitempty"`
	free        uint64          // sectors
}

type ndzRegion struct {
	Start uint64 `json:"start"` // sector
	Count uint64 `json:"count"`
}

type ndzRelocation struct {
	Kind   string `json:"kind"`
	Sector uint64 `json:"sector"`
	Offset uint32 `json:"offset"`
	Size   uint64 `json:"size"`
}

// inspectFlags are the flags of inspect for images that are none of Orbit's.
type inspectFlags struct {
	read   *ndz.Options
	chunks bool
}

func moreInspectFlags(f *flag.FlagSet) *inspectFlags {
	o := &inspectFlags{read: ndzFlags(f)}
	f.BoolVar(&o.chunks, "chunks", false, "print a line for each chunk of an .ndz image, too")
	return o
}

// inspect tells of an .ndz image. It does not know other files.
func (o *inspectFlags) inspect(ctx context.Context, stdout io.Writer, source string, asJSON bool) (known bool, err error) {
	r, err := transfer.OpenRanges(ctx, source, transfer.Options{Patience: 30 * time.Second, Tail: ndz.HeaderSize})
	if err != nil {
		return true, err
	}
	defer r.Close()
	at, size := r.ReaderAt(ctx), r.Size()
	head := make([]byte, min(size, ndz.HeaderSize))
	if _, err := at.ReadAt(head, 0); err != nil && err != io.EOF {
		return true, err
	}
	if !ndz.Sniff(head) {
		f, err := imagefile.ExpandNdz(ctx, r, nil)
		if err != nil {
			return true, imageCode(fmt.Errorf("%s: %w", r.Name(), err))
		}
		if f == nil {
			return false, nil
		}
		defer f.Close()
		st, err := f.Stat()
		if err != nil {
			return true, err
		}
		at, size = f, st.Size()
	}
	m, err := ndz.Open(ctx, at, size, *o.read)
	if err != nil {
		return true, imageCode(fmt.Errorf("%s: %w", r.Name(), err))
	}
	d, err := o.describe(ctx, r.Name(), m)
	if err != nil {
		return true, imageCode(fmt.Errorf("%s: %w", r.Name(), err))
	}
	d.Stored = r.Size()
	if asJSON {
		e := json.NewEncoder(stdout)
		e.SetIndent("", "  ")
		return true, e.Encode(d)
	}
	return true, o.print(stdout, d)
}

func (o *inspectFlags) describe(ctx context.Context, name string, m *ndz.Image) (*ndzDescription, error) {
	used, free := m.Used(), m.Free()
	d := &ndzDescription{
		File: name, Format: "ndz", Version: m.Version(), Size: m.Size(), Used: used.Len(), Free: free.Len(), Ranges: used.Count(),
		Chunks: m.Chunks(), Relocations: map[string]int{},
	}
	if id := m.ID(); id != [16]byte{} {
		d.ID = hex.EncodeToString(id[:])
	}
	for i := range m.Chunks() {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		h, err := m.Header(i)
		if err != nil {
			return nil, err
		}
		d.add(i, &h, o.chunks)
	}
	d.content(ctx, m)
	return d, nil
}

// add takes one chunk. Its line is only kept if it is asked for.
func (d *ndzDescription) add(i int64, h *ndz.Header, keep bool) {
	if i == 0 {
		d.First = int64(h.First)
	}
	d.Last = int64(h.Last) - 1
	d.Packed += int64(h.Size)
	d.Regions += len(h.Regions)
	d.Encrypted = d.Encrypted || h.Cipher != ndz.CipherNone
	d.Checksum = d.Checksum || h.Sum != ndz.SumNone
	d.Signed = d.Signed || h.Sum&ndz.SumSigned != 0
	for _, r := range h.Relocs {
		d.Relocations[relocationName(r.Type)]++
	}
	if !keep {
		return
	}
	c := ndzChunk{Chunk: i, First: h.First, Last: h.Last - 1, Packed: h.Size, Sectors: h.Sectors()}
	c.free = h.Last - h.First - c.Sectors
	for _, r := range h.Regions {
		c.Regions = append(c.Regions, ndzRegion{r.Start, r.Count})
	}
	for _, r := range h.Relocs {
		c.Relocations = append(c.Relocations, ndzRelocation{relocationName(r.Type), r.Sector, r.Offset, r.Size})
	}
	d.List = append(d.List, c)
}

// content reads what disk the image holds. That it cannot is no error: inspect
// tells what there is.
func (d *ndzDescription) content(ctx context.Context, m *ndz.Image) {
	v := m.View(ctx)
	head := make([]byte, min(m.Size(), 1<<20))
	if _, err := v.ReadAt(head, 0); err != nil && err != io.EOF {
		d.Opaque = opaque(err)
		return
	}
	found, _ := partition.Sniff(head)
	sector := cmp.Or(found, 512)
	if t, err := partition.Read(io.NewSectionReader(v, 0, m.Size()), sector); err == nil {
		end := imaging.ChunksEnd{Name: d.File, Have: m.Size(), Head: head, Table: t, Version: m.Version(), Counted: m.Counted()}
		size, err := end.Check(ctx, v)
		if err != nil {
			d.Notes = append(d.Notes, err.Error())
		}
		m.Extend(size)
		d.Size = m.Size()
	}
	l, err := layout.Read(ctx, io.NewSectionReader(v, 0, m.Size()), m.Size(), sector)
	if err != nil {
		d.Opaque = opaque(err)
		return
	}
	d.Scheme = string(l.Table.Scheme)
	held := m.Used()
	for _, p := range l.Parts {
		d.Parts = append(d.Parts, image.Partition{
			Number: p.Number, Name: p.Name, Type: p.Type, Offset: p.Range.Off, Size: p.Range.Len(), Kind: p.Kind, Label: p.Label, UUID: p.UUID,
			Used: held.Intersect(extent.NewSet(p.Range)).Len(),
		})
	}
}

func opaque(err error) string {
	if errors.Is(err, ndz.ErrSeal) {
		return err.Error() + " (--ndz-key)"
	}
	return err.Error()
}

func relocationName(kind uint32) string {
	switch kind {
	case ndz.RelocNone:
		return "none"
	case ndz.RelocFreeBSD:
		return "FreeBSD disklabel"
	case ndz.RelocOpenBSD:
		return "OpenBSD disklabel"
	case ndz.RelocLILO:
		return "LILO address"
	case ndz.RelocLILOMap:
		return "LILO map"
	case ndz.RelocLILOSum:
		return "LILO checksum"
	case ndz.RelocShort:
		return "short last sector"
	}
	return fmt.Sprint("type ", kind) // which Open refuses
}
