package room

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
)

// Role is what a process does: Serve, Get, Web, Fetch or Flood.
type Role interface {
	name() string
	// run gets ready, calls s.ready, and returns when it is done, or told to end,
	// with what there is to tell.
	run(ctx context.Context, s *stage) (any, error)
}

func roleOf(name string) (Role, error) {
	for _, r := range []Role{&Serve{}, &Get{}, &Web{}, &Fetch{}, &Flood{}} {
		if r.name() == name {
			return r, nil
		}
	}
	return nil, fmt.Errorf("play %q in a room: no such role", name)
}

// environment has the name of the role, and what it is told as JSON, behind a
// space.
const environment = "ORBIT_ROOM_ROLE"

// Main plays the role that this process was started for, and ends it. Where it
// was not started by this package it returns at once.
func Main() {
	name, told, ok := strings.Cut(os.Getenv(environment), " ")
	if !ok {
		return
	}
	if err := play(name, told, os.Stdin, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// outcome is the last line that a process writes.
type outcome struct {
	Error string
	Peak  int64 // bytes of memory
	Told  json.RawMessage
}

func play(name, told string, in io.Reader, out, log io.Writer) error {
	role, err := roleOf(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(told), role); err != nil {
		return err
	}
	level := slog.LevelInfo
	if os.Getenv("ORBIT_VERBOSE") != "" {
		level = slog.LevelDebug
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	s := &stage{in: bufio.NewReader(in), out: out, stop: stop, log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: level}))}
	tells, err := role.run(ctx, s)
	var o outcome
	if err != nil {
		o.Error = err.Error()
	}
	if o.Told, err = json.Marshal(tells); err != nil {
		return err
	}
	if o.Peak, err = peak(); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(o)
}

// peak is the most memory that this process has had, bytes. That of getrusage(2)
// would count what was before exec(2), too.
func peak() (int64, error) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmHWM:" {
			kib, err := strconv.ParseInt(f[1], 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("find the peak of memory: no VmHWM in /proc/self/status")
}

// stage is a process's side of the wire to who has started it.
type stage struct {
	in   *bufio.Reader
	out  io.Writer
	stop func()
	log  *slog.Logger
}

const readyLine, goLine = "ready\n", "go\n"

// ready says that the process is, and waits for the start. From then on the end
// of the input ends it.
func (s *stage) ready() error {
	if _, err := io.WriteString(s.out, readyLine); err != nil {
		return err
	}
	line, err := s.in.ReadString('\n')
	if err != nil {
		return fmt.Errorf("wait for the start: %w", err)
	}
	if line != goLine {
		return fmt.Errorf("wait for the start: told %q", line)
	}
	go func() {
		io.Copy(io.Discard, s.in)
		s.stop()
	}()
	return nil
}
