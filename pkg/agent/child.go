package agent

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/api"
)

// refused is the exit status of imagenode and savenode that says: nothing was
// changed.
const refused = 3

// child runs a program, follows its events, and returns why it failed in its
// own words.
func (a *agent) child(ctx context.Context, name string, args ...string) error {
	path, err := exec.LookPath(name)
	if err != nil {
		return fmt.Errorf("run %s: %w", name, err)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Args[0] = name // one binary is many programs: the name says which
	cmd.Env = append(os.Environ(), "GOMEMLIMIT="+memoryLimit())
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	a.Log.Info("run", "program", name, "args", args)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run %s: %w", name, err)
	}
	var words lastWords
	var readers sync.WaitGroup
	readers.Go(func() { words.read(stderr, func(line string) { a.say("%s", line) }) })
	failure := a.follow1(stdout)
	readers.Wait()
	return a.verdict(ctx, name, cmd.Wait(), failure, words.last)
}

// follow1 reads events, and shows what is not an event as it is. It returns
// the message of the last failed step.
func (a *agent) follow1(r io.Reader) (failure string) {
	eachLine(r, func(line string) {
		var e api.Event
		if strings.HasPrefix(line, `{"receipt":`) {
			return // the events have told it
		}
		if json.Unmarshal([]byte(line), &e) != nil || e.Step == "" {
			a.say("%s", line)
			return
		}
		if e.State == api.Failed && e.Message != "" {
			failure = e.Message
		}
		a.sink(e)
	})
	return failure
}

// verdict puts the end of a child into words.
func (a *agent) verdict(ctx context.Context, name string, err error, failure, lastWords string) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	reason := failure
	if reason == "" {
		reason = strings.TrimPrefix(lastWords, name+": ")
	}
	var exit *exec.ExitError
	switch {
	case !errors.As(err, &exit):
		return fmt.Errorf("%s: %w", name, err)
	case exit.ExitCode() == refused:
		return fmt.Errorf("%s refused, the disk is unchanged: %s", name, reason)
	case exit.ExitCode() < 0:
		return fmt.Errorf("%s ended by %v (out of memory? see dmesg): %s", name, exit.ProcessState, reason)
	case reason == "":
		return fmt.Errorf("%s ended with %v and no word why", name, exit.ProcessState)
	}
	return fmt.Errorf("%s: %s", name, reason)
}

// lastWords is what a program said on standard error at the end.
type lastWords struct{ last string }

func (w *lastWords) read(r io.Reader, show func(string)) {
	eachLine(r, func(line string) {
		if strings.TrimSpace(line) != "" {
			w.last = line
			show(line)
		}
	})
}

// eachLine calls f for every line; one that is absurdly long comes in pieces.
func eachLine(r io.Reader, f func(string)) {
	b := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := b.ReadSlice('\n')
		if s := strings.TrimRight(string(line), "\r\n"); s != "" {
			f(s)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}
