package kexec

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Scratch returns an empty file without a name to put a kernel or initrd into,
// in memory where that is possible. Pass it through ReadOnly before Load.
func Scratch(name string) (*os.File, error) {
	fd, err := unix.MemfdCreate("orbit-kexec", unix.MFD_CLOEXEC)
	if err == nil {
		return os.NewFile(uintptr(fd), name), nil
	}
	errs := []error{fmt.Errorf("create %s in memory: %w", name, err)}
	for _, dir := range []string{"/run", "/tmp"} {
		f, err := os.CreateTemp(dir, "orbit-kexec-")
		if err == nil {
			return f, os.Remove(f.Name())
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// ReadOnly opens the file of w again, for reading only, and closes w:
// kexec_file_load refuses what is open for writing anywhere.
func ReadOnly(w *os.File) (*os.File, error) {
	fd, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", w.Fd()), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("reopen %s for reading: %w", w.Name(), err)
	}
	return os.NewFile(uintptr(fd), w.Name()), w.Close()
}
