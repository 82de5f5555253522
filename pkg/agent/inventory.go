package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// lldpPeriod is for how long the node listens for the switches at its cables,
// which speak up every 30 s (IEEE 802.1AB, 9.2.5).
const lldpPeriod = "31s"

// patience is for one description, which bounds itself: the longest takes
// lldpPeriod and some seconds.
const patience = time.Minute

// maxInventory is what the head takes, bytes.
const maxInventory = 1 << 20

// surveyor tells the head what the node is made of, beside whatever the agent
// does: nothing waits for it.
type surveyor struct {
	head  *head
	log   *slog.Logger
	retry time.Duration // first pause before the head is asked again
	stop  context.CancelFunc
	done  sync.WaitGroup
}

// survey starts to describe the machine: all of it at once, and which switches
// its cables lead to when those have spoken.
func (a *agent) survey(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	s := &surveyor{head: a.head, log: a.Log, retry: a.Retry, stop: cancel}
	a.surveyor = s
	s.done.Go(func() {
		for _, args := range [][]string{
			{"--json", "--announce"}, {"--json", "--announce", "--only", "nics", "--lldp", lldpPeriod},
		} {
			if err := s.send(ctx, args...); err != nil {
				if ctx.Err() == nil {
					s.log.Warn("the head does not have this node's inventory", "err", err)
				}
				return
			}
		}
	})
}

// close gives up what is under way.
func (s *surveyor) close() {
	s.stop()
	s.done.Wait()
}

// send describes the machine and tells the head, however often that takes.
func (s *surveyor) send(ctx context.Context, args ...string) error {
	document, err := describe(ctx, args...)
	if err != nil {
		return err
	}
	for pause := s.retry; ; pause = min(2*pause, 15*time.Second) {
		err := s.head.inventory(ctx, document)
		if err == nil || permanent(err) || ctx.Err() != nil || ancient(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// resurvey tells the head what the machine is made of now.
func (a *agent) resurvey(ctx context.Context) error {
	if a.surveyor == nil {
		return nil
	}
	err := a.surveyor.send(ctx, "--json")
	if ancient(err) {
		a.say("the head keeps no inventories")
		return nil
	}
	return err
}

// ancient tells that the head is one of before there were inventories.
func ancient(err error) bool {
	var r *refusal
	return errors.As(err, &r) && r.status == 404
}

// describe runs inventory, so that what this node says by itself is what a
// person gets who types it there. It returns when the document is there: a program
// of which a thread waits for a disk that does not answer is not over before that
// is, not even by SIGKILL.
func describe(ctx context.Context, args ...string) ([]byte, error) {
	path, err := exec.LookPath("inventory")
	if err != nil {
		return nil, fmt.Errorf("run inventory: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("it has said nothing for %v", patience))
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Args[0] = "inventory" // one binary is many programs: the name says which
	cmd.Env = append(os.Environ(), "GOMEMLIMIT="+memoryLimit())
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.WaitDelay = 3 * time.Second
	said := &document{whole: make(chan struct{})}
	var words bounded
	cmd.Stdout, cmd.Stderr = said, &words
	over := make(chan error, 1)
	go func() { // which is left behind with a program that is
		defer cancel()
		over <- cmd.Run()
	}()
	select {
	case <-said.whole:
		return said.compact()
	case err = <-over:
	case <-ctx.Done():
		select {
		case err = <-over:
		case <-time.After(cmd.WaitDelay + time.Second):
			return nil, fmt.Errorf("inventory: %w (a driver hangs?)", context.Cause(ctx))
		}
	}
	select {
	case <-said.whole: // just now
		return said.compact()
	default:
	}
	switch {
	case err == nil && len(said.text) == maxInventory:
		err = fmt.Errorf("what it says is longer than %d bytes", maxInventory)
	case err == nil:
		err = errors.New("what it says is no JSON")
	}
	return nil, fmt.Errorf("inventory: %w: %s", err, strings.TrimSpace(string(words)))
}

// document is JSON that comes in pieces. whole is closed when all of it is there;
// nothing is added then, and text may be read.
type document struct {
	text  bounded
	whole chan struct{}
	over  bool
}

// compact is the document without white space, which is a quarter of it.
func (d *document) compact() ([]byte, error) {
	var b bytes.Buffer
	err := json.Compact(&b, d.text)
	return b.Bytes(), err
}

func (d *document) Write(p []byte) (int, error) {
	if d.over {
		return len(p), nil
	}
	d.text.Write(p)
	if bytes.HasSuffix(bytes.TrimRight(d.text, "\n"), []byte("}")) && json.Valid(d.text) {
		d.over = true
		close(d.whole)
	}
	return len(p), nil
}

// bounded keeps the beginning of what is written to it.
type bounded []byte

func (b *bounded) Write(p []byte) (int, error) {
	*b = append(*b, p[:min(len(p), maxInventory-len(*b))]...)
	return len(p), nil
}
