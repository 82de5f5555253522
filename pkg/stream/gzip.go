package stream

import (
	"bufio"
	"errors"
	"fmt"

	"github.com/klauspost/compress/gzip"
)

// decodeGzip decodes members until the source ends. Each member's CRC-32 and
// length are checked by the reader.
func decodeGzip(src *source, out *outlet) error {
	// A bufio.Reader, which src does not need, is what inflating has a fast
	// path for.
	z, err := gzip.NewReader(bufio.NewReaderSize(src, 64<<10))
	if err != nil {
		return gzipError(err, out)
	}
	defer z.Close()
	return gzipError(out.copyFrom(z), out)
}

func gzipError(err error, out *outlet) error {
	switch {
	case errors.Is(err, gzip.ErrChecksum):
		return fmt.Errorf("%w (gzip member, CRC-32 or length)", ErrChecksum)
	case errors.Is(err, gzip.ErrHeader) && out.total > 0:
		return ErrTrailing
	}
	return err
}
