// Debian makes the disk image of the lab: a real Debian 12, bootable through
// GRUB by BIOS and by UEFI, with systemd, an SSH server, DHCP on every Ethernet
// port and a login on the serial console.
//
//	go run ./qemu/debian -o out
//
// leaves debian-12.img (sparse), debian-12.img.zst and a .sha256 of each. What
// the image is made of is in recipe/; the finished image is kept in a cache,
// by the recipe's hash.
package main

import (
	"context"
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

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stderr, os.Args[1:]); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "debian:", err)
		}
		os.Exit(1)
	}
}

// files are what one recipe makes.
var files = []string{"debian-12.img", "debian-12.img.sha256", "debian-12.img.zst", "debian-12.img.zst.sha256"}

func run(ctx context.Context, stderr io.Writer, args []string) error {
	set := flag.NewFlagSet("debian", flag.ContinueOnError)
	set.SetOutput(stderr)
	out := set.String("o", "out", "directory for the image")
	fresh := set.Bool("fresh", false, "build even if the cache has the image")
	if err := set.Parse(args); err != nil {
		return err
	}
	r, err := loadRecipe()
	if err != nil {
		return err
	}
	cache, err := cacheDir()
	if err != nil {
		return err
	}
	kept := filepath.Join(cache, "debian", r.key)
	if *fresh || !complete(kept) {
		start := time.Now()
		fmt.Fprintf(stderr, "debian: building the image from nothing (recipe %s)\n", r.key)
		if err := build(ctx, r, kept, stderr); err != nil {
			return err
		}
		fmt.Fprintf(stderr, "debian: built in %.0f s\n", time.Since(start).Seconds())
	}
	return install(kept, *out, stderr)
}

// cacheDir is $ORBIT_CACHE or the user's own.
func cacheDir() (string, error) {
	if dir := os.Getenv("ORBIT_CACHE"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a cache directory (set ORBIT_CACHE): %w", err)
	}
	return filepath.Join(dir, "orbit"), nil
}

// complete tells whether the cache holds all of an image.
func complete(dir string) bool {
	for _, name := range files {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return false
		}
	}
	return true
}

// install puts the files into out, unless they are there already.
func install(kept, out string, stderr io.Writer) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	for _, name := range files {
		src, dst := filepath.Join(kept, name), filepath.Join(out, name)
		same, err := sameFile(src, dst)
		if err != nil {
			return err
		}
		if same {
			continue
		}
		if err := copySparse(src, dst); err != nil {
			return fmt.Errorf("copy %s from the cache: %w", name, err)
		}
	}
	fmt.Fprintf(stderr, "debian: %s\n", filepath.Join(out, files[0]))
	return nil
}

// sameFile compares sizes and times: copySparse keeps the original's time.
func sameFile(a, b string) (bool, error) {
	sa, err := os.Stat(a)
	if err != nil {
		return false, err
	}
	sb, err := os.Stat(b)
	if os.IsNotExist(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return sa.Size() == sb.Size() && sa.ModTime().Equal(sb.ModTime()), nil
}
