package images

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"

	"github.com/orbit-pxe/orbit/pkg/imaging"
	"github.com/orbit-pxe/orbit/pkg/ndz"
	"github.com/orbit-pxe/orbit/pkg/partition"
)

// ndzSuffix is that of the names of .ndz images.
const ndzSuffix = ".ndz"

// verifyNDZ checks all headers of an .ndz image, and expands what can be expanded
// without the keys of whoever made it: an image that is signed, but not one that
// is encrypted. What it holds must be all there.
func verifyNDZ(ctx context.Context, f *os.File, name string) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	m, err := ndz.Open(ctx, f, st.Size(), ndz.Options{Seal: keyless{}})
	if err != nil {
		return err
	}
	err = m.Each(ctx, 0, m.Chunks(), func(int64, []byte) error { return nil })
	if errors.Is(err, errEncrypted) {
		return nil
	}
	if err != nil {
		return err
	}
	return checkEnd(ctx, m, name)
}

// checkEnd tells of chunks that are missing at the end: nothing but the partition
// table and the filesystems on the disk does.
func checkEnd(ctx context.Context, m *ndz.Image, name string) error {
	v := m.View(ctx)
	head := make([]byte, min(m.Size(), headSize))
	if _, err := v.ReadAt(head, 0); err != nil {
		return err
	}
	sector, _ := partition.Sniff(head)
	t, err := partition.Read(io.NewSectionReader(v, 0, m.Size()), cmp.Or(sector, 512))
	if bad := new(partition.FormatError); errors.As(err, &bad) {
		return nil // so it may be on the disk
	}
	if err != nil {
		return err
	}
	_, err = imaging.ChunksEnd{Name: name, Have: m.Size(), Head: head, Table: t, Version: m.Version(), Counted: m.Counted()}.Check(ctx, v)
	return err
}

// keyless opens streams for which no key is needed.
type keyless struct{}

var errEncrypted = errors.New("it is encrypted, and there is no key")

func (keyless) Open(_ []byte, h *ndz.Header, chunk []byte) ([]byte, error) {
	if h.Cipher != ndz.CipherNone {
		return nil, errEncrypted
	}
	return chunk[ndz.HeaderSize:][:h.Size], nil
}
