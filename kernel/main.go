// Kernel builds the vmlinuz that nodes boot: Debian's linux-source package (or
// kernel.org's tarball of the same version) configured by the fragments beside
// this program on top of tinyconfig, everything built in.
//
//	go run ./kernel -o out/vmlinuz
//
// The result is cached under the hash of the source version, the fragments and
// this recipe, so only a change of one of these costs a build (8 to 20 minutes
// on two cores).
package main

import (
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

//go:embed fragments/*.config
var fragments embed.FS

// MaxSize is the largest vmlinuz that passes, in bytes: the kernel's share of
// the 10 MB that a node fetches.
const MaxSize = 6_500_000

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stderr, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "kernel:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, log io.Writer, args []string) error {
	flags := flag.NewFlagSet("kernel", flag.ContinueOnError)
	out := flags.String("o", "out/vmlinuz", "where to put the kernel; its configuration goes beside it as *.config")
	cache := flags.String("cache", "", "cache directory (default $ORBIT_CACHE, else orbit in the user's cache directory)")
	mirror := flags.String("mirror", kernelOrg, "where kernel.org tarballs and sha256sums.asc are, used without Debian's package")
	key := flags.Bool("key", false, "print the cache key and stop")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dir, err := cacheDir(*cache)
	if err != nil {
		return err
	}
	parts, err := readFragments(fragments)
	if err != nil {
		return err
	}
	src, err := findSource(ctx, "/usr/src", *mirror)
	if err != nil {
		return err
	}
	sum := cacheKey(src.Version, parts)
	if *key {
		_, err := fmt.Println(sum)
		return err
	}

	kept := filepath.Join(dir, "kernel", sum)
	if _, err := os.Stat(filepath.Join(kept, "vmlinuz")); errors.Is(err, os.ErrNotExist) {
		fmt.Fprintf(log, "kernel: building %s, 8 to 20 minutes on two cores\n", src.Version)
		start := time.Now()
		if err := build(ctx, log, src, parts, kept); err != nil {
			return err
		}
		fmt.Fprintf(log, "kernel: built in %s\n", time.Since(start).Round(time.Second))
	} else if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(*out), 0o755); err != nil {
		return err
	}
	if err := copyFile(*out, filepath.Join(kept, "vmlinuz")); err != nil {
		return err
	}
	if err := copyFile(*out+".config", filepath.Join(kept, "config")); err != nil {
		return err
	}
	info, err := os.Stat(*out)
	if err != nil {
		return err
	}
	fmt.Fprintf(log, "kernel: %s: %s, %d bytes\n", *out, src.Version, info.Size())
	if info.Size() > MaxSize {
		return fmt.Errorf("%s has %d bytes, more than the %d it may have: drop options from the fragments", *out, info.Size(), MaxSize)
	}
	return nil
}

func cacheDir(name string) (string, error) {
	if name == "" {
		name = os.Getenv("ORBIT_CACHE")
	}
	if name != "" {
		return filepath.Abs(name)
	}
	user, err := os.UserCacheDir()
	return filepath.Join(user, "orbit"), err
}

// copyFile replaces dst by a copy of src, never leaving half of one.
func copyFile(dst, src string) error {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	tmp, err := os.CreateTemp(filepath.Dir(dst), ".tmp-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = io.Copy(tmp, in)
	if err := errors.Join(err, tmp.Chmod(0o644), tmp.Close()); err != nil {
		return fmt.Errorf("copy %s to %s: %w", src, dst, err)
	}
	return os.Rename(tmp.Name(), dst)
}
