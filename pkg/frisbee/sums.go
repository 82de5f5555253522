package frisbee

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/zeebo/blake3"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// SumsSuffix is what the URL of a file's sums has behind the URL of the file.
const SumsSuffix = ".sums"

// Sums are the digests of the chunks of a file, for files that have none of their
// own. As text they are one line of 64 hexadecimal digits for each chunk, the
// BLAKE3-256 of its bytes; only the last chunk may be shorter than
// wire.ChunkSize.
type Sums struct {
	size int64
	all  [][32]byte
}

// Sum reads a file to its end.
func Sum(ctx context.Context, r io.Reader) (*Sums, error) {
	s, buf := &Sums{}, make([]byte, wire.ChunkSize)
	for {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		n, err := fill(r, buf)
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf("compute the sums of chunks: %w", err)
		}
		if n > 0 {
			s.all = append(s.all, blake3.Sum256(buf[:n]))
			s.size += int64(n)
		}
		if err != nil {
			return s, nil
		}
	}
}

// fill is io.ReadFull, but that a file that is cut off is told from one that ends.
func fill(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = r.Read(p[n:])
		n += m
	}
	return n, err
}

// lineSize is the bytes of a line of text.
const lineSize = 2*32 + 1

// SumsSize is how many bytes the text of the sums of a file has at most.
func SumsSize(size int64) int64 { return chunksOf(size) * (lineSize + 1) }

func chunksOf(size int64) int64 { return (size + wire.ChunkSize - 1) / wire.ChunkSize }

// ParseSums reads the text for a file of size bytes.
func ParseSums(text []byte, size int64) (*Sums, error) {
	want := chunksOf(size)
	if n := int64(bytes.Count(text, []byte("\n"))); n > want || n < want-1 {
		return nil, fmt.Errorf("read the sums of chunks: %d lines, a file of %d bytes has %d (of another version of the file?)", n, size, want)
	}
	s := &Sums{size: size, all: make([][32]byte, 0, want)}
	for line := range bytes.Lines(text) {
		line = bytes.TrimRight(line, "\r\n")
		var d [32]byte
		if len(line) != hex.EncodedLen(len(d)) {
			return nil, fmt.Errorf("read the sums of chunks: line %d is not 64 hexadecimal digits", len(s.all)+1)
		}
		if _, err := hex.Decode(d[:], line); err != nil {
			return nil, fmt.Errorf("read the sums of chunks: line %d is not 64 hexadecimal digits", len(s.all)+1)
		}
		s.all = append(s.all, d)
	}
	if int64(len(s.all)) != want {
		return nil, fmt.Errorf("read the sums of chunks: %d lines, a file of %d bytes has %d (of another version of the file?)", len(s.all), size, want)
	}
	return s, nil
}

// Size is that of the file in bytes.
func (s *Sums) Size() int64 { return s.size }

// Check tells whether data is a chunk of the file, all of it.
func (s *Sums) Check(chunk int32, data []byte) bool {
	if chunk < 0 || int(chunk) >= len(s.all) {
		return false
	}
	return int64(len(data)) == min(wire.ChunkSize, s.size-int64(chunk)*wire.ChunkSize) && blake3.Sum256(data) == s.all[chunk]
}

// AppendText appends the text, a line for each chunk. The error is nil.
func (s *Sums) AppendText(b []byte) ([]byte, error) {
	for i := range s.all {
		b = append(hex.AppendEncode(b, s.all[i][:]), '\n')
	}
	return b, nil
}
