package imaging

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net/url"
	"path"
	"sync/atomic"

	"github.com/orbit-pxe/orbit/pkg/partition"
	"github.com/orbit-pxe/orbit/pkg/stream"
	"github.com/orbit-pxe/orbit/pkg/transfer"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// headSize is how much of an image is looked at before anything is written,
// and written after everything else: where partition tables, boot sectors,
// boot loaders and the first superblock of every file system are.
const headSize = 1 << 20

// image is an image that is being read.
type image struct {
	name   string
	source *counter
	stream *stream.Reader
	cancel context.CancelFunc // ends the transfer
	file   io.Closer          // the transfer
	stored int64              // bytes of the file, -1 where not known
	want   string             // its SHA-256 in hex, "" where none is to be checked

	head   []byte           // the first headSize bytes, or all
	sector int              // that it was made for; 0 where it does not say
	table  *partition.Table // never nil
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

// openImage opens the source and reads and understands its head.
func openImage(ctx context.Context, o WriteOptions, r *report) (*image, error) {
	ctx, cancel := context.WithCancel(ctx)
	opened := false
	defer func() {
		if !opened {
			cancel()
		}
	}()
	t := transfer.Options{Patience: o.Patience, Log: o.Log, Note: func(s string) { r.note("fetch", s) }}
	m := &image{name: o.Source, cancel: cancel}
	var err error
	if m.want, err = digest(ctx, o, t); err != nil {
		return nil, err
	}
	src, err := transfer.Open(ctx, o.Source, interruptible(ctx, o.Stdin), t)
	if err != nil {
		return nil, err
	}
	m.file, m.stored = src, src.Size()
	m.source = &counter{r: src}
	if m.want != "" || o.Sum {
		m.source.sum = sha256.New()
	}
	m.stream, err = stream.NewReader(m.source, stream.Options{MaxMemory: buffers()})
	if err != nil {
		src.Close()
		return nil, err
	}
	opened = true
	if err := m.peek(o.SectorSize); err != nil {
		m.close()
		return nil, err
	}
	return m, nil
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

// peek reads the head. asked is the sector size that a person says the image was made for, or 0.
func (m *image) peek(asked int) error {
	m.head = make([]byte, headSize)
	n, err := io.ReadFull(m.stream, m.head)
	m.head = m.head[:n]
	// ReadFull's own "unexpected EOF" means a whole, short image. The decoder's
	// and the source's only wrap it, and mean a cut one.
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return err
	}
	if n == 0 {
		return fmt.Errorf("image %s is empty", m.name)
	}
	if ext := compressed(m.name); ext != "" && m.stream.Format() == stream.Raw {
		return fmt.Errorf("image %s is not what its name says: it does not begin like a %s file (damaged, or another file behind that name?)", m.name, ext)
	}
	return m.readTable(asked)
}

// compressed is the ending of a name that promises compression. The content
// tells the format, but a file that lost its first bytes must not be taken for
// a raw disk.
func compressed(name string) string {
	if u, err := url.Parse(name); err == nil && u.Path != "" {
		name = u.Path
	}
	switch ext := path.Ext(name); ext {
	case ".gz", ".xz", ".zst", ".bz2":
		return ext
	}
	return ""
}

// readTable understands the partition table in the head.
func (m *image) readTable(asked int) error {
	size, scheme := partition.Sniff(m.head)
	if size != 0 && asked != 0 && asked != size {
		return fmt.Errorf("image %s has a partition table for sectors of %d bytes, not of %d as --sector-size says", m.name, size, asked)
	}
	m.sector = cmp.Or(size, asked)
	var err error
	if m.table, err = partition.ReadHead(m.head, cmp.Or(m.sector, 512)); err != nil {
		return fmt.Errorf("partition table of image %s: %w", m.name, err)
	}
	if scheme == partition.SchemeGPT && m.table.Incomplete {
		return fmt.Errorf("partition table of image %s lies behind its first %s: such a layout is not supported", m.name, units.Bytes(headSize))
	}
	return nil
}

// sum is the SHA-256 of what has been read of the file so far, in hex, "" if
// nobody wanted it.
func (m *image) sum() string {
	if m.source.sum == nil {
		return ""
	}
	return hex.EncodeToString(m.source.sum.Sum(nil))
}

// size is how many bytes the image has, or at least needs, and 0 where that
// shows only at its end.
func (m *image) size() int64 {
	n := m.table.End
	if m.stream.Format() == stream.Raw && m.stored > 0 {
		n = max(n, m.stored)
	}
	return n
}

// abort ends the transfer, so that whoever reads the image is told.
func (m *image) abort() {
	m.cancel()
}

func (m *image) close() {
	m.cancel()
	m.file.Close()
	m.stream.Close()
}

func (m *image) String() string {
	s := fmt.Sprintf("%s: %s", m.name, m.stream.Format())
	if m.stored >= 0 {
		s += ", " + units.Bytes(m.stored)
	}
	return s + "; " + m.describe()
}

// describe is the content of the image in words.
func (m *image) describe() string {
	s := m.table.Summary()
	if m.table.End > 0 {
		s = units.Bytes(m.table.End) + ", " + s
	}
	if m.sector != 0 {
		s += fmt.Sprintf("; for sectors of %d bytes", m.sector)
	}
	return s
}
