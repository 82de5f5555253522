// Package busybox builds many Go commands as one binary that acts by the
// name it is called by.
//
// The commands are rewritten with gobusybox
// (https://github.com/u-root/gobusybox): package main becomes an importable
// package, main a function that is registered, and package-level
// initialisation a function that runs only for the command that is called.
// The rewritten packages are written below the module itself and built by an
// ordinary `go build` of the module, not in the GOPATH mode of u-root's own
// builder: so go.mod's versions and language defaults (GODEBUG) hold, the
// binary lists its dependencies, the build cache works, and inlining can be
// chosen by package.
//
// A limit of the rewriter: a command must not have package-level variables of
// the form `var a, b = f()` or `var a, b = 1, 2`.
package busybox

//go:generate sh pins.sh

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Build says what to build and where.
type Build struct {
	Root    string // the module's root directory
	Module  string // its path
	Dir     string // where the rewritten source goes, relative to Root: initramfs/_bb
	List    List
	Tags    []string // build tags of what is in the binary
	Stamp   []string // -X settings, "import/path.name=value"
	Inlined []string // package patterns compiled with inlining; all others without
}

// Run generates the source and builds it into the file output.
func (b Build) Run(ctx context.Context, output string) error {
	if err := b.Generate(ctx); err != nil {
		return err
	}
	return b.Link(ctx, b.List, output)
}

// Generate writes the rewritten commands of the list below Dir.
func (b Build) Generate(ctx context.Context) error {
	if err := b.generate(ctx); err != nil {
		return fmt.Errorf("generate the busybox: %w", err)
	}
	return nil
}

// Link builds a binary of some or all of the generated commands.
func (b Build) Link(ctx context.Context, list List, output string) error {
	source, err := b.mainSource(list)
	if err != nil {
		return fmt.Errorf("generate the busybox: %w", err)
	}
	if err := os.WriteFile(filepath.Join(b.Root, b.Dir, "main.go"), source, 0o644); err != nil {
		return err
	}
	if err := b.build(ctx, output, "./"+b.Dir); err != nil {
		return fmt.Errorf("build the busybox: %w", err)
	}
	return nil
}

// Go builds one command package of the module as a program of its own, into the
// file output: with the same settings as everything that goes to a node, but
// without the build tags.
func (b Build) Go(ctx context.Context, output, pkg string) error {
	b.Tags = nil
	return b.build(ctx, output, pkg)
}

func (b Build) build(ctx context.Context, output, pkg string) error {
	output, err := filepath.Abs(output)
	if err != nil {
		return err
	}
	args := append([]string{"build"}, b.flags()...)
	cmd := exec.CommandContext(ctx, "go", append(args, "-o", output, pkg)...)
	cmd.Dir, cmd.Env = b.Root, environment()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", pkg, err, out)
	}
	// go build's mode follows the umask; who runs the file may be another user.
	return os.Chmod(output, 0o755)
}

// flags are those of every compilation. Nothing in them may depend on the
// machine or the directory: -trimpath, no build ID, no VCS stamp (the commit
// is passed by Stamp).
//
// Inlining costs a tenth of the binary and pays only where bytes are moved,
// so it is switched off except for the patterns in Inlined.
func (b Build) flags() []string {
	// Functions begin at multiples of 16, not 32: a hundredth of the size.
	ldflags := []string{"-s", "-w", "-buildid=", "-funcalign=16"}
	for _, x := range b.Stamp {
		ldflags = append(ldflags, "-X", x)
	}
	flags := []string{"-trimpath", "-buildvcs=false", "-mod=readonly", "-gcflags=all=-l"}
	for _, p := range b.Inlined {
		flags = append(flags, "-gcflags="+p+"=")
	}
	if len(b.Tags) > 0 {
		flags = append(flags, "-tags="+strings.Join(b.Tags, ","))
	}
	return append(flags, "-ldflags="+strings.Join(ldflags, " "))
}

// environment is the caller's, without what would change the result.
func environment() []string {
	fixed := []string{
		"CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOAMD64=v1", "GO111MODULE=on",
		"GOFLAGS=", "GOWORK=off", "GOEXPERIMENT=", "GODEBUG=",
	}
	// The last setting of a name wins.
	return slices.Concat(os.Environ(), fixed)
}
