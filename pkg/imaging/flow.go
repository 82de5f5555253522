package imaging

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"sync/atomic"

	"github.com/orbit-pxe/orbit/pkg/stream"
	"github.com/orbit-pxe/orbit/pkg/transfer"
)

// flow is an image that comes as a stream.
type flow struct {
	*stream.Reader
	source *counter
	file   io.Closer    // the transfer
	want   string       // SHA-256 of the file in hex, "" where none is to be checked
	tail   *tail        // what its index tells when it has come by
	chunks *chunkStream // where it is an .ndz image, else nil
}

// counter passes a file on, counting and perhaps hashing it.
type counter struct {
	r     io.Reader
	sum   hash.Hash // or nil
	bytes atomic.Int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.sum != nil {
		c.sum.Write(p[:n])
	}
	c.bytes.Add(int64(n))
	return n, err
}

// openStream starts to read an image from its beginning. want is the SHA-256
// the file must have, or ""; hash tells whether its spans are to be hashed, in
// case that an index comes by at its end.
func openStream(ctx context.Context, o WriteOptions, t transfer.Options, want string, hash bool) (*source, error) {
	src, err := transfer.Open(ctx, o.Source, interruptible(ctx, o.Stdin), t)
	if err != nil {
		return nil, err
	}
	f := &flow{file: src, want: want, source: &counter{r: src}}
	if want != "" || o.Sum {
		f.source.sum = sha256.New()
	}
	so := stream.Options{MaxMemory: buffers()}
	f.tail = &tail{hash: hash, most: indexRoom(available())}
	so.Wanted, so.Skipped = f.tail.wanted, f.tail.skipped
	if f.Reader, err = stream.NewReader(f.source, so); err != nil {
		src.Close()
		return nil, err
	}
	f.tail.hash = f.tail.hash && f.Format() == stream.Zstd
	return &source{name: o.Source, format: string(f.Format()), stored: src.Size(), flow: f}, nil
}

// digest is the SHA-256 that the source must have, "" for any.
func digest(ctx context.Context, o WriteOptions, t transfer.Options) (string, error) {
	if !o.SHA256Beside {
		return o.SHA256, nil
	}
	beside, err := transfer.Sidecar(ctx, o.Source, t)
	if err != nil {
		return "", err
	}
	if o.SHA256 != "" && o.SHA256 != beside {
		return "", fmt.Errorf("sha256 beside %s is %s, the one asked for is %s (another version of the image?)", o.Source, beside, o.SHA256)
	}
	return beside, nil
}

// Read gives the decoded image.
func (f *flow) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	f.tail.see(p[:n])
	return n, err
}

// Next gives the next block of the decoded image.
func (f *flow) Next() (*stream.Block, error) {
	b, err := f.Reader.Next()
	if err == nil {
		f.tail.see(b.Data)
	}
	return b, err
}

// sum is the SHA-256 of what has been read of the file so far, in hex, "" if
// nobody wanted it.
func (f *flow) sum() string {
	if f.source.sum == nil {
		return ""
	}
	return hex.EncodeToString(f.source.sum.Sum(nil))
}

func (f *flow) close() {
	f.file.Close()
	f.Reader.Close()
}
