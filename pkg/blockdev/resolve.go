package blockdev

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Target is what a name or selector stands for.
type Target struct {
	Path string // of the device or file, links resolved
	File bool   // a regular file
	Disk *Disk  // for a whole physical disk
}

// settle is how long the list of disks must stay the same before "first" is
// believed: controllers report their disks one after the other.
const settle = 300 * time.Millisecond

// Resolve finds the disk or regular file that a path or a selector names. If
// there is none and ctx has a deadline, it waits for slow controllers until
// then; without a deadline it looks once. What it waits for goes to log. In the
// end nothing found is a *NoMatchError, several an *AmbiguousError.
func Resolve(ctx context.Context, name string, log *slog.Logger) (Target, error) {
	if isFile(name) {
		return Target{Path: name, File: true}, nil
	}
	sel, err := ParseSelector(name)
	if err != nil {
		return Target{}, err
	}
	_, patient := ctx.Deadline()
	w := openUevents()
	defer w.close()
	var last string
	since, told := time.Now(), false
	for {
		t, all, err := lookup(sel)
		if now := fmt.Sprint(all); now != last {
			last, since = now, time.Now()
		}
		if err == nil && (!patient || !sel.first || time.Since(since) >= settle) {
			return t, nil
		}
		none := (*NoMatchError)(nil)
		switch {
		case err != nil && !errors.As(err, &none):
			return Target{}, err
		case !patient, ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
			return t, err
		case ctx.Err() != nil:
			return Target{}, fmt.Errorf("wait for disk %s: %w", sel, ctx.Err())
		case err != nil && !told:
			log.Info("waiting for disk", "disk", sel.String(), "reason", err.Error())
			told = true
		}
		w.wait(ctx, 100*time.Millisecond)
	}
}

// lookup looks once, for a path as well as among the disks; all is what there is.
func lookup(sel Selector) (t Target, all []Disk, err error) {
	// Listing must work even when the deadline has just passed.
	all, err = List(context.Background())
	path, isPath := sel.Path()
	if !isPath {
		if err != nil {
			return Target{}, nil, err
		}
		d, err := sel.Pick(all)
		if err != nil {
			return Target{}, all, err
		}
		return Target{Path: d.Path, Disk: &d}, all, nil
	}
	// A path may be a partition, a loop device, a symbolic link by udev.
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Target{}, all, &NoMatchError{Selector: path, Disks: all}
	case err != nil:
		return Target{}, all, fmt.Errorf("find disk: %w", err)
	case st.Mode()&os.ModeType != os.ModeDevice:
		return Target{}, all, fmt.Errorf("find disk: %s is neither a block device nor a regular file", path)
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	t = Target{Path: path}
	for i := range all {
		if all[i].Path == path {
			t.Disk = &all[i]
		}
	}
	return t, all, nil
}

// isFile tells an existing regular file from a selector.
func isFile(name string) bool {
	st, err := os.Stat(name)
	return err == nil && st.Mode().IsRegular() && (strings.Contains(name, "/") || !strings.ContainsAny(name, "=<>,") && name != "first")
}

// uevents hears from the kernel when a device appears, so that waiting ends at
// once. Without the socket it is a timer.
type uevents struct{ fd int }

func openUevents() uevents {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return uevents{-1}
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1}); err != nil {
		unix.Close(fd)
		return uevents{-1}
	}
	return uevents{fd}
}

// wait returns at the next event, and after limit or when ctx ends at the latest.
func (u uevents) wait(ctx context.Context, limit time.Duration) {
	if d, ok := ctx.Deadline(); ok {
		limit = max(0, min(limit, time.Until(d)))
	}
	if u.fd < 0 {
		select {
		case <-ctx.Done():
		case <-time.After(limit):
		}
		return
	}
	n, _ := unix.Poll([]unix.PollFd{{Fd: int32(u.fd), Events: unix.POLLIN}}, int(limit.Milliseconds())+1)
	if n > 0 {
		buf := make([]byte, 8192)
		for err := error(nil); err == nil; { // what an event says does not matter
			_, err = unix.Read(u.fd, buf)
		}
	}
}

func (u uevents) close() {
	if u.fd >= 0 {
		unix.Close(u.fd)
	}
}
