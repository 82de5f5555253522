package kexec

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// margin is memory that must remain beside the two copies: page tables,
// purgatory, and what processes touch while the kernel loads.
const margin = 16 << 20

// host reads the state of the running kernel below a root directory, "/" on a
// real machine.
type host struct{ root string }

var here = host{root: "/"}

// Preflight tells whether a kernel and initrd of needBytes together could be
// loaded now, without changing anything: the system call exists and is
// permitted, nothing is loaded yet, and memory has room for both copies the
// kernel makes (the file as read, and the segments it is cut into). With
// needBytes 0 the memory check is left out. The error is a *RefusedError.
func Preflight(needBytes int64) error {
	if err := here.preflight(needBytes); err != nil {
		return err
	}
	// Descriptors of -1 get past every permission check and fail as EBADF
	// before anything is loaded or replaced.
	err := unix.KexecFileLoad(-1, -1, "", 0)
	if err == nil || errors.Is(err, unix.EBADF) {
		return nil
	}
	return here.refusal(err)
}

// preflight is the part of Preflight that only reads files.
func (h host) preflight(needBytes int64) error {
	if r := h.disabled(); r != nil {
		return r
	}
	if r := h.lockdown(); r != nil {
		return r
	}
	if h.loaded() {
		return &RefusedError{Reason: Occupied, Detail: "a kernel is loaded already (unload it with kexec -u, or ask for it to be replaced)"}
	}
	if needBytes <= 0 {
		return nil
	}
	have, err := h.available()
	if err != nil {
		return nil // no figure, no verdict: the load itself will tell
	}
	if want := 2*needBytes + margin; have < want {
		return &RefusedError{Reason: NoMemory, Detail: fmt.Sprintf(
			"the new kernel and initrd need %d MiB of memory while loading, %d MiB are available", want>>20, have>>20)}
	}
	return nil
}

// disabled reads the one-way switches of sysctl kernel.*.
func (h host) disabled() *RefusedError {
	if v := h.read("proc/sys/kernel/kexec_load_disabled"); v != "" && v != "0" {
		return &RefusedError{Reason: Disabled, Detail: "sysctl kernel.kexec_load_disabled is set on the running system; only a reboot clears it"}
	}
	if h.read("proc/sys/kernel/kexec_load_limit_reboot") == "0" {
		return &RefusedError{Reason: Disabled, Detail: "sysctl kernel.kexec_load_limit_reboot is used up on the running system; only a reboot clears it"}
	}
	return nil
}

// lockdown reads "none [integrity] confidentiality". A locked kernel still
// takes kernels signed by a key it trusts; neither Orbit's own kernel nor what
// a disk image brings is expected to be one, so it is refused here, before
// anything is fetched.
func (h host) lockdown() *RefusedError {
	_, rest, ok := strings.Cut(h.read("sys/kernel/security/lockdown"), "[")
	mode, _, ok2 := strings.Cut(rest, "]")
	if !ok || !ok2 || mode == "none" {
		return nil
	}
	return &RefusedError{Reason: Lockdown, Detail: fmt.Sprintf(
		"the running kernel is locked down (%s), as it is under Secure Boot; reboot instead, or switch Secure Boot off", mode)}
}

func (h host) loaded() bool { return h.read("sys/kernel/kexec_loaded") == "1" }

// available returns MemAvailable in bytes.
func (h host) available() (int64, error) {
	f, err := os.Open(filepath.Join(h.root, "proc/meminfo"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		name, value, _ := strings.Cut(s.Text(), ":")
		if name != "MemAvailable" {
			continue
		}
		kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		return kb << 10, err
	}
	return 0, errors.New("read /proc/meminfo: no MemAvailable line")
}

// read returns a small file without its newline, "" where it is not there.
func (h host) read(name string) string {
	b, err := os.ReadFile(filepath.Join(h.root, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
