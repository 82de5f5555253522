package blockdev

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/orbit-pxe/orbit/pkg/units"
)

// NoMatchError says that no disk of the machine is the one asked for.
type NoMatchError struct {
	Selector string
	Disks    []Disk // all there are
}

func (e *NoMatchError) Error() string {
	if len(e.Disks) == 0 {
		return fmt.Sprintf("no disk matches %q: this machine has no disks (controller without driver, or in RAID mode?)", e.Selector)
	}
	note := ""
	if strings.Contains(e.Selector, "first") {
		note = "; first passes over removable, USB and read-only disks"
	}
	return fmt.Sprintf("no disk matches %q: this machine has %s%s", e.Selector, inWords(e.Disks), note)
}

// AmbiguousError says that more than one disk matches.
type AmbiguousError struct {
	Selector string
	Disks    []Disk // that match
}

func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("%d disks match %q: %s (add a term such as serial=, or first)", len(e.Disks), e.Selector, inWords(e.Disks))
}

func inWords(disks []Disk) string {
	words := make([]string, len(disks))
	for i, d := range disks {
		words[i] = d.String()
	}
	if n := len(words) - 1; n > 0 {
		return strings.Join(words[:n], "; ") + " and " + words[n]
	}
	return words[0]
}

// BusyError says that a disk or file is in use, and by what as far as it shows.
type BusyError struct {
	Path string
	Uses []Use
}

func (e *BusyError) Error() string {
	if len(e.Uses) == 0 {
		return fmt.Sprintf("%s is in use by something that does not show here (another mount namespace, or a program that opened it exclusively)", e.Path)
	}
	var words []string
	for i, u := range e.Uses {
		if i == 6 {
			words = append(words, fmt.Sprintf("and %d more", len(e.Uses)-i))
			break
		}
		words = append(words, u.String())
	}
	return fmt.Sprintf("%s is in use: %s (unmount or stop that first)", e.Path, strings.Join(words, "; "))
}

func (e *BusyError) Unwrap() error { return syscall.EBUSY }

// ReadOnlyError says that a disk cannot be written to.
type ReadOnlyError struct {
	Path string
}

func (e *ReadOnlyError) Error() string {
	return fmt.Sprintf("open %s for writing: it is read-only (write-protect switch, or set with blockdev --setro?)", e.Path)
}

func (e *ReadOnlyError) Unwrap() error { return syscall.EROFS }

// IOError is a transfer that failed.
type IOError struct {
	Op   string // read, write, zero, discard
	Path string
	Off  int64 // bytes
	Err  error
}

func (e *IOError) Error() string {
	return fmt.Sprintf("%s %s at %s: %v%s", e.Op, e.Path, units.Bytes(e.Off), e.Err, hint(e.Err))
}

func (e *IOError) Unwrap() error { return e.Err }

// pastEnd is a transfer that leaves the disk.
type pastEnd struct{ n, end int64 } // bytes

func (e pastEnd) Error() string {
	return fmt.Sprintf("%d bytes do not fit, the disk ends at byte %d", e.n, e.end)
}

func (e pastEnd) Unwrap() error { return syscall.ENOSPC }

// hint tells what to do about an error of the kernel.
func hint(err error) string {
	switch {
	case errors.As(err, new(pastEnd)):
		return ""
	case errors.Is(err, syscall.EIO), errors.Is(err, syscall.ETIMEDOUT), errors.Is(err, syscall.EREMOTEIO):
		return " (disk failing? see dmesg)"
	case errors.Is(err, syscall.ENODEV), errors.Is(err, syscall.ENXIO), errors.Is(err, syscall.ENOMEDIUM):
		return " (disk gone? see dmesg)"
	case errors.Is(err, syscall.ENOSPC):
		return " (free some where the file is)"
	case errors.Is(err, syscall.EFBIG):
		return " (larger than this file system or ulimit -f allows)"
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		if os.Geteuid() == 0 {
			return " (even root may not: a container without this device, or lockdown?)"
		}
		return " (are you root?)"
	}
	return ""
}
