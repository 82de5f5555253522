package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// result is one run of one pipeline.
type result struct {
	wall time.Duration
	cpu  time.Duration // of all its processes, user and system
	peak int64         // bytes of memory, all processes added
}

// words is a pipeline as a person would type it.
func words(stages [][]string) string {
	var s []string
	for _, stage := range stages {
		s = append(s, strings.Join(stage, " "))
	}
	return strings.Join(s, " | ")
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
