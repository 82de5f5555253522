package multicast

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrGone says that the interface of the socket is no more, or has no address.
// One of the same name is another: open a new socket.
var ErrGone = errors.New("interface is gone")

// Temporary says that an error of Send, Receive or Refresh is the network's,
// and may pass: no route or no carrier for now, a firewall, no memory. After
// any other the socket is of no more use.
func Temporary(err error) bool {
	var errno syscall.Errno
	return !errors.Is(err, ErrGone) && errors.As(err, &errno) &&
		(passing(errno) || errno == unix.EPERM || errno == unix.EACCES || errno == unix.ENOMEM)
}

// passing are the errors that an ICMP message or the state of a link leaves
// behind, for whatever call comes next.
func passing(errno syscall.Errno) bool {
	switch errno {
	case unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.ENETDOWN, unix.EHOSTDOWN,
		unix.ENONET, unix.EPROTO, unix.ENOPROTOOPT, unix.ENOBUFS:
		return true
	}
	return false
}

// failed names what could not be done, and puts ErrGone to an error of the
// kernel if that is the cause. The kernel itself says one thing or another.
func (c *Conn) failed(what string, err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		c.raw.Control(func(fd uintptr) {
			if now, lerr := locate(int(fd), c.cfg.Interface); lerr != nil || now.index != c.where.index {
				err = fmt.Errorf("%w: %w", ErrGone, err)
			}
		})
	}
	return fmt.Errorf("%s on %s: %w", what, c.cfg.Interface, err)
}
