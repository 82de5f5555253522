package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// space is a network namespace without a name. Its keeper is a thread that
// lives in it and starts commands there: they are told to die with that thread.
type space struct {
	jobs  chan func()
	ended chan struct{}

	mu sync.Mutex
	fd int // -1 when closed
}

var errClosed = errors.New("the lab is closed")

func newSpace() (*space, error) {
	s := &space{jobs: make(chan func()), ended: make(chan struct{}), fd: -1}
	ready := make(chan error, 1)
	go onThread(func() (restored bool) {
		defer close(s.ended)
		return away(func(err error) {
			if err == nil {
				err = unix.Unshare(unix.CLONE_NEWNET)
			}
			if err == nil {
				s.fd, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
			}
			if err == nil {
				err = quiet()
			}
			ready <- err
			if err != nil {
				return
			}
			for job := range s.jobs {
				job()
			}
		})
	})
	if err := <-ready; err != nil {
		if s.fd >= 0 {
			unix.Close(s.fd)
		}
		return nil, fmt.Errorf("make a network namespace: %w", err)
	}
	return s, nil
}

// quiet prepares a new namespace: loopback, and no IPv6, whose neighbour
// discovery would mix frames of its own into what is counted.
func quiet() error {
	for _, name := range []string{"all", "default"} {
		err := os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("1"), 0o644)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(lo)
}

// do runs f on a thread in the namespace.
func (s *space) do(f func() error) error {
	s.mu.Lock()
	fd, err := s.fd, errClosed
	if fd >= 0 {
		// A copy, for f may run longer than the space is open.
		fd, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	done := make(chan error, 1)
	onThread(func() (restored bool) {
		return away(func(err error) {
			if err == nil {
				err = unix.Setns(fd, unix.CLONE_NEWNET)
			}
			if err == nil {
				err = f()
			}
			done <- err
		})
	})
	select {
	case err := <-done:
		return err
	default:
		return errors.New("the function ended its goroutine")
	}
}

// keep runs f on the keeper, in turn.
func (s *space) keep(f func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		return errClosed
	}
	done := make(chan error, 1)
	s.jobs <- func() { done <- f() }
	return <-done
}

// close lets go of the namespace and ends what the keeper started.
func (s *space) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		return nil
	}
	close(s.jobs)
	<-s.ended
	err := unix.Close(s.fd)
	s.fd = -1
	return err
}

// onThread runs f on a thread of its own and waits. A thread that f does not
// report as restored ends.
func onThread(f func() (restored bool)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// The main thread cannot end, and it is what /proc/self shows.
			// Held here, it is not the one that the next try gets.
			onThread(f)
			runtime.UnlockOSThread()
			return
		}
		if f() {
			runtime.UnlockOSThread()
		}
	}()
	<-done
}

// away runs f, which takes the thread to another namespace, and brings the
// thread back. When there is no way back f is told not to leave.
func away(f func(error)) (restored bool) {
	home, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		f(err)
		return true
	}
	defer unix.Close(home)
	f(nil)
	return unix.Setns(home, unix.CLONE_NEWNET) == nil
}
