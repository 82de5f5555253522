// Package console finds the consoles of a machine and writes lines to all of
// them without ever waiting for a slow or blocked one.
//
// See Documentation/admin-guide/serial-console.rst and proc_consoles(5) of
// Linux.
package console

import (
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// List returns the device paths of the consoles a person may be at: those the
// kernel registered, then those that console= names besides. Ports without
// hardware behind them are left out.
func List(cmdline []string) []string {
	registered, _ := os.ReadFile("/proc/consoles")
	return slices.DeleteFunc(Paths(string(registered), cmdline), func(path string) bool { return !usable(path) })
}

// Paths is List without looking at the devices: registered is what
// /proc/consoles says, cmdline holds the console= values.
func Paths(registered string, cmdline []string) []string {
	var paths []string
	add := func(name string) {
		if name == "tty0" { // whichever virtual terminal is in front; a shell needs a fixed one
			name = "tty1"
		}
		path := "/dev/" + name
		if name != "" && !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	for line := range strings.Lines(registered) {
		if f := strings.Fields(line); len(f) > 0 && isTerminal(f[0]) {
			add(f[0])
		}
	}
	for _, c := range cmdline {
		name, _, _ := strings.Cut(c, ",")
		if isTerminal(name) {
			add(name)
		}
	}
	return paths
}

// isTerminal tells consoles one can type at from netconsole, pstore and the
// early ones (uart,io,0x3f8; earlycon).
func isTerminal(name string) bool {
	for _, prefix := range []string{"tty", "hvc", "hvsi", "xvc"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok && rest != "" {
			return true
		}
	}
	return false
}

// usable opens the terminal and asks for its settings: a serial port without
// hardware can be opened but answers EIO.
func usable(path string) bool {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	_, err = unix.IoctlGetTermios(fd, unix.TCGETS)
	return err == nil
}
