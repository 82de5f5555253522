package console

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// queue bounds the lines that wait for one console: at 115200 baud a full one
// of 80 columns takes a second and a half to drain, at 9600 eighteen.
const queue = 256

// Output writes lines to every console. Each has its own goroutine and queue;
// a console that does not keep up loses lines, with a note of how many.
type Output struct {
	ports []*port
	busy  func(path string) bool
	stamp func() time.Duration
}

// Options of Open; zero values are useful.
type Options struct {
	Busy  func(path string) bool // someone is at a shell there: only urgent lines are shown
	Stamp func() time.Duration   // time to show before each line, as the kernel does; nil = none
}

type port struct {
	path    string
	f       *os.File
	lines   chan item
	dropped atomic.Int64
	dead    atomic.Bool
	done    sync.WaitGroup
}

// item is text to write, or somebody who waits for all before it.
type item struct {
	text string
	done chan struct{}
}

// Open starts to write to the terminals (or other files) at paths. Those that
// cannot be opened are left out.
func Open(paths []string, o Options) *Output {
	out := &Output{busy: o.Busy, stamp: o.Stamp}
	for _, path := range paths {
		f, err := os.OpenFile(path, os.O_WRONLY|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_APPEND, 0)
		if err != nil {
			continue
		}
		p := &port{path: path, f: f, lines: make(chan item, queue)}
		out.ports = append(out.ports, p)
		p.done.Go(p.run)
	}
	return out
}

// Paths returns the consoles that were opened.
func (o *Output) Paths() []string {
	var paths []string
	for _, p := range o.ports {
		paths = append(paths, p.path)
	}
	return paths
}

// Line shows text on every console where nobody is at a shell.
func (o *Output) Line(text string) { o.send(text, false) }

// Urgent shows text on every console.
func (o *Output) Urgent(text string) { o.send(text, true) }

func (o *Output) send(text string, urgent bool) {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimRight(text, "\r\n")) {
		if o.stamp != nil {
			fmt.Fprintf(&b, "[%9.3f] ", o.stamp().Seconds())
		}
		b.WriteString(clean(line))
		b.WriteByte('\n')
	}
	for _, p := range o.ports {
		if p.dead.Load() || !urgent && o.busy != nil && o.busy(p.path) {
			continue
		}
		select {
		case p.lines <- item{text: b.String()}:
		default:
			p.dropped.Add(1)
		}
	}
}

// clean keeps control characters that came over the network off a terminal.
func clean(line string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return ' '
		}
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, line)
}

func (p *port) run() {
	for it := range p.lines {
		text := it.text
		if it.done != nil {
			close(it.done)
			continue
		}
		if p.dead.Load() {
			continue
		}
		if n := p.dropped.Swap(0); n > 0 {
			text = fmt.Sprintf("(%d lines not shown: this console is too slow)\n", n) + text
		}
		// The deadline frees the goroutine from a line that flow control stopped.
		p.f.SetWriteDeadline(time.Now().Add(5 * time.Second))
		switch _, err := io.WriteString(p.f, text); {
		case os.IsTimeout(err):
			p.dropped.Add(1)
		case err != nil:
			p.dead.Store(true)
		}
	}
}

// Flush waits, no longer than ctx allows, until the consoles have sent all that
// was shown so far. A reset would lose it.
func (o *Output) Flush(ctx context.Context) {
	for _, p := range o.ports {
		done := make(chan struct{})
		select {
		case p.lines <- item{done: done}:
		case <-ctx.Done():
			return
		}
		select {
		case <-done:
			p.drain(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// Close shows what is queued and waits, no longer than ctx allows, until the
// consoles have sent it.
func (o *Output) Close(ctx context.Context) {
	for _, p := range o.ports {
		close(p.lines)
	}
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		for _, p := range o.ports {
			p.done.Wait()
			p.drain(ctx)
		}
	}()
	select {
	case <-finished:
	case <-ctx.Done(): // end the writes that still wait
		for _, p := range o.ports {
			p.f.SetWriteDeadline(time.Unix(1, 0))
			p.dead.Store(true)
		}
		<-finished
	}
	for _, p := range o.ports {
		p.f.Close()
	}
}

// drain waits until the UART has sent its buffer, which a reset would lose.
// There is no event for that: tcdrain(3) cannot be interrupted.
func (p *port) drain(ctx context.Context) {
	raw, err := p.f.SyscallConn()
	if err != nil {
		return
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for waiting := 1; waiting > 0; {
		err := raw.Control(func(fd uintptr) {
			if waiting, err = unix.IoctlGetInt(int(fd), unix.TIOCOUTQ); err != nil {
				waiting = 0 // not a terminal
			}
		})
		if err != nil || waiting == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
