package imaging

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/ndz"
	"github.com/orbit-pxe/orbit/pkg/partition"
	"github.com/orbit-pxe/orbit/pkg/qcow2"
	"github.com/orbit-pxe/orbit/pkg/stream"
	"github.com/orbit-pxe/orbit/pkg/transfer"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// headSize is how much of an image is looked at before anything is written,
// and written after everything else: where partition tables, boot sectors,
// boot loaders and the first superblock of every file system are.
const headSize = 1 << 20

// source is an image that is being read: as a stream from its first byte to its
// last, or span by span in any order.
type source struct {
	name   string
	format string             // in words
	stored int64              // bytes of the file, -1 where not known
	cancel context.CancelFunc // ends the transfer

	head   []byte           // the first headSize bytes, or all
	sector int              // that it was made for; 0 where it does not say
	table  *partition.Table // never nil

	cast   cast         // what came by multicast
	flow   *flow        // a stream, or nil
	spans  spanReader   // any order, or nil
	chunks *chunkFile   // an .ndz image, any order, or nil
	solo   *solo        // an .ndz image that only comes by multicast, or nil
	index  *image.Index // of an Orbit image that is read span by span

	// Of what is read in any order, and of a stream of chunks once it is over:
	length int64         // bytes of the disk
	used   extent.Set    // what has to be written
	frames []image.Frame // in the order of the disk, of what is read span by span
}

// spanReader gives spans of an image in any order, checked as well as the
// format allows. It is safe for concurrent use.
type spanReader interface {
	// read calls use with the spans of frames that are close together in the
	// file, none of them empty. data is only valid during the call.
	read(ctx context.Context, frames []image.Frame, use func(f image.Frame, data []byte) error) error
	fetched() int64 // bytes of the file so far
	close()
}

// openSource opens the image the best way it offers, and reads and understands
// its head: span by span where it has an index, or is a qcow2, and the server
// gives parts of files; else as a stream.
func openSource(ctx context.Context, o WriteOptions, r *report) (*source, error) {
	ctx, cancel := context.WithCancel(ctx)
	m, err := open(ctx, o, r)
	if err != nil {
		cancel()
		return nil, err
	}
	m.cancel = cancel
	return m, nil
}

func open(ctx context.Context, o WriteOptions, r *report) (*source, error) {
	if IsFrisbee(o.Source) {
		return openSolo(ctx, o)
	}
	t := transfer.Options{Patience: o.Patience, Log: o.Log, Note: func(s string) { r.note("fetch", s) }}
	want, err := digest(ctx, o, t)
	if err != nil {
		return nil, err
	}
	// A digest of the file asks for all of the file, and makes those of its spans
	// needless.
	hash, parts := want == "", false
	if o.Source != "-" && want == "" && !o.Stream {
		var m *source
		m, parts, err = openRanges(ctx, o, t, r, openParts)
		if m != nil || err != nil {
			return m, err
		}
		hash = !parts
	}
	if o.trusts() && o.Source != "-" {
		if err := o.trustFirst(ctx, t); err != nil {
			return nil, err
		}
	}
	m, err := openStream(ctx, o, t, want, hash || o.trusts())
	if err != nil {
		return nil, err
	}
	err = m.peek(o.SectorSize)
	if err == nil && m.isQcow2() {
		m.flow.close()
		if o.Source != "-" && want == "" && !o.Stream {
			m, _, err := openRanges(ctx, o, t, r, openQcow2)
			if m != nil || err != nil {
				return m, err
			}
		}
		return nil, fmt.Errorf("image %s is a qcow2, which cannot be read first to last (give its path, or the URL of a server that gives parts of files, and no sha256)", o.Source)
	}
	if err == nil && m.isChunks() {
		if parts && m.flow.Format() == stream.Raw {
			n, _, err := openRanges(ctx, o, t, r, openChunks)
			if n != nil || err != nil {
				m.flow.close()
				return n, err
			}
		}
		err = m.peekChunks(o)
	}
	if err != nil {
		m.flow.close()
		return nil, err
	}
	return m, nil
}

// openRanges opens an image with f if parts of the file can be read. It gives
// nil where they cannot, or the image is of another kind; other tells which.
func openRanges(ctx context.Context, o WriteOptions, t transfer.Options, r *report,
	f func(context.Context, WriteOptions, *transfer.Ranges) (*source, error)) (m *source, other bool, err error) {
	file, err := transfer.OpenRanges(ctx, o.Source, t)
	var whole *transfer.NoRangesError
	if errors.As(err, &whole) {
		r.note("fetch", fmt.Sprintf("%v: all of the image is read, first to last", err))
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	m, err = f(ctx, o, file)
	if err == nil && m != nil {
		err = m.lookAt(ctx)
	}
	switch {
	case m == nil:
		file.Close()
		return nil, err == nil, err
	case err != nil:
		m.closeParts()
		return nil, false, err
	}
	return m, false, nil
}

// isQcow2 tells whether a stream, of which head has come, is a qcow2 file.
func (m *source) isQcow2() bool {
	return m.flow.Format() == stream.Raw && bytes.HasPrefix(m.head, []byte(qcow2.Magic))
}

// isChunks tells whether a stream, of which head has come, is an .ndz file, or
// what is left of one.
func (m *source) isChunks() bool {
	head := m.head
	if n := len(head); n > 20 && n < ndz.HeaderSize {
		head = append(bytes.Clone(head), make([]byte, ndz.HeaderSize-n)...)
	}
	return ndz.Sniff(head)
}

// anyOrder tells whether all of the image is at hand, and what it has in use is
// known before it is written.
func (m *source) anyOrder() bool { return m.spans != nil || m.chunks != nil }

// isTold tells whether an image, all of which has come, says what is in use.
func (m *source) isTold() bool { return m.anyOrder() || m.solo != nil || m.flow.chunks != nil }

// readerAt is an image that is at hand as a disk, for a few reads here and there.
func (m *source) readerAt(ctx context.Context) io.ReaderAt {
	if m.chunks != nil {
		return m.chunks.image.View(ctx)
	}
	return &spansAt{ctx: ctx, m: m, span: -1}
}

// lookAt reads head and table where all of the image is at hand.
func (m *source) lookAt(ctx context.Context) error {
	if m.length == 0 {
		return fmt.Errorf("image %s is empty", m.name)
	}
	at := m.readerAt(ctx)
	m.head = make([]byte, min(headSize, m.length))
	if _, err := at.ReadAt(m.head, 0); err != nil {
		return fmt.Errorf("read the beginning of image %s: %w", m.name, err)
	}
	if m.sector == 0 {
		m.sector, _ = partition.Sniff(m.head)
	}
	var err error
	if m.table, err = partition.Read(io.NewSectionReader(at, 0, m.length), cmp.Or(m.sector, 512)); err != nil {
		return fmt.Errorf("partition table of image %s: %w", m.name, err)
	}
	if m.chunks != nil {
		c := m.chunks.image
		m.length, err = ChunksEnd{m.name, m.length, m.head, m.table, c.Version(), c.Counted()}.Check(ctx, at)
		c.Extend(m.length)
		return err
	}
	if m.table.End > m.length {
		return &ShortImageError{Source: m.name, Have: m.length, Want: m.table.End}
	}
	return nil
}

// peek reads the head of a stream. asked is the sector size that a person says
// the image was made for, or 0.
func (m *source) peek(asked int) error {
	m.head = make([]byte, headSize)
	n, err := io.ReadFull(m.flow, m.head)
	m.head = m.head[:n]
	// ReadFull's own "unexpected EOF" means a whole, short image. The decoder's
	// and the source's only wrap it, and mean a cut one.
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return err
	}
	if n == 0 {
		return fmt.Errorf("image %s is empty", m.name)
	}
	if ext := compressed(m.name); ext != "" && m.flow.Format() == stream.Raw && !(ext == ".qcow2" && m.isQcow2()) && !(ext == ".ndz" && m.isChunks()) {
		return fmt.Errorf("image %s is not what its name says: it does not begin like a %s file (damaged, or another file behind that name?)", m.name, ext)
	}
	if m.isChunks() {
		return nil // no disk, but what makes one
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
	case ".gz", ".xz", ".zst", ".bz2", ".qcow2", ".ndz":
		return ext
	}
	return ""
}

// readTable understands the partition table in the head.
func (m *source) readTable(asked int) error {
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

// size is how many bytes the image has, or at least needs, and 0 where that
// shows only at its end.
func (m *source) size() int64 {
	n := m.table.End
	switch {
	case m.chunks != nil && m.table.Scheme != partition.SchemeNone:
		// What is free behind the last partition needs no place.
		return max(n, m.used.End())
	case m.anyOrder():
		return m.length
	case m.solo != nil:
	case m.flow.Format() == stream.Raw && m.stored > 0 && m.flow.chunks == nil:
		n = max(n, m.stored)
	}
	return n
}

// fetched is how many bytes of the file have been read.
func (m *source) fetched() int64 {
	n := m.cast.bytes()
	switch {
	case m.spans != nil:
		n += m.spans.fetched()
	case m.chunks != nil:
		n += m.chunks.file.Bytes()
	case m.flow != nil:
		n += m.flow.source.bytes.Load()
	}
	return n
}

// ways says how much of the file came which way, "" where only one was tried.
func (m *source) ways() string {
	n := m.cast.bytes()
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%s by multicast, %s by HTTP", units.Bytes(n), units.Bytes(m.fetched()-n))
}

func (m *source) close() {
	m.cancel()
	if m.flow != nil {
		m.flow.close()
	}
	m.closeParts()
}

func (m *source) closeParts() {
	if m.spans != nil {
		m.spans.close()
	}
	if m.chunks != nil {
		m.chunks.close()
	}
}

func (m *source) String() string {
	s := fmt.Sprintf("%s: %s", m.name, m.format)
	if m.stored >= 0 {
		s += ", " + units.Bytes(m.stored)
	}
	return s + "; " + m.describe()
}

// describe is the content of the image in words.
func (m *source) describe() string {
	s := m.table.Summary()
	if n := cmp.Or(m.length, m.table.End); n > 0 {
		s = units.Bytes(n) + ", " + s
	}
	if m.anyOrder() {
		s += ", " + units.Bytes(m.used.Len()) + " in use"
	}
	if m.sector != 0 {
		s += fmt.Sprintf("; for sectors of %d bytes", m.sector)
	}
	return s
}
