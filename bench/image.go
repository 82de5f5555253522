package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
func prepare(ctx context.Context, dir, debian string) (*set, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	s := &set{raw: in("debian.ext4"), orbit: in("debian.img.zst"), clone: in("debian.partclone.zst"), stream: in("debian.ext4.zst"),
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
		{s.raw, func(part string) error { return makeDisk(ctx, part, debian, in("files")) }},
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

func command(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w\n%s", name, args, err, out)
	}
	return nil
}
