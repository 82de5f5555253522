package kexec

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Reason names why this machine will not start another kernel.
type Reason string

const (
	Unsupported Reason = "unsupported" // the running kernel has no kexec_file_load
	NotAllowed  Reason = "not allowed" // not root, or CAP_SYS_BOOT is missing
	Disabled    Reason = "disabled"    // sysctl kernel.kexec_load_disabled or a load limit
	Lockdown    Reason = "lockdown"    // kernel lockdown, as under Secure Boot
	Signature   Reason = "signature"   // the new kernel's signature is missing or not trusted
	NoMemory    Reason = "no memory"   // no room for both copies
	Busy        Reason = "busy"        // another kexec load is going on
	Occupied    Reason = "occupied"    // a kernel has been loaded already
	BadKernel   Reason = "bad kernel"  // not a kernel this machine can start
)

// RefusedError says why the kernel would not load another one. Nothing has
// been changed when it is returned; the way out is a reboot through firmware.
type RefusedError struct {
	Reason Reason
	Detail string // in words, with what a person can do
	Err    error  // the system call's error, nil where a check found it
}

func (e *RefusedError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("kexec refused: %s: %v", e.Detail, e.Err)
	}
	return "kexec refused: " + e.Detail
}

func (e *RefusedError) Unwrap() error { return e.Err }

// refusal turns an error of kexec_file_load(2) into words. proc and sys are
// the roots of those two filesystems.
func (h host) refusal(err error) error {
	r := &RefusedError{Err: err}
	switch {
	case errors.Is(err, unix.ENOSYS):
		r.Reason, r.Detail = Unsupported, "the running kernel has no kexec_file_load (built without CONFIG_KEXEC_FILE); reboot instead"
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return h.whyNotPermitted(err)
	case errors.Is(err, unix.EKEYREJECTED), errors.Is(err, unix.ENOKEY), errors.Is(err, unix.EBADMSG),
		errors.Is(err, unix.ENODATA), errors.Is(err, unix.ENOPKG):
		r.Reason, r.Detail = Signature, "the running kernel wants a signed kernel and does not trust this one (Secure Boot); reboot instead, or enrol the signer's key"
	case errors.Is(err, unix.ENOMEM), errors.Is(err, unix.EADDRNOTAVAIL):
		r.Reason, r.Detail = NoMemory, "not enough free memory for the new kernel and its initrd beside the running system"
	case errors.Is(err, unix.EBUSY):
		r.Reason, r.Detail = Busy, "another kexec load is in progress; try again"
	case errors.Is(err, unix.ENOEXEC), errors.Is(err, unix.EINVAL):
		r.Reason, r.Detail = BadKernel, "the running kernel does not take this file as a kernel (want a bzImage for x86-64)"
	default:
		return fmt.Errorf("load kernel for kexec: %w", err)
	}
	return r
}

// whyNotPermitted finds which of the several reasons for EPERM applies.
func (h host) whyNotPermitted(err error) error {
	if r := h.disabled(); r != nil {
		r.Err = err
		return r
	}
	if r := h.lockdown(); r != nil {
		r.Err = err
		return r
	}
	return &RefusedError{Reason: NotAllowed, Detail: "root with CAP_SYS_BOOT is needed (in a container? run it on the machine itself)", Err: err}
}
