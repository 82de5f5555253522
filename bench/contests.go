package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// partclone saves the filesystem as people do who know what is in use.
func (s *set) partclone(to string) [][]string {
	return [][]string{{"bash", "-o", "pipefail", "-c",
		"partclone.ext4 -c -q -s " + s.raw + " -o - 2>/dev/null | zstd -q -T0 -1 -f -o " + to}}
}

// save compares ways to make a small file of a disk.
func (s *set) save(dir string) *contest {
	out := filepath.Join(dir, "saved")
	return &contest{name: "save", output: out, all: []*contender{
		{name: "savenode", ours: true, stages: [][]string{{s.savenode, s.raw, out}}},
		{name: "partclone | zstd -1", stages: s.partclone(out)},
		{name: "qemu-img convert -c", stages: [][]string{{"qemu-img", "convert", "-c", "-W", "-m", "8", "-O", "qcow2", s.raw, out}}},
	}}
}

// write compares ways to make the disk of such a file, flushed.
func (s *set) write(where, dir string) *contest {
	out := filepath.Join(dir, "orbit-bench-disk")
	dd := []string{"dd", "of=" + out, "oflag=direct", "iflag=fullblock", "bs=4M", "conv=fsync", "status=none"}
	return &contest{name: "write, " + where, output: out, check: func() error { return s.sound(out) },
		all: []*contender{
			{name: "imagenode", ours: true, stages: [][]string{{s.imagenode, s.orbit, out}}},
			{name: "zstd | partclone", stages: [][]string{{"bash", "-o", "pipefail", "-c",
				fmt.Sprintf("truncate -s %d %s && ", diskSize, out) + "zstd -dcq " + s.clone + " | partclone.ext4 -r -q -s - -O " + out + " 2>/dev/null && sync " + out}}},
			{name: "zstd | dd", stages: [][]string{{"zstd", "-dcq", s.stream}, dd}},
			{name: "dd, not compressed", stages: [][]string{append([]string{"dd", "if=" + s.raw}, dd[1:]...)}},
		}}
}

// delta compares ways to find out that a disk holds an image already.
func (s *set) delta(dir string) *contest {
	out := filepath.Join(dir, "orbit-bench-disk")
	return &contest{name: "nothing to do: is the disk what it should be?", ready: func() error {
		if info, err := os.Stat(out); err == nil && info.Size() == diskSize {
			return nil
		}
		return command(context.Background(), s.imagenode, s.orbit, out)
	}, all: []*contender{
		{name: "imagenode", ours: true, stages: [][]string{{s.imagenode, s.orbit, out}}},
		{name: "cat | openssl, used bytes", stages: [][]string{{"head", "-c", fmt.Sprint(s.used()), out}, {"openssl", "dgst", "-sha256"}}},
		{name: "cat | openssl, all bytes", stages: [][]string{{"cat", out}, {"openssl", "dgst", "-sha256"}}},
	}}
}

// used is about how many bytes of the filesystem are in use.
func (s *set) used() int64 { return diskFiles }

// cores compares one core with two.
func (s *set) cores(dir string) []*contest {
	out := filepath.Join(dir, "orbit-bench-disk")
	one := func(args ...string) [][]string { return [][]string{append([]string{"taskset", "-c", "0"}, args...)} }
	pair := func(name string, args ...string) *contest {
		return &contest{name: name + ", one core and all", all: []*contender{
			{name: "all cores", ours: true, stages: [][]string{args}},
			{name: "one core", stages: one(args...)},
		}}
	}
	save := pair("save", s.savenode, s.raw, out)
	save.output = out
	write := pair("write", s.imagenode, s.orbit, out)
	write.output = out
	same := pair("delta", s.imagenode, s.orbit, out)
	same.ready = s.delta(dir).ready
	return []*contest{save, write, same}
}

// sound tells whether a disk holds the filesystem.
func (s *set) sound(disk string) error {
	text, err := exec.Command("e2fsck", "-fn", disk).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s is not what was saved: %w\n%s", disk, err, text)
	}
	if bytes.Contains(text, []byte("errors")) {
		return errors.New(string(text))
	}
	return nil
}
