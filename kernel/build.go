package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// build unpacks, configures and compiles src, and leaves vmlinuz and config in
// the directory kept, which appears only when both are complete.
func build(ctx context.Context, log io.Writer, src source, parts []fragment, kept string) error {
	parent := filepath.Dir(kept)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp(parent, ".build-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)

	if err := src.fetch(ctx, work); err != nil {
		return err
	}
	tree := tree{dir: filepath.Join(work, "linux"), log: log}
	if err := tree.unpack(ctx, src.Path); err != nil {
		return err
	}
	if err := tree.configure(ctx, parts); err != nil {
		return err
	}
	if err := tree.make(ctx, "-j"+fmt.Sprint(runtime.NumCPU()), "bzImage"); err != nil {
		return err
	}

	done := filepath.Join(work, "done")
	if err := os.Mkdir(done, 0o755); err != nil {
		return err
	}
	if err := copyFile(filepath.Join(done, "vmlinuz"), filepath.Join(tree.dir, "arch/x86/boot/bzImage")); err != nil {
		return err
	}
	if err := copyFile(filepath.Join(done, "config"), filepath.Join(tree.dir, ".config")); err != nil {
		return err
	}
	return os.Rename(done, kept)
}

// tree is an unpacked kernel source.
type tree struct {
	dir   string
	stamp time.Time // of the newest source file: the build's date
	log   io.Writer
}

func (t *tree) unpack(ctx context.Context, tarball string) error {
	if err := os.MkdirAll(t.dir, 0o755); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "tar", "-xf", tarball, "-C", t.dir, "--strip-components=1")
	cmd.Stdout, cmd.Stderr = t.log, t.log
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("unpack %s: %w (xz-utils installed? disk full?)", tarball, err)
	}
	info, err := os.Stat(filepath.Join(t.dir, "Makefile"))
	if err != nil {
		return fmt.Errorf("%s holds no kernel source: %w", tarball, err)
	}
	t.stamp = info.ModTime()
	return nil
}

// configure merges the fragments onto tinyconfig and checks what came of them.
func (t *tree) configure(ctx context.Context, parts []fragment) error {
	if err := t.make(ctx, "-s", "tinyconfig"); err != nil {
		return err
	}
	merge := []string{"-m", "-O", ".", ".config"}
	for i, p := range parts {
		name := filepath.Join(t.dir, fmt.Sprintf("orbit-%02d.config", i))
		if err := os.WriteFile(name, p.Text, 0o644); err != nil {
			return err
		}
		merge = append(merge, name)
	}
	if err := t.command(ctx, io.Discard, "scripts/kconfig/merge_config.sh", merge...); err != nil {
		return err
	}
	if err := t.make(ctx, "-s", "olddefconfig"); err != nil {
		return err
	}
	config, err := os.ReadFile(filepath.Join(t.dir, ".config"))
	if err != nil {
		return err
	}
	return survived(config, parts)
}

func (t *tree) make(ctx context.Context, args ...string) error {
	return t.command(ctx, &tail{w: t.log}, "make", args...)
}

// command runs a program in the tree with nothing of this machine, user or
// minute in its environment that would end up in the kernel.
func (t *tree) command(ctx context.Context, out io.Writer, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = t.dir
	cmd.Stdout, cmd.Stderr = out, t.log
	cmd.Env = append(os.Environ(),
		"LC_ALL=C", "ARCH=x86_64",
		"KBUILD_BUILD_USER=orbit", "KBUILD_BUILD_HOST=orbit", "KBUILD_BUILD_VERSION=1",
		"KBUILD_BUILD_TIMESTAMP="+t.stamp.UTC().Format(time.UnixDate))
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w (flex, bison, bc, libelf-dev and libssl-dev installed?)", name, strings.Join(args, " "), err)
	}
	return nil
}

// tail shows that a long build lives: a line every thousand of its output.
type tail struct {
	w     io.Writer
	lines int
}

func (t *tail) Write(p []byte) (int, error) {
	for _, line := range strings.SplitAfter(string(p), "\n") {
		if !strings.HasSuffix(line, "\n") {
			continue
		}
		if t.lines++; t.lines%1000 == 0 {
			fmt.Fprintf(t.w, "kernel: %d steps, now %s", t.lines, strings.TrimSpace(line)+"\n")
		}
	}
	return len(p), nil
}
