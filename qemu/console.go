package qemu

import (
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Console is a machine's serial port: everything it said, when, and a way to
// type. The log file has the bytes as they came; patterns are matched against
// the text without terminal escapes and carriage returns.
type Console struct {
	Path string // log file

	in io.WriteCloser

	mu      sync.Mutex
	text    []byte    // without escapes
	stamps  []stamp   // when each part of text arrived
	escape  escape    // state of the filter
	read    int       // Expect has consumed text up to here
	ended   bool      // the machine is gone
	changed chan bool // closed and replaced when text grows or the machine ends
}

type stamp struct {
	offset int
	at     time.Time
}

// Match is what Expect found.
type Match struct {
	Pattern int      // which of the patterns
	Groups  []string // the text and its submatches
	At      time.Time
}

// ConsoleError is a console that did not show what was awaited.
type ConsoleError struct {
	Want  []string
	Cause error
	Tail  string // the console's last lines
	Log   string // file with all of it
}

func (e *ConsoleError) Error() string {
	return fmt.Sprintf("console shows no %q: %v\n--- last lines of %s\n%s\n---", e.Want, e.Cause, e.Log, e.Tail)
}

func (e *ConsoleError) Unwrap() error { return e.Cause }

// errEnded and errPanic are why waiting any longer makes no sense.
var (
	errEnded = fmt.Errorf("the machine ended")
	errPanic = fmt.Errorf("the kernel panicked")
	panicked = regexp.MustCompile(`Kernel panic - not syncing`)
)

func newConsole(path string, in io.WriteCloser) *Console {
	return &Console{Path: path, in: in, changed: make(chan bool)}
}

// copy reads the port until it closes.
func (c *Console) copy(r io.Reader, log *os.File) {
	defer log.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			log.Write(buf[:n])
			c.add(buf[:n])
		}
		if err != nil {
			break
		}
	}
	c.mu.Lock()
	c.ended = true
	close(c.changed)
	c.mu.Unlock()
}

func (c *Console) add(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := len(c.text)
	for _, ch := range b {
		if c.escape.keep(ch) {
			c.text = append(c.text, ch)
		}
	}
	if len(c.text) == before {
		return
	}
	c.stamps = append(c.stamps, stamp{before, time.Now()})
	close(c.changed)
	c.changed = make(chan bool)
}

// Expect waits until one of the patterns (regexp syntax, ^ and $ match at
// lines) appears in what the console said since the last match, and consumes
// the text up to its end. The earliest match wins. A kernel panic ends the wait.
func (c *Console) Expect(ctx context.Context, patterns ...string) (Match, error) {
	compiled := make([]*regexp.Regexp, len(patterns))
	for i, p := range patterns {
		re, err := regexp.Compile("(?m)" + p)
		if err != nil {
			return Match{}, err
		}
		compiled[i] = re
	}
	for {
		c.mu.Lock()
		rest, ended, changed := c.text[c.read:], c.ended, c.changed
		if m, ok := c.find(rest, compiled); ok {
			c.mu.Unlock()
			return m, nil
		}
		c.mu.Unlock()
		cause := errEnded
		switch {
		case panicked.Match(rest):
			cause = errPanic
		case ended:
		default:
			select {
			case <-changed:
				continue
			case <-ctx.Done():
				cause = context.Cause(ctx)
			}
		}
		return Match{}, &ConsoleError{Want: patterns, Cause: cause, Tail: tail(c.Text(), 30), Log: c.Path}
	}
}

// find looks for the earliest match and consumes it. c.mu is held.
func (c *Console) find(rest []byte, patterns []*regexp.Regexp) (Match, bool) {
	best := Match{Pattern: -1}
	var at []int
	for i, re := range patterns {
		loc := re.FindSubmatchIndex(rest)
		if loc == nil || at != nil && loc[0] >= at[0] {
			continue
		}
		at, best.Pattern, best.Groups = loc, i, nil
		for g := 0; g < len(loc); g += 2 {
			if loc[g] < 0 {
				best.Groups = append(best.Groups, "")
				continue
			}
			best.Groups = append(best.Groups, string(rest[loc[g]:loc[g+1]]))
		}
	}
	if at == nil {
		return best, false
	}
	best.At = c.timeOf(c.read + at[0])
	c.read += at[1]
	return best, true
}

// timeOf tells when the byte at offset of text arrived. c.mu is held.
func (c *Console) timeOf(offset int) time.Time {
	var at time.Time
	for _, s := range c.stamps {
		if s.offset > offset {
			break
		}
		at = s.at
	}
	return at
}

// Seen tells when the first text that matches the pattern arrived, wherever
// Expect is.
func (c *Console) Seen(pattern string) (time.Time, bool) {
	re := regexp.MustCompile("(?m)" + pattern)
	c.mu.Lock()
	defer c.mu.Unlock()
	loc := re.FindIndex(c.text)
	if loc == nil {
		return time.Time{}, false
	}
	return c.timeOf(loc[0]), true
}

// Text is all the console said, without terminal escapes.
func (c *Console) Text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.text)
}

// Since is what the console said after the first match of the pattern.
func (c *Console) Since(pattern string) string {
	text := c.Text()
	loc := regexp.MustCompile("(?m)" + pattern).FindStringIndex(text)
	if loc == nil {
		return ""
	}
	return text[loc[1]:]
}

// Send types text.
func (c *Console) Send(text string) error {
	if _, err := io.WriteString(c.in, text); err != nil {
		return fmt.Errorf("type on the console: %w", err)
	}
	return nil
}

// prompt is a shell's, behind which the kernel may have said something.
const prompt = `[#$] (?:\[ *\d+\.\d+\] .*\n)*$`

// kernelSays is a line of the kernel's between those of a command.
var kernelSays = regexp.MustCompile(`(?m)^\[ *\d+\.\d+\] .*\n?`)

// Login waits for a login prompt and logs in.
func (c *Console) Login(ctx context.Context, user, password string) error {
	for _, step := range []struct{ want, send string }{
		{`login: `, user + "\n"},
		{`Password: `, password + "\n"},
		{prompt, ""},
	} {
		if _, err := c.Expect(ctx, step.want); err != nil {
			return err
		}
		if err := c.Send(step.send); err != nil {
			return err
		}
	}
	return nil
}

// Shell types a command at a shell prompt and gives its output and exit status.
func (c *Console) Shell(ctx context.Context, command string) (output string, status string, err error) {
	// The mark is typed in two halves, so that the echo of the command line
	// is not taken for the answer.
	if err := c.Send(command + "; echo rack\"-exit\" $?\n"); err != nil {
		return "", "", err
	}
	m, err := c.Expect(ctx, `(?s)\n(.*?)rack-exit (\d+)\n`)
	if err != nil {
		return "", "", err
	}
	_, err = c.Expect(ctx, prompt)
	return strings.TrimSpace(kernelSays.ReplaceAllString(m.Groups[1], "")), m.Groups[2], err
}

// escape drops terminal escape sequences (ECMA-48 CSI, OSC and two-byte ones)
// and carriage returns from a stream.
type escape int

const (
	plain escape = iota
	introduced
	csi
	osc
	charset
)

func (e *escape) keep(b byte) bool {
	switch *e {
	case introduced:
		switch b {
		case '[':
			*e = csi
		case ']':
			*e = osc
		case '(', ')', '#', '%':
			*e = charset
		default:
			*e = plain
		}
		return false
	case csi:
		if b >= 0x40 && b <= 0x7e {
			*e = plain
		}
		return false
	case osc:
		if b == 0x07 || b == '\\' {
			*e = plain
		}
		return false
	case charset:
		*e = plain
		return false
	}
	if b == 0x1b {
		*e = introduced
		return false
	}
	return b == '\n' || b == '\t' || b >= 0x20 && b != 0x7f
}

// kernelLine is a line of a kernel's log with its own clock, in seconds.
var kernelLine = regexp.MustCompile(`\[ *(\d+\.\d+)\] (Linux version )?`)

// Boots tells when each kernel that spoke on the console started, and the
// release of each. A line of its log may come late (the serial port is set up
// some time after the kernel's clock starts), never early: the line with the
// least delay tells best.
func (c *Console) Boots() (started []time.Time, release []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, loc := range kernelLine.FindAllSubmatchIndex(c.text, -1) {
		var seconds float64
		fmt.Sscanf(string(c.text[loc[2]:loc[3]]), "%g", &seconds)
		at := c.timeOf(loc[0]).Add(-time.Duration(seconds * float64(time.Second)))
		if loc[4] >= 0 {
			started = append(started, at)
			name, _, _ := strings.Cut(string(c.text[loc[5]:min(len(c.text), loc[5]+100)]), " ")
			release = append(release, name)
			continue
		}
		if last := len(started) - 1; last >= 0 && at.Before(started[last]) {
			started[last] = at
		}
	}
	return started, release
}
