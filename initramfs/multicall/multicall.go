// Package multicall is the heart of the initramfs' one binary: commands
// register themselves by name, and the name the binary is called by picks
// one of them.
//
// The registered functions come from command packages that
// [github.com/orbit-pxe/orbit/initramfs/busybox] rewrote: init holds what
// package initialisation did in the command of its own, so that starting one
// command costs nothing of the others.
package multicall

import (
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
)

// An Alias is a further name for a command, with arguments put before those
// of the caller: {"reboot", "shutdown", []string{"-r"}}.
type Alias struct {
	Name    string
	Command string
	Args    []string
}

type command struct{ init, main func() }

// The registry is filled by the init functions of generated packages, before
// main runs, and only read afterwards.
var commands = map[string]command{}

// Register adds a command. Generated code calls it.
func Register(name string, init, main func()) {
	if _, ok := commands[name]; ok {
		panic("two commands are named " + name)
	}
	commands[name] = command{init: init, main: main}
}

// Main runs the command that os.Args asks for and does not return. Names it
// doesn't know print the list of those it does, with exit status 127 as a
// shell reports it.
func Main(aliases []Alias) {
	known := func(name string) bool { _, ok := commands[name]; return ok }
	name, args, ok := Resolve(os.Args, os.Getpid(), aliases, known)
	if !ok {
		usage(os.Stderr, name, aliases)
		os.Exit(127)
	}
	os.Args = args
	c := commands[name]
	c.init()
	c.main()
	os.Exit(0)
}

// Resolve tells which command args ask for and with what arguments:
//
//   - by the base name of args[0], as a command or an alias;
//   - failing that, by args[1], when the binary is called by its own name
//     ("bb ls -l");
//   - failing that, as "init" when this is process 1: the kernel runs what
//     rdinit= or a boot loader calls it, and must not be left without one.
//
// The kernel hands every word of its command line that it doesn't know to
// init; init reads /proc/cmdline itself, so they are dropped.
func Resolve(args []string, pid int, aliases []Alias, known func(string) bool) (name string, resolved []string, ok bool) {
	if len(args) == 0 {
		args = []string{"bb"}
	}
	name = path.Base(args[0])
	if name == "init" {
		args = args[:1]
	}
	if n, a, ok := lookup(name, args, aliases, known); ok {
		return n, a, true
	}
	if len(args) > 1 {
		if n, a, ok := lookup(path.Base(args[1]), args[1:], aliases, known); ok {
			return n, a, true
		}
		name = args[1]
	}
	if pid == 1 {
		return lookup("init", []string{"init"}, aliases, known)
	}
	return name, nil, false
}

func lookup(name string, args []string, aliases []Alias, known func(string) bool) (string, []string, bool) {
	if known(name) {
		return name, args, true
	}
	i := slices.IndexFunc(aliases, func(a Alias) bool { return a.Name == name })
	if i < 0 || !known(aliases[i].Command) {
		return name, nil, false
	}
	a := aliases[i]
	return a.Command, slices.Concat([]string{a.Command}, a.Args, args[1:]), true
}

func usage(w io.Writer, name string, aliases []Alias) {
	var names []string
	for n := range commands {
		names = append(names, n)
	}
	for _, a := range aliases {
		names = append(names, a.Name)
	}
	slices.Sort(names)
	if name != "bb" {
		fmt.Fprintf(w, "%s: no such command\n", name)
	}
	fmt.Fprintf(w, "commands: %s\n", strings.Join(names, " "))
}
