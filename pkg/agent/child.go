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
	receipt := make(chan string, 1)
	ended := make(chan end, 1)
	go func() {
		failure := a.follow1(stdout, receipt)
		readers.Wait()
		ended <- end{failure, cmd.Wait()}
	}()
	if name == "orbit" { // burnin, which may leave threads that wait for a dead disk
		select {
		case e := <-ended:
			return a.verdict(ctx, name, e.err, e.failure, words.last)
		case failure := <-receipt:
			select {
			case e := <-ended:
				return a.verdict(ctx, name, e.err, e.failure, words.last)
			case <-time.After(parting):
			}
			cmd.Process.Kill() // should it not be a driver
			a.say("%s has told all, but does not end: a driver hangs (reboot before anything else is done with the disks)", name)
			if failure == "" {
				return nil
			}
			return fmt.Errorf("%s: %s", name, failure)
		}
	}
	e := <-ended
	return a.verdict(ctx, name, e.err, e.failure, words.last)
}

// parting is how long a burn-in that has given its receipt may take to end.
const parting = 5 * time.Second

// end is that of a program: what its last failed step said, and how it ended.
type end struct {
	failure string
	err     error
}

// follow1 reads events, and shows what is not an event as it is. It returns
// the message of the last failed step, which it also sends when a receipt comes.
func (a *agent) follow1(r io.Reader, receipt chan<- string) (failure string) {
	eachLine(r, func(line string) {
		var e api.Event
		if strings.HasPrefix(line, `{"receipt":`) {
			select {
			case receipt <- failure:
			default: // one is enough
			}
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
