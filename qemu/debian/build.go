package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/stream"
)

// tools are the programs a build needs, and the Debian package of each.
var tools = map[string]string{
	"mmdebstrap": "mmdebstrap", "mke2fs": "e2fsprogs", "mkfs.vfat": "dosfstools", "mcopy": "mtools", "tar": "tar",
}

// build makes the image in a directory beside dir and moves it there whole.
func build(ctx context.Context, r *recipe, dir string, stderr io.Writer) error {
	for tool, pkg := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%s is missing: install the package %s", tool, pkg)
		}
	}
	work, err := os.MkdirTemp("", "debian")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	// Without root, mmdebstrap's user namespace reads the recipe from here.
	if err := os.Chmod(work, 0o755); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	done, err := os.MkdirTemp(filepath.Dir(dir), ".new-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(done)
	log := &bytes.Buffer{}
	b := &builder{recipe: r, work: work, output: log}
	if err := b.image(ctx, done, stderr); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%w\n%s", err, lastLines(log.String(), 40))
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Rename(done, dir)
}

// image is the story: root file system, disk, compressed copy, hashes.
func (b *builder) image(ctx context.Context, done string, stderr io.Writer) error {
	tar, disk := filepath.Join(b.work, "root.tar"), filepath.Join(done, files[0])
	fmt.Fprintln(stderr, "debian: root file system (mmdebstrap)")
	if err := b.root(ctx, tar); err != nil {
		return err
	}
	fmt.Fprintln(stderr, "debian: disk")
	if err := b.disk(ctx, tar, disk); err != nil {
		return err
	}
	fmt.Fprintln(stderr, "debian: compressed copy")
	if err := compress(ctx, disk, filepath.Join(done, "debian-12.img.zst")); err != nil {
		return fmt.Errorf("compress the image: %w", err)
	}
	for _, name := range []string{"debian-12.img", "debian-12.img.zst"} {
		if err := sidecar(filepath.Join(done, name)); err != nil {
			return fmt.Errorf("hash %s: %w", name, err)
		}
	}
	return nil
}

// compress writes src to dst as zstd, in frames that nodes decode on all cores.
func compress(ctx context.Context, src, dst string) error {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(dst)
	if err != nil {
		return err
	}
	defer out.Close()
	z, err := stream.NewWriter(out, zstdLvl, 0)
	if err != nil {
		return err
	}
	_, err = io.Copy(z, readerFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return in.Read(p)
	}))
	return errors.Join(err, z.Close(), out.Close())
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// sidecar writes NAME.sha256 as sha256sum(1) does.
func sidecar(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return err
	}
	line := hex.EncodeToString(sum.Sum(nil)) + "  " + filepath.Base(path) + "\n"
	return os.WriteFile(path+".sha256", []byte(line), 0o644)
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
