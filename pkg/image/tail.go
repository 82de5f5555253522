package image

import (
	"errors"
	"fmt"
	"io"
)

// ErrNoIndex reports a file that is no Orbit image, or has lost its end.
var ErrNoIndex = errors.New("no index at its end: not an Orbit image, or one that was cut off")

// ReadIndex reads the index at the end of a file of size bytes. What is no
// Orbit image is ErrNoIndex; one whose index is damaged a *FormatError.
func ReadIndex(r io.ReaderAt, size int64) (*Index, error) {
	if size < headerSize+fixedSize+footerSize {
		return nil, ErrNoIndex
	}
	var last [footerSize]byte
	if err := readFull(r, last[:], size-footerSize); err != nil {
		return nil, fmt.Errorf("read the end of the image: %w", err)
	}
	foot, ok, err := parseFooter(last[:])
	if !ok {
		return nil, ErrNoIndex
	}
	if err != nil {
		return nil, err
	}
	if foot.file != size {
		return nil, badf("footer", "it ends a file of %d bytes, this one has %d", foot.file, size)
	}
	b := make([]byte, headerSize+foot.length+footerSize)
	if err := readFull(r, b, size-int64(len(b))); err != nil {
		return nil, fmt.Errorf("read the index of the image: %w", err)
	}
	return parse(b, foot)
}

// ParseIndex reads the content of a skippable frame for which IsIndex holds,
// as it comes by in a stream. ErrNoIndex tells a frame of another's.
func ParseIndex(content []byte) (*Index, error) {
	if len(content) < fixedSize+footerSize {
		return nil, ErrNoIndex
	}
	foot, ok, err := parseFooter(content[len(content)-footerSize:])
	if !ok {
		return nil, ErrNoIndex
	}
	if err != nil {
		return nil, err
	}
	if int64(len(content)) != foot.length+footerSize {
		return nil, badf("footer", "an index of %d bytes in a frame of %d", foot.length, len(content))
	}
	return decode(content, foot)
}

func parse(b []byte, foot footer) (*Index, error) {
	if le.Uint32(b) != indexMagic || int64(le.Uint32(b[4:])) != foot.length+footerSize {
		return nil, badf("index", "it is not in a frame of its own")
	}
	return decode(b[headerSize:], foot)
}

// readFull is ReadAt with anything short an error.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}
