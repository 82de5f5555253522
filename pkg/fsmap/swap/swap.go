// Package swap tells that nothing of a Linux swap area but its header needs to
// be kept, unless a suspended system is in it. The header is union swap_header
// of the kernel's include/linux/swap.h; mkswap(8) writes it with the page size
// of the machine, which the header does not tell: the place of the signature,
// at the end of the page, does.
package swap

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/internal/cluster"
)

const kind = "swap"

// Page sizes, in bytes.
const (
	minPage = 4 << 10
	maxPage = 64 << 10
)

// signatures are all of 10 bytes or less, at the end of the first page. A
// reason makes the area unsafe.
var signatures = [...]struct{ magic, reason string }{
	{"SWAPSPACE2", ""},
	{"SWAP-SPACE", "version 0, which has no size"},
	{"S1SUSPEND", suspended},
	{"S2SUSPEND", suspended},
	{"ULSUSPEND", suspended},
	{"LINHIB0001", suspended},
	{"\xed\xc3\x02\xe9\x98\x56\xe5\x0c", suspended}, // TuxOnIce
}

const suspended = "holds a suspended system"

// Map reads the map of the swap area that r holds in its first size bytes.
func Map(r io.ReaderAt, size int64) (*fsmap.Map, error) {
	if size < minPage {
		return nil, fsmap.ErrUnknown
	}
	b := make([]byte, min(size, maxPage))
	if err := cluster.Read(r, b, 0, "swap header"); err != nil {
		return nil, err
	}
	page, header := int64(0), int64(0)
	for p := int64(minPage); p <= int64(len(b)); p *= 2 {
		at := string(b[p-10 : p])
		for _, s := range signatures {
			if at[:len(s.magic)] != s.magic {
				continue
			}
			if s.reason != "" {
				return nil, fsmap.Unsafef(kind, "%s", s.reason)
			}
			if page == 0 {
				page = p
			}
			header = p // one of another page size may be older, or not
		}
	}
	if page == 0 {
		return nil, fsmap.ErrUnknown
	}
	if err := free(r, b, size); err != nil {
		return nil, err
	}

	// The kernel takes a header in either order of bytes.
	var order binary.ByteOrder = binary.LittleEndian
	if order.Uint32(b[1024:]) != 1 {
		order = binary.BigEndian
	}
	if order.Uint32(b[1024:]) != 1 {
		return nil, fsmap.Unsafef(kind, "version %d", binary.LittleEndian.Uint32(b[1024:]))
	}
	last := int64(order.Uint32(b[1028:]))
	m := &fsmap.Map{
		Kind:  kind,
		Label: cluster.Text(b[1052:1068]),
		UUID:  uuid(b[1036:1052]),
		Size:  (last + 1) * page,
		Block: page,
		Used:  extent.NewSet(extent.Range{End: header}),
	}
	if last == 0 || m.Size > size || m.Size < header {
		return nil, fsmap.Unsafef(kind, "has %d pages of %d bytes, the volume has %d bytes", last+1, page, size)
	}
	return m, nil
}

// free fails where something else is, or may be, in the area. What is swapped
// out is no loss, but a filesystem made over a swap area need not have
// overwritten its signature.
func free(r io.ReaderAt, b []byte, size int64) error {
	for _, c := range b[:1024] {
		if c != 0 {
			return fsmap.Unsafef(kind, "something is in the place of a boot sector")
		}
	}
	for _, c := range b[1068:1536] {
		if c != 0 {
			return fsmap.Unsafef(kind, "header has something in its padding")
		}
	}
	switch name, err := cluster.Foreign(r, size); {
	case err != nil:
		return err
	case name != "":
		return fsmap.Unsafef(kind, "volume also looks like %s", name)
	}
	return nil
}

func uuid(b []byte) string {
	if [16]byte(b) == [16]byte{} {
		return ""
	}
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
