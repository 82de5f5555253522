package transfer

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Source is an image file being read, from its first byte to its last.
type Source struct {
	name  string
	body  io.ReadCloser
	size  atomic.Int64
	bytes atomic.Int64
}

// Open starts reading source: a path, "-" for stdin, or an http or https URL.
// Over HTTP it returns once the server has answered. The source ends with ctx.
func Open(ctx context.Context, source string, stdin io.Reader, o Options) (*Source, error) {
	switch {
	case source == "":
		return nil, fmt.Errorf("open source: no path or URL given")
	case source == "-":
		return openStdin(ctx, stdin)
	case isURL(source):
		return openURL(ctx, source, o.withDefaults())
	}
	return openFile(ctx, source)
}

func isURL(s string) bool {
	l := strings.ToLower(s)
	return strings.HasPrefix(l, "http://") || strings.HasPrefix(l, "https://")
}

// Read implements io.Reader; io.EOF comes only at the end of the whole file as
// far as anyone told its length.
func (s *Source) Read(p []byte) (int, error) {
	n, err := s.body.Read(p)
	s.bytes.Add(int64(n))
	return n, err
}

// Close ends the transfer. It may be called while a Read waits for the
// network, which then fails.
func (s *Source) Close() error { return s.body.Close() }

// Size is the length of the file in bytes, -1 where not known (yet).
func (s *Source) Size() int64 { return s.size.Load() }

// Name is for people: a path, "standard input", or the URL without its password.
func (s *Source) Name() string { return s.name }

// Bytes is how many bytes have been read. It may be called at any time.
func (s *Source) Bytes() int64 { return s.bytes.Load() }

func openStdin(ctx context.Context, stdin io.Reader) (*Source, error) {
	if stdin == nil {
		return nil, fmt.Errorf("open standard input: there is none here")
	}
	s := &Source{name: "standard input"}
	s.size.Store(-1)
	body := &local{ctx: ctx, r: stdin, name: s.name}
	if f, ok := stdin.(*os.File); ok {
		body.c = f
		s.size.Store(rest(f))
	}
	s.body = body
	return s, nil
}

func openFile(ctx context.Context, path string) (*Source, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open source: %w", err)
	}
	if st, err := f.Stat(); err != nil || st.IsDir() {
		f.Close()
		if err == nil {
			err = fmt.Errorf("open source %s: is a directory (name the image file in it)", path)
		}
		return nil, err
	}
	unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_SEQUENTIAL) // a hint: doubles the kernel's read-ahead
	s := &Source{name: path, body: &local{ctx: ctx, r: f, c: f, name: path}}
	s.size.Store(rest(f))
	return s, nil
}

// rest is the number of bytes from the present position of a file or block
// device to its end, -1 for pipes.
func rest(f *os.File) int64 {
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() && st.Mode().Type() != os.ModeDevice {
		return -1
	}
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return -1
	}
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return -1
	}
	if _, err := f.Seek(at, io.SeekStart); err != nil {
		return -1
	}
	return end - at
}

// local reads a file until ctx ends.
type local struct {
	ctx  context.Context
	r    io.Reader
	c    io.Closer
	name string
}

func (l *local) Read(p []byte) (int, error) {
	if err := context.Cause(l.ctx); err != nil {
		return 0, fmt.Errorf("read %s: %w", l.name, err)
	}
	return l.r.Read(p)
}

func (l *local) Close() error {
	if l.c == nil {
		return nil
	}
	return l.c.Close()
}

// redacted is a URL as shown to people.
func redacted(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	return u.Redacted()
}
