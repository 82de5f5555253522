// Package kexec starts another Linux kernel from the running one, without
// firmware, through kexec_file_load(2), and leaves the running system in good
// order first: filesystems written back and unmounted, network links down.
// Reboot and Poweroff leave it in the same way.
//
// kexec_load(2), which takes ready-made segments, is not used: kexec_file_load
// lets the kernel add the memory map, the EFI tables and the random seed by
// itself, and is the only one of the two that Secure Boot kernels permit.
package kexec

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// MaxCmdline is the longest command line x86 takes, in bytes, the closing NUL
// not counted (COMMAND_LINE_SIZE is 2048).
const MaxCmdline = 2047

// Load puts a kernel (a bzImage) and an initrd (nil for none) into memory,
// ready for Execute. A kernel loaded before is replaced. Both must be regular
// files that nobody holds open for writing. When the running kernel will not
// have it, the error is a *RefusedError and whatever was loaded before still is.
func Load(kernel, initrd *os.File, cmdline string) error {
	if len(cmdline) > MaxCmdline {
		return fmt.Errorf("load kernel for kexec: command line is %d bytes long, at most %d fit", len(cmdline), MaxCmdline)
	}
	fd, flags := -1, unix.KEXEC_FILE_NO_INITRAMFS
	if initrd != nil {
		fd, flags = int(initrd.Fd()), 0
	}
	err := unix.KexecFileLoad(int(kernel.Fd()), fd, cmdline, flags)
	runtime.KeepAlive(kernel)
	runtime.KeepAlive(initrd)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ETXTBSY):
		return fmt.Errorf("load kernel for kexec: %s or its initrd is open for writing: %w", kernel.Name(), err)
	}
	return here.refusal(err)
}

// Loaded tells whether a kernel is in memory, ready for Execute.
func Loaded() bool { return here.loaded() }

// Unload drops the loaded kernel; without one it does nothing.
func Unload() error {
	if !Loaded() {
		return nil
	}
	if err := unix.KexecFileLoad(-1, -1, "", unix.KEXEC_FILE_UNLOAD); err != nil {
		return fmt.Errorf("unload kexec kernel: %w", err)
	}
	return nil
}
