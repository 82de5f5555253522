package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

const (
	diskSize  = 2 << 30
	diskFiles = 1050 << 20 // bytes of files in it: about half of the disk is not in use
)

// set is the same filesystem in all the forms that are compared, and the
// commands built for it.
type set struct {
	raw       string // as it is
	orbit     string // by savenode
	clone     string // by partclone, compressed by zstd -1
	stream    string // as it is, compressed by zstd -1
	imagenode string
	savenode  string
}

// prepare makes what is not there from an earlier run.
func prepare(ctx context.Context, dir string) (*set, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	s := &set{raw: in("root.ext4"), orbit: in("root.img.zst"), clone: in("root.partclone.zst"), stream: in("root.ext4.zst"),
		imagenode: in("imagenode"), savenode: in("savenode")}
	for _, c := range []string{"imagenode", "savenode"} {
		if err := command(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", in(c), "github.com/orbit-pxe/orbit/cmds/"+c); err != nil {
			return nil, err
		}
	}
	os.Remove(s.orbit) // by the savenode of today
	steps := []struct {
		file string
		make func(part string) error
	}{
		{s.raw, func(part string) error { return makeDisk(ctx, part, in("files")) }},
		{s.orbit, func(part string) error { return command(ctx, s.savenode, s.raw, part) }},
		{s.clone, func(part string) error {
			_, err := pipeline(ctx, s.partclone(part))
			return err
		}},
		{s.stream, func(part string) error { return command(ctx, "zstd", "-q", "-1", "-T0", "-f", "-o", part, s.raw) }},
	}
	for _, step := range steps {
		info, err := os.Stat(step.file)
		if err != nil {
			fmt.Println("making", step.file)
			part := step.file + ".partial"
			if err := step.make(part); err != nil {
				return nil, err
			}
			if err := os.Rename(part, step.file); err != nil {
				return nil, err
			}
			if info, err = os.Stat(step.file); err != nil {
				return nil, err
			}
		}
		fmt.Printf("%-20s %5d MiB\n", filepath.Base(step.file), info.Size()>>20)
	}
	return s, nil
}

// makeDisk makes an ext4 of real files.
func makeDisk(ctx context.Context, path, files string) error {
	if err := collect(files); err != nil {
		return err
	}
	defer os.RemoveAll(files)
	return command(ctx, "mke2fs", "-q", "-F", "-t", "ext4", "-d", files, path, fmt.Sprintf("%dk", diskSize>>10))
}

// collect fills a directory with files of this system: programs, libraries, texts.
func collect(dir string) error {
	left := int64(diskFiles)
	for _, root := range []string{"/usr/bin", "/usr/share", "/usr/lib"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return nil // unreadable directories are none of ours
			}
			info, err := d.Info()
			if err != nil || info.Size() > left {
				return nil
			}
			left -= info.Size()
			to := filepath.Join(dir, path)
			if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
				return err
			}
			if os.Link(path, to) == nil {
				return nil
			}
			return copyFile(path, to)
		})
		if err != nil {
			return err
		}
	}
	if left > diskFiles/4 {
		return fmt.Errorf("/usr has too few files for a benchmark: %d MiB are missing", left>>20)
	}
	return nil
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

func command(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w\n%s", name, args, err, out)
	}
	return nil
}
