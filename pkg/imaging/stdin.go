package imaging

import (
	"context"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// interruptible is f as a reader that ctx can interrupt, where a Read may block
// for ever: a pipe, a terminal, a socket.
func interruptible(ctx context.Context, r io.Reader) io.Reader {
	f, ok := r.(*os.File)
	if !ok {
		return r
	}
	info, err := f.Stat()
	if err != nil || info.Mode().IsRegular() || info.Mode().Type() == os.ModeDevice {
		return r
	}
	return &pollReader{ctx, f}
}

// pollReader reads only when there is something to read.
type pollReader struct {
	ctx context.Context
	f   *os.File
}

// pollFor is how long a look at the context may have to wait, in milliseconds.
const pollFor = 200

func (p *pollReader) Read(b []byte) (int, error) {
	for {
		if err := context.Cause(p.ctx); err != nil {
			return 0, err
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(p.f.Fd()), Events: unix.POLLIN}}, pollFor)
		if n > 0 || err != nil && err != unix.EINTR {
			return p.f.Read(b)
		}
	}
}
