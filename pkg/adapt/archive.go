package adapt

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/stream"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// Bounds of an archive: what its list of names may take in memory.
const (
	maxEntries = 200_000
	maxNames   = 16 << 20 // bytes
	maxPath    = 4096     // bytes, PATH_MAX of Linux
)

// entry is one member of an archive, its names without a leading slash.
type entry struct {
	*tar.Header
	name, link string
}

// walk calls fn for each member of a tar archive that may be compressed, in
// the order they are stored. The archive must be complete.
func walk(ctx context.Context, r io.Reader, fn func(e entry, content io.Reader) error) error {
	s, err := stream.NewReader(r, stream.Options{})
	if err != nil {
		return fmt.Errorf("read archive: %w", err)
	}
	defer s.Close()
	if err := scan(untilDone{ctx, s}, fn); err != nil {
		return err
	}
	// The end marks and checksums of the compression are behind tar's.
	if _, err := io.Copy(io.Discard, s); err != nil {
		return fmt.Errorf("read archive: %w", err)
	}
	return nil
}

// scan is walk for an archive that is not compressed.
func scan(r io.Reader, fn func(e entry, content io.Reader) error) error {
	tr, n, names := tar.NewReader(r), 0, 0
	for ; ; n++ {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read archive after %d members: %w", n, err)
		}
		if names += len(h.Name) + len(h.Linkname); n == maxEntries || names > maxNames {
			return fmt.Errorf("read archive: more than %d members or %d MiB of names", maxEntries, maxNames>>20)
		}
		e, err := admit(h)
		if err == nil {
			err = fn(e, tr)
		}
		if err != nil {
			return fmt.Errorf("archive member %q: %w", h.Name, err)
		}
	}
	if n == 0 {
		return errors.New("read archive: it is empty, or no tar archive")
	}
	return nil
}

// untilDone reads until a context is done.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

func (u untilDone) Read(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, context.Cause(u.ctx)
	}
	return u.r.Read(p)
}

// admit cleans the names of a member, and refuses what is not unpacked.
func admit(h *tar.Header) (entry, error) {
	e := entry{Header: h}
	var err error
	if e.name, err = member(h.Name); err != nil {
		return e, err
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse:
		if e.name == "" || strings.HasSuffix(h.Name, "/") {
			return e, errors.New("a file with the name of a directory")
		}
	case tar.TypeDir:
	case tar.TypeSymlink:
		if e.name == "" || h.Linkname == "" || strings.ContainsRune(h.Linkname, 0) {
			return e, errors.New("a symbolic link to or from nowhere")
		}
	case tar.TypeLink:
		if e.link, err = member(h.Linkname); err != nil {
			return e, fmt.Errorf("linked to %q: %w", h.Linkname, err)
		}
		if e.name == "" || e.link == "" {
			return e, errors.New("a link to or from a directory")
		}
	case tar.TypeXGlobalHeader:
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		return e, errors.New("device nodes and pipes are not unpacked")
	default:
		return e, fmt.Errorf("members of type %q are not unpacked", h.Typeflag)
	}
	if h.Uid < 0 || h.Gid < 0 || int64(h.Uid) >= 1<<32-1 || int64(h.Gid) >= 1<<32-1 {
		return e, fmt.Errorf("owner %d:%d is none", h.Uid, h.Gid)
	}
	return e, nil
}

// member takes the name of a member as one below the root.
func member(name string) (string, error) {
	if len(name) >= maxPath {
		return "", fmt.Errorf("a name of %d bytes", len(name))
	}
	for _, elem := range strings.Split(name, "/") {
		switch {
		case elem == "..":
			return "", errors.New("the name leads out of the archive")
		case len(elem) > 255 || strings.ContainsRune(elem, 0):
			return "", errors.New("the name is none")
		}
	}
	return path.Clean("/" + name)[1:], nil
}

// summary is what an archive would put into a system.
type summary struct {
	dirs   map[string]bool // of every name in it, whether it is a directory
	bytes  int64           // of content
	xattrs bool            // some members have extended attributes
}

// inspect reads a whole archive as unpack will, and writes nothing.
func inspect(ctx context.Context, r io.Reader) (summary, error) {
	s := summary{dirs: map[string]bool{}}
	return s, walk(ctx, r, s.add)
}

var errBoth = errors.New("the archive has it both as a directory and as something else")

// add refuses what would not end as it is in the archive.
func (s *summary) add(e entry, _ io.Reader) error {
	if e.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	isDir := e.Typeflag == tar.TypeDir
	for dir := parent(e.name); dir != ""; dir = parent(dir) {
		was, ok := s.dirs[dir]
		if ok && !was {
			return fmt.Errorf("%s: %w", dir, errBoth)
		}
		if ok {
			break
		}
		s.dirs[dir] = true
	}
	if was, ok := s.dirs[e.name]; ok && was != isDir {
		return errBoth
	}
	s.dirs[e.name] = isDir
	if len(s.dirs) > 2*maxEntries {
		return fmt.Errorf("more than %d directories", 2*maxEntries)
	}
	for k := range e.PAXRecords {
		s.xattrs = s.xattrs || strings.HasPrefix(k, "SCHILY.xattr.")
	}
	if s.bytes += e.Size; s.bytes < 0 || s.bytes > 1<<50 {
		return errors.New("larger than any disk")
	}
	return nil
}

// unpack stages the members of an archive. Directories that are there keep
// their owner and mode: an archive of a few files should not open /etc to
// whoever packed it.
func unpack(ctx context.Context, t *tree, r io.Reader) error {
	return walk(ctx, r, func(e entry, content io.Reader) error {
		a := attr{mode: uint32(e.Mode), uid: e.Uid, gid: e.Gid, time: e.ModTime}
		switch e.Typeflag {
		case tar.TypeXGlobalHeader:
			return nil
		case tar.TypeDir:
			return t.mkdir(e.name, a)
		}
		if err := t.mkdir(parent(e.name), attr{mode: 0o755}); err != nil {
			return err
		}
		switch e.Typeflag {
		case tar.TypeSymlink:
			return t.symlink(e.name, e.Linkname, a)
		case tar.TypeLink:
			return t.link(e.name, e.link)
		}
		if free, err := t.free(); err == nil && e.Size > free {
			return fmt.Errorf("it takes %s, and %s are free", units.Bytes(e.Size), units.Bytes(free))
		}
		return t.write(e.name, content, a)
	})
}
