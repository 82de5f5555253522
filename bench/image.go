package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/orbit-pxe/orbit/pkg/partition"
)

const (
	diskSize  = 2 << 30
	diskFiles = 1050 << 20 // bytes of files in it: about half of the disk stays zero
)

// set is the same disk in all the forms that are compared, and the commands built for it.
type set struct {
	raw       string // as it is
	frames    string // savenode's zstd: many frames
	frame     string // zstd's: one frame
	plain     string // qcow2
	packed    string // qcow2 compressed with zstd
	imagenode string
	sum       string // SHA-256 of frames
}

// prepare makes what is not there from an earlier run.
func prepare(ctx context.Context, dir string) (*set, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	s := &set{raw: in("disk.raw"), frames: in("frames.zst"), frame: in("frame.zst"), plain: in("plain.qcow2"), packed: in("zstd.qcow2"), imagenode: in("imagenode")}
	for _, c := range []string{"imagenode", "savenode"} {
		if err := command(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", in(c), "github.com/orbit-pxe/orbit/cmds/"+c); err != nil {
			return nil, err
		}
	}
	steps := []struct {
		file string
		make func(part string) error
	}{
		{s.raw, func(part string) error { return makeDisk(ctx, part, in("files")) }},
		{s.frames, func(part string) error { return command(ctx, in("savenode"), s.raw, part) }},
		{s.frame, func(part string) error { return command(ctx, "zstd", "-q", "-3", "-T0", "-f", "-o", part, s.raw) }},
		{s.plain, func(part string) error { return command(ctx, "qemu-img", "convert", "-O", "qcow2", s.raw, part) }},
		{s.packed, func(part string) error {
			return command(ctx, "qemu-img", "convert", "-c", "-O", "qcow2", "-o", "compression_type=zstd", s.raw, part)
		}},
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
			info, err = os.Stat(step.file)
			if err != nil {
				return nil, err
			}
		}
		fmt.Printf("%-12s %5d MiB\n", filepath.Base(step.file), info.Size()>>20)
	}
	var err error
	s.sum, err = sumOf(s.frames)
	return s, err
}

// makeDisk makes a GPT disk with an ext4 of real files.
func makeDisk(ctx context.Context, path, files string) error {
	if err := collect(files); err != nil {
		return err
	}
	defer os.RemoveAll(files)
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(diskSize); err != nil {
		return err
	}
	g, err := partition.NewGPT(diskSize, 512, partition.GUID{1}, []partition.Entry{{Type: partition.LinuxRoot, ID: partition.GUID{2}}})
	if err != nil {
		return err
	}
	root := g.Entries()[0]
	if err := command(ctx, "mke2fs", "-q", "-F", "-t", "ext4", "-d", files, "-E", fmt.Sprintf("offset=%d", root.Start), path, fmt.Sprintf("%dk", root.Size>>10)); err != nil {
		return err
	}
	for _, p := range g.Pieces() {
		if _, err := f.WriteAt(p.Data, p.Off); err != nil {
			return err
		}
	}
	return f.Sync()
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
