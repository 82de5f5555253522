package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/peterh/liner"
	"golang.org/x/sys/unix"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// interact runs what is typed on a terminal until `exit` or Ctrl-D.
func interact(ctx context.Context, runner *interp.Runner, stdin *os.File, stdout io.Writer) error {
	runner.Reset()
	interrupts := make(chan os.Signal, 1)
	// Ctrl-C goes to the shell and to what it runs alike. Caught rather than
	// ignored, so that what it runs starts with the default again.
	signal.Notify(interrupts, os.Interrupt)
	defer signal.Stop(interrupts)

	lines := newLines(runner)
	defer lines.Close()
	var err error
	for !runner.Exited() {
		stmts, readErr := read(lines, runner.Dir)
		switch {
		case errors.Is(readErr, io.EOF):
			fmt.Fprintln(stdout)
			return err
		case errors.Is(readErr, liner.ErrPromptAborted):
			continue
		case readErr != nil:
			fmt.Fprintln(stdout, readErr)
			var syntaxErr syntax.ParseError
			if !errors.As(readErr, &syntaxErr) {
				return readErr // the terminal is gone
			}
			continue
		}
		err = foreground(ctx, runner, stmts, interrupts, stdout)
	}
	return err
}

// foreground runs the statements of a line and stops them at Ctrl-C. What
// they left running in the background keeps its context.
func foreground(ctx context.Context, runner *interp.Runner, stmts []*syntax.Stmt, interrupts <-chan os.Signal, stdout io.Writer) error {
	select {
	case <-interrupts: // of the time before
	default:
	}
	ctx, cancel := context.WithCancel(ctx)
	done, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-interrupts:
			cancel()
		case <-done:
		}
	}()
	var err error
	for _, s := range stmts {
		err = runner.Run(ctx, s)
		if ctx.Err() != nil {
			err = interp.NewExitStatus(128 + uint8(syscall.SIGINT))
			break
		}
		if runner.Exited() {
			break
		}
		if _, ok := interp.IsExitStatus(err); err != nil && !ok {
			fmt.Fprintln(stdout, err)
		}
	}
	close(done)
	<-watched
	return err
}

// read asks for lines until they are whole statements.
func read(l *lines, dir string) ([]*syntax.Stmt, error) {
	text, prompt := "", dir+" $ "
	for {
		line, err := l.Prompt(prompt)
		if err != nil {
			return nil, err
		}
		text += line + "\n"
		file, err := syntax.NewParser().Parse(strings.NewReader(text), "")
		if syntax.IsIncomplete(err) {
			prompt = "> "
			continue
		}
		l.Remember(strings.TrimSuffix(text, "\n"))
		if err != nil {
			return nil, err
		}
		return file.Stmts, nil
	}
}

// lines reads lines from the terminal with an editor, or without one where
// the terminal can't move its cursor.
type lines struct {
	editor      *liner.State
	raw, cooked liner.ModeApplier
}

// newLines starts the editor. It sets the terminal to raw mode, which is only
// right while a line is edited.
func newLines(runner *interp.Runner) *lines {
	l := &lines{}
	prepare(os.Stdin)
	if cooked, err := liner.TerminalMode(); err == nil {
		l.cooked = cooked
	}
	l.editor = liner.NewLiner()
	// While a line is edited Ctrl-C is a character. The editor says so to the
	// terminal too, but only after it has shown the prompt.
	setLocalMode(os.Stdin, unix.ISIG, false)
	if raw, err := liner.TerminalMode(); err == nil {
		l.raw = raw
	}
	l.editor.SetCtrlCAborts(true)
	l.editor.SetTabCompletionStyle(liner.TabPrints)
	l.editor.SetWordCompleter(completer(runner))
	if f, err := os.Open(historyFile()); err == nil {
		l.editor.ReadHistory(f) // a damaged history is no reason not to start
		f.Close()
	}
	l.apply(l.cooked)
	return l
}

// prepare sets what the editor needs of a terminal.
//
// A serial line knows no size, and the editor does nothing on a line of no
// columns, so it gets the usual size. And Ctrl-C must not throw away what is
// about to be printed (NOFLSH): the prompt that follows would get lost.
func prepare(tty *os.File) {
	fd := int(tty.Fd())
	if size, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ); err == nil && size.Col == 0 {
		unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80})
	}
	setLocalMode(tty, unix.NOFLSH, true)
}

// setLocalMode switches flags of termios(3)'s c_lflag.
func setLocalMode(tty *os.File, flags uint32, on bool) {
	mode, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		return // no terminal, or one that is gone: reading will say so
	}
	mode.Lflag &^= flags
	if on {
		mode.Lflag |= flags
	}
	unix.IoctlSetTermios(int(tty.Fd()), unix.TCSETS, mode)
}

func (l *lines) apply(m liner.ModeApplier) {
	if m != nil {
		m.ApplyMode() // fails on a terminal that is gone; reading will say so
	}
}

// Prompt asks for one line.
func (l *lines) Prompt(prompt string) (string, error) {
	l.apply(l.raw)
	defer l.apply(l.cooked)
	return l.editor.Prompt(prompt)
}

// Remember adds to the history, which shells after this one read too.
func (l *lines) Remember(text string) {
	if strings.TrimSpace(text) == "" || strings.Contains(text, "\n") {
		return
	}
	l.editor.AppendHistory(text)
	if f, err := os.OpenFile(historyFile(), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600); err == nil {
		l.editor.WriteHistory(f)
		f.Close()
	}
}

// Close gives the terminal back as it was.
func (l *lines) Close() { l.editor.Close() }

func historyFile() string { return filepath.Join(os.TempDir(), "shell.history") }
