package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/orbit-pxe/orbit/pkg/partition"
)

const (
	diskSize  = 2 << 30
	diskFiles = 1050 << 20 // bytes of files in it: about half of the disk is not in use
)

// makeDisk makes an ext4 that has all of the root of a real Debian, and what
// more it takes of this system's files.
func makeDisk(ctx context.Context, path, debian, files string) error {
	if err := os.RemoveAll(files); err != nil {
		return err
	}
	defer os.RemoveAll(files)
	if err := os.MkdirAll(files, 0o777); err != nil {
		return err
	}
	if err := extract(ctx, debian, files); err != nil {
		return err
	}
	if err := fill(files); err != nil {
		return err
	}
	return command(ctx, "mke2fs", "-q", "-F", "-t", "ext4", "-d", files, path, fmt.Sprintf("%dk", diskSize>>10))
}

// extract takes the tree out of the largest partition of a disk image, an ext4.
// It needs no mounting.
func extract(ctx context.Context, disk, dir string) error {
	f, err := os.Open(disk)
	if err != nil {
		return fmt.Errorf("%w (make debian makes it)", err)
	}
	defer f.Close()
	table, err := partition.Read(f, 512)
	if err != nil {
		return err
	}
	var root partition.Partition
	for _, p := range table.Partitions {
		if p.Size > root.Size {
			root = p
		}
	}
	if err := command(ctx, "debugfs", "-R", fmt.Sprintf("rdump / %q", dir), fmt.Sprintf("%s?offset=%d", disk, root.Start)); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, "etc/debian_version")); err != nil { // debugfs does not tell
		return fmt.Errorf("partition %d of %s is not the root of a Debian: %w", root.Number, disk, err)
	}
	return nil
}

// fill adds programs, libraries and texts of this system that a tree does not
// have, below srv, until there is as much as on a machine in use: a Debian made
// for tests has only some 500 MiB.
func fill(dir string) error {
	left := int64(diskFiles)
	if err := regular(dir, func(_ string, size int64) error { left -= size; return nil }); err != nil {
		return err
	}
	for _, root := range []string{"/usr/bin", "/usr/share", "/usr/lib"} {
		if err := regular(root, func(path string, size int64) error {
			if _, err := os.Lstat(filepath.Join(dir, path)); err == nil || size > left {
				return nil
			}
			left -= size
			to := filepath.Join(dir, "srv", path)
			if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
				return err
			}
			if os.Link(path, to) == nil {
				return nil
			}
			return copyFile(path, to)
		}); err != nil {
			return err
		}
	}
	if left > diskFiles/4 {
		return fmt.Errorf("/usr has too few files for a benchmark: %d MiB are missing", left>>20)
	}
	return nil
}

// regular calls f with the path and size of every regular file below dir that
// can be found: what is unreadable is none of ours.
func regular(dir string, f func(path string, size int64) error) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		return f(path, info.Size())
	})
}

func copyFile(from, to string) error {
	r, err := os.Open(from)
	if err != nil {
		return nil // not ours to read
	}
	defer r.Close()
	w, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	return err
}
