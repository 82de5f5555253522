package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"time"
)

// Cast is a transfer by udp-sender(1) and udp-receiver(1), to compare with.
type Cast struct {
	File  string               // what the server sends
	Out   func(n *Node) string // the file that a node writes
	Nodes []*Node              // all are waited for
	Port  int                  // even; it and the next are used. 0 = 9000

	// Sender has more options of udp-sender, e.g. --max-bitrate 180m.
	Sender []string
}

// CastReport is what a transfer took.
type CastReport struct {
	// Elapsed is from the first data to the last receiver's end: the second
	// before, in which the programs find each other, is not in it.
	Elapsed   time.Duration
	Sender    Usage
	Receivers []Usage // in the order of the nodes
}

// ErrNoUDPCast is the cause when the programs are not installed.
var ErrNoUDPCast = errors.New("udp-sender or udp-receiver is not installed")

// Cast runs the transfer to its end, which is that of the slowest receiver, or
// the first failure. The programs may wait for each other for ever, so the
// context should have an end.
func (l *Lab) Cast(ctx context.Context, c Cast) (CastReport, error) {
	for _, tool := range []string{"udp-sender", "udp-receiver"} {
		if _, err := exec.LookPath(tool); err != nil {
			return CastReport{}, fmt.Errorf("%w: %w", ErrNoUDPCast, err)
		}
	}
	if c.Port == 0 {
		c.Port = 9000
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r := castRun{ended: make(chan error), common: []string{"--interface", Interface, "--portbase", strconv.Itoa(c.Port), "--nokbd", "--no-progress"}}
	var err error
	for _, n := range c.Nodes {
		// A receiver lingers half a second by default in case its last
		// answer is lost; the sender asks often enough to do with less.
		if err == nil {
			err = r.start(ctx, n.Host, "udp-receiver", "--file", c.Out(n), "--exit-wait", "50")
		}
	}
	if err == nil {
		// A receiver that misses the answer to its call hears no data either.
		// So the sender calls often, for a second after the first has come.
		err = r.start(ctx, l.Server, "udp-sender", append([]string{"--file", c.File, "--full-duplex",
			"--min-receivers", strconv.Itoa(len(c.Nodes)), "--min-wait", "1", "--rexmit-hello-interval", "100"}, c.Sender...)...)
	}
	if err != nil {
		stop()
	}
	for range r.all {
		ended := <-r.ended
		if ended != nil && err == nil {
			stop() // the others would wait for ever
		}
		err = errors.Join(err, ended)
	}
	finished := time.Now()
	if err != nil {
		return CastReport{}, err
	}
	var report CastReport
	for _, p := range r.all[:len(c.Nodes)] {
		report.Receivers = append(report.Receivers, p.Usage())
	}
	sender := r.all[len(c.Nodes)]
	report.Sender = sender.Usage()
	if sender.log.began.IsZero() {
		return report, fmt.Errorf("run udp-sender: it did not say when it began: %s", bytes.TrimSpace(sender.log.said.Bytes()))
	}
	report.Elapsed = finished.Sub(sender.log.began)
	return report, nil
}

// castRun are the programs of one transfer.
type castRun struct {
	common []string
	all    []castProcess
	ended  chan error // one from each
}

type castProcess struct {
	*Process
	log *castLog
}

// castLog keeps what a program says and notes when the transfer begins.
type castLog struct {
	said  bytes.Buffer // not embedded: its ReadFrom would pass Write by
	began time.Time
}

func (l *castLog) Write(p []byte) (int, error) {
	n, err := l.said.Write(p)
	if l.began.IsZero() && bytes.Contains(l.said.Bytes(), []byte("Starting transfer")) {
		l.began = time.Now()
	}
	return n, err
}

func (r *castRun) start(ctx context.Context, h *Host, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, append(args, r.common...)...)
	log := &castLog{}
	cmd.Stderr = log
	p, err := h.Start(cmd)
	if err != nil {
		return err
	}
	r.all = append(r.all, castProcess{p, log})
	go func() {
		err := p.Wait()
		if err != nil {
			err = fmt.Errorf("run %s on %s: %w: %s", name, h.Name, err, bytes.TrimSpace(log.said.Bytes()))
		}
		r.ended <- err
	}()
	return nil
}
