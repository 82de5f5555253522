package stream

import (
	"errors"
	"fmt"
	"io"

	"github.com/therootcompany/xz"
)

// decodeXz decodes streams, with padding between and after them, until the source
// ends. The checks of blocks, indexes and footers are verified by the reader,
// a port of the kernel's own decoder.
func decodeXz(src *source, out *outlet, l limits) error {
	z, err := xz.NewReader(src, uint32(min(l.window, 1<<31)))
	if err == nil {
		err = out.copyFrom(z)
	}
	switch {
	case errors.Is(err, xz.ErrBuf):
		return io.ErrUnexpectedEOF
	case errors.Is(err, xz.ErrMemlimit):
		return &MemoryError{Format: Xz, Max: l.window}
	case errors.Is(err, xz.ErrFormat) && out.total > 0:
		return ErrTrailing
	case errors.Is(err, xz.ErrUnsupportedCheck):
		return fmt.Errorf("its integrity check is of an unknown kind: %w", err)
	}
	return err
}
