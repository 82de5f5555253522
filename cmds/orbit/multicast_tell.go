//go:build !node

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// teller tells what a transfer does: one live line on a terminal, plain lines at
// most every five seconds elsewhere, JSON lines for a program. It is safe for
// concurrent use.
type teller struct {
	w    io.Writer
	json bool
	live bool
	cols func() int

	mu    sync.Mutex
	text  string // of the live line
	drawn int    // columns of it on the screen
	shown time.Time
}

// plainEvery is how far apart plain lines on the state of things are.
const plainEvery = 5 * time.Second

func newTeller(w io.Writer, asJSON bool) *teller {
	t := &teller{w: w, json: asJSON, cols: func() int { return 80 }, shown: time.Now()}
	if f, ok := w.(*os.File); ok && !asJSON && term.IsTerminal(int(f.Fd())) {
		t.live = true
		t.cols = func() int {
			if n, _, err := term.GetSize(int(f.Fd())); err == nil && n >= 20 {
				return n
			}
			return 80
		}
	}
	return t
}

// line is for people, and stays.
func (t *teller) line(format string, args ...any) {
	if t.json {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.erase()
	fmt.Fprintf(t.w, format+"\n", args...)
	t.draw()
}

// state is for people: how things are now, which the next one replaces.
func (t *teller) state(text string) {
	if t.json {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.live {
		t.text = text
		t.draw()
		return
	}
	if now := time.Now(); now.Sub(t.shown) >= plainEvery && text != t.text {
		t.shown, t.text = now, text
		fmt.Fprintln(t.w, text)
	}
}

// event is for programs: a line of JSON.
func (t *teller) event(v any) {
	if !t.json {
		return
	}
	b, err := json.Marshal(v)
	if err != nil {
		return // there is nothing in it that cannot be marshalled
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.w.Write(append(b, '\n'))
}

// close takes the live line away.
func (t *teller) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.erase()
	t.text = ""
}

// draw writes the live line over the one on the screen. Its last column stays
// free: a character there makes some terminals wrap.
func (t *teller) draw() {
	if !t.live || t.text == "" {
		return
	}
	line := []rune(t.text)
	if most := t.cols() - 1; len(line) > most {
		line = line[:most]
	}
	pad := max(0, t.drawn-len(line))
	io.WriteString(t.w, "\r"+string(line)+strings.Repeat(" ", pad)+strings.Repeat("\b", pad))
	t.drawn = len(line)
}

func (t *teller) erase() {
	if t.drawn > 0 {
		io.WriteString(t.w, "\r"+strings.Repeat(" ", t.drawn)+"\r")
		t.drawn = 0
	}
}

// told is what all lines of JSON begin with.
type told struct {
	Time  time.Time `json:"time"`
	Event string    `json:"event"`
}

func tell(event string) told { return told{time.Now().UTC(), event} }
