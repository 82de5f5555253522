package bootos

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// join puts several initrds behind each other, each padded to four bytes as
// the kernel's cpio reader wants, and returns a file that kexec_file_load
// takes: regular, and open for writing nowhere. One initrd is returned as it
// is, so that it is not held in memory twice; none is nil.
func join(initrds []*os.File) (*os.File, error) {
	switch len(initrds) {
	case 0:
		return nil, nil
	case 1:
		return initrds[0], nil
	}
	w, err := scratch()
	if err != nil {
		return nil, fmt.Errorf("join initrds: %w", err)
	}
	defer w.Close()
	for _, f := range initrds {
		n, err := io.Copy(w, f)
		if err != nil {
			return nil, fmt.Errorf("join initrds: copy %s: %w", f.Name(), err)
		}
		if _, err := w.Write(make([]byte, -n&3)); err != nil {
			return nil, fmt.Errorf("join initrds: %w", err)
		}
	}
	return reopen(w)
}

// scratch returns an empty file without a name, in memory where possible.
func scratch() (*os.File, error) {
	fd, err := unix.MemfdCreate("orbit-initrd", unix.MFD_CLOEXEC)
	if err == nil {
		return os.NewFile(uintptr(fd), "joined initrd"), nil
	}
	errs := []error{fmt.Errorf("memfd: %w", err)}
	for _, dir := range []string{"/run", "/tmp"} {
		f, err := os.CreateTemp(dir, "orbit-initrd-")
		if err == nil {
			return f, os.Remove(f.Name())
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// reopen opens the file of w again, for reading only. w is still to be closed.
func reopen(w *os.File) (*os.File, error) {
	r, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", w.Fd()))
	if err != nil {
		return nil, fmt.Errorf("join initrds: reopen for reading: %w", err)
	}
	return r, nil
}
