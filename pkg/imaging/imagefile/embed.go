package imagefile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/sign"
)

// Embed gives an image file the signature that signer makes of its root. The file is
// replaced by one that shares the old one's data where the filesystem can;
// whoever reads the old one goes on doing so. A .sha256 file beside it is
// replaced, too. It returns the new index.
func Embed(ctx context.Context, path string, signer func(x *image.Index) ([]byte, error)) (*image.Index, error) {
	old, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer old.Close()
	st, err := old.Stat()
	if err != nil {
		return nil, err
	}
	f, err := image.Open(old, st.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if f.Partial() {
		return nil, fmt.Errorf("%s: it is only the difference to its parent, which a head puts together", path)
	}
	x := *f.Index
	if x.Signature, err = signer(&x); err != nil {
		return nil, err
	}
	if _, err := sign.SignerOf(x.Signature); err != nil {
		return nil, err
	}
	out, err := create(path)
	if err != nil {
		return nil, err
	}
	defer out.discard()
	if err := out.open(); err != nil {
		return nil, err
	}
	if err := out.sign(ctx, old, &x, st); err != nil {
		return nil, fmt.Errorf("write %s: %w", out.path, err)
	}
	_, err = os.Lstat(out.dest + sidecar)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	_, _, err = out.publish(err == nil)
	return &x, err
}

// sign copies the frames of an image and writes another index behind them.
func (o *output) sign(ctx context.Context, old *os.File, x *image.Index, st os.FileInfo) error {
	const piece = 64 << 20 // between looks at ctx
	for off := int64(0); off < x.DataEnd(); off += piece {
		// Where both are files, the kernel copies, or shares the blocks.
		if _, err := io.CopyN(o.file, old, min(piece, x.DataEnd()-off)); err != nil {
			return err
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
	}
	if err := image.WriteIndex(o.file, x); err != nil {
		return err
	}
	if owner, ok := st.Sys().(*syscall.Stat_t); ok {
		o.file.Chown(int(owner.Uid), int(owner.Gid)) // which only root may
	}
	return o.file.Chmod(st.Mode().Perm())
}
