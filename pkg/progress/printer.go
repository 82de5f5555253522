// Package progress renders the events of a job (package api) for whoever
// watches: one live line on a terminal, plain lines at most every five seconds
// in a log, JSON lines for a program. It keeps no clock of its own: all it
// shows comes from the times in the events.
package progress

import (
	"encoding/json"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/api"
)

// Mode is a way to show events.
type Mode string

const (
	Auto  Mode = "auto"  // Live on a terminal, Plain elsewhere
	Live  Mode = "live"  // one line that is drawn over, and a line per finished step
	Plain Mode = "plain" // lines, for logs and slow consoles
	JSON  Mode = "json"  // one api.Event per line
)

// How far apart progress events of one step are shown at the closest. Events
// of other states are always shown.
var spacing = map[Mode]time.Duration{
	Live:  200 * time.Millisecond,
	Plain: 5 * time.Second,
	JSON:  time.Second,
}

// Printer shows events on a writer. It is safe for concurrent use.
type Printer struct {
	mu    sync.Mutex
	w     io.Writer
	mode  Mode
	cols  func() int // width of the terminal, for Live
	steps []*step    // that have started and not ended, oldest first
	drawn int        // columns of the live line on the screen
	shown time.Time  // when the last progress was drawn or printed
}

// New is a printer of events on w. In the modes other than JSON it shows
// nothing of why a step failed: that is the error its command ends with.
func New(w io.Writer, mode Mode) *Printer {
	p := &Printer{w: w, mode: mode, cols: func() int { return 80 }}
	f, terminal := w.(*os.File)
	terminal = terminal && isTerminal(f)
	if terminal {
		p.cols = func() int { return columns(f) }
	}
	if mode == Auto || mode == "" {
		p.mode = Plain
		if terminal {
			p.mode = Live
		}
	}
	return p
}

// Sink takes the events that p is to show.
func (p *Printer) Sink() api.Sink { return p.show }

// Close takes the live line off the terminal, so that what is printed next
// starts in an empty line.
func (p *Printer) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
}

func (p *Printer) show(e api.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.follow(e)
	if p.mode == JSON {
		p.showJSON(e, s)
		return
	}
	switch e.State {
	case api.Progress:
		if e.Time.Sub(p.shown) < spacing[p.mode] {
			return
		}
		p.shown = e.Time
		if p.mode == Live {
			p.draw()
		} else {
			p.print(p.line(0))
		}
	case api.Started:
		if p.mode == Plain && p.shown.IsZero() {
			p.shown = e.Time // the first line comes after five seconds, not at once
		}
		if e.Message != "" {
			p.print(label(e.Step) + e.Message)
		}
	case api.Note:
		p.print(label(e.Step) + e.Message)
	case api.Done, api.Failed:
		p.print(summary(e))
	}
}

func (p *Printer) showJSON(e api.Event, s *step) {
	if e.State == api.Progress && s != nil {
		if e.Time.Sub(s.shown) < spacing[JSON] {
			return
		}
		s.shown = e.Time
	}
	line, err := json.Marshal(e)
	if err != nil {
		return // an Event has nothing that cannot be marshalled
	}
	p.w.Write(append(line, '\n'))
}

// print writes a line above the live line, if there is one.
func (p *Printer) print(line string) {
	p.erase()
	io.WriteString(p.w, line+"\n")
	if p.mode == Live {
		p.draw()
	}
}

// draw writes the live line over the one on the screen. Blanks and carriage
// returns do it on every terminal, also on one that knows no escape sequence.
func (p *Printer) draw() {
	// The last column stays free: a character there makes some terminals wrap.
	line := p.line(p.cols() - 1)
	if line == "" {
		return
	}
	pad := max(0, p.drawn-len(line))
	io.WriteString(p.w, "\r"+line+strings.Repeat(" ", pad)+strings.Repeat("\b", pad))
	p.drawn = len(line)
}

func (p *Printer) erase() {
	if p.drawn > 0 {
		io.WriteString(p.w, "\r"+strings.Repeat(" ", p.drawn)+"\r")
		p.drawn = 0
	}
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// columns is the width of the terminal; a serial console does not know its own.
func columns(f *os.File) int {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Col < 20 {
		return 80
	}
	return int(size.Col)
}
