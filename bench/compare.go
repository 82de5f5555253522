package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// contender is one way to write the disk: a pipeline.
type contender struct {
	name   string
	ours   bool
	copies bool // has nothing to decode: an image three times as large to fetch
	stages [][]string
	seen   []result
}

// result is one run of one pipeline.
type result struct {
	wall time.Duration
	cpu  time.Duration // of all its processes, user and system
	peak int64         // bytes of memory, all processes added
}

func (s *set) contenders(target string) []*contender {
	dd := []string{"dd", "of=" + target, "oflag=direct", "iflag=fullblock", "bs=4M", "conv=fsync", "status=none"}
	qemu := func(from string) []string {
		return []string{"qemu-img", "convert", "-W", "-m", "8", "-t", "none", "-O", "raw", from, target}
	}
	return []*contender{
		{name: "imagenode, many frames", ours: true, stages: [][]string{{s.imagenode, s.frames, target}}},
		{name: "imagenode, many frames, sha256", ours: true, stages: [][]string{{s.imagenode, "--sha256", s.sum, s.frames, target}}},
		{name: "imagenode, one frame", ours: true, stages: [][]string{{s.imagenode, s.frame, target}}},
		{name: "zstd | dd, many frames", stages: [][]string{{"zstd", "-dcq", s.frames}, dd}},
		{name: "zstd | dd, one frame", stages: [][]string{{"zstd", "-dcq", s.frame}, dd}},
		{name: "qemu-img, qcow2 with zstd", stages: [][]string{qemu(s.packed)}},
		{name: "qemu-img, qcow2 as it is", copies: true, stages: [][]string{qemu(s.plain)}},
	}
}

// compare runs all contenders in turn, rounds times, and makes a table.
func (s *set) compare(ctx context.Context, target string, rounds int) (string, error) {
	defer os.Remove(target)
	all := s.contenders(target)
	want, err := sumOf(s.raw)
	if err != nil {
		return "", err
	}
	for round := range rounds {
		for i := range all {
			c := all[(i+round)%len(all)]
			os.Remove(target)
			syscall.Sync() // what the last one left in the cache is not this one's
			r, err := pipeline(ctx, c.stages)
			if err != nil {
				return "", fmt.Errorf("%s: %w", c.name, err)
			}
			c.seen = append(c.seen, r)
			if round > 0 {
				continue
			}
			if got, err := sumOf(target); err != nil || got != want {
				return "", fmt.Errorf("%s wrote another disk: sha256 %s, want %s, %v", c.name, got, want, err)
			}
		}
	}
	return table(all), nil
}

func table(all []*contender) string {
	var b strings.Builder
	var ours, decoders, others time.Duration // the best of each
	fmt.Fprintf(&b, "%-32s %8s %11s %8s %9s\n", "", "wall", "rate", "CPU", "memory")
	for _, c := range all {
		wall := median(c.seen, func(r result) time.Duration { return r.wall })
		cpu := median(c.seen, func(r result) time.Duration { return r.cpu })
		peak := slices.MaxFunc(c.seen, func(a, b result) int { return int(a.peak - b.peak) }).peak
		fmt.Fprintf(&b, "%-32s %6.2f s %5.0f MiB/s %6.2f s %6d MB\n", c.name, wall.Seconds(), diskSize/float64(1<<20)/wall.Seconds(), cpu.Seconds(), peak/1e6)
		switch {
		case c.ours:
			ours = best(ours, wall)
		case c.copies:
			others = best(others, wall)
		default:
			decoders, others = best(decoders, wall), best(others, wall)
		}
	}
	fmt.Fprintf(&b, "imagenode is %.2f times as fast as the best of those that decompress, %.2f times as the best of all\n",
		decoders.Seconds()/ours.Seconds(), others.Seconds()/ours.Seconds())
	return b.String()
}

// best is the shorter time; 0 is none yet.
func best(a, b time.Duration) time.Duration {
	if a == 0 {
		return b
	}
	return min(a, b)
}

func median(all []result, of func(result) time.Duration) time.Duration {
	v := make([]time.Duration, len(all))
	for i, r := range all {
		v[i] = of(r)
	}
	slices.Sort(v)
	return v[len(v)/2]
}

// pipeline runs the stages with pipes between them.
func pipeline(ctx context.Context, stages [][]string) (result, error) {
	var cmds []*exec.Cmd
	var ends []io.Closer
	for i, s := range stages {
		cmd := exec.CommandContext(ctx, s[0], s[1:]...)
		cmd.Stderr = os.Stderr
		if i > 0 {
			r, w, err := os.Pipe()
			if err != nil {
				return result{}, err
			}
			cmds[i-1].Stdout, cmd.Stdin = w, r
			ends = append(ends, r, w)
		}
		cmds = append(cmds, cmd)
	}
	var r result
	var errs []error
	begun := time.Now()
	for _, c := range cmds {
		errs = append(errs, c.Start())
	}
	for _, e := range ends {
		e.Close()
	}
	if err := errors.Join(errs...); err != nil {
		return r, err
	}
	for _, c := range cmds {
		errs = append(errs, c.Wait())
		r.cpu += c.ProcessState.UserTime() + c.ProcessState.SystemTime()
		r.peak += c.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
	}
	r.wall = time.Since(begun)
	return r, errors.Join(errs...)
}

func sumOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
