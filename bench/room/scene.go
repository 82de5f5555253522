package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/orbit-pxe/orbit/qemu/lab"
	"github.com/orbit-pxe/orbit/qemu/room"
)

// scene is a room that is there.
type scene struct {
	condition
	lab     *lab.Lab
	dir     string
	image   string
	clients int
	idle    float64   // of the last transfer
	start   time.Time // of it
}

// round is one transfer to all.
type round struct {
	Elapsed    time.Duration // until the last client has ended, by multicast from when all are there
	Sent       uint64        // bytes, by the server, with Ethernet headers
	Blocks     uint64        // bytes of file data in that, by multicast
	Server     time.Duration // CPU
	Client     time.Duration // CPU of a client, on the average
	ServerPeak int64         // bytes of memory; 0 is not known
	Idle       float64       // share of the machine's CPU time, 0 to 1: at 0 it is the limit; -1 is not known
}

// tooLong is when a transfer has failed.
const tooLong = 5 * time.Minute

// round has all clients take the image once, and looks whether they have.
func (s *scene) round(ctx context.Context, w way) (round, error) {
	ctx, stop := context.WithTimeout(ctx, tooLong)
	defer stop()
	before, err := s.lab.Report()
	if err != nil {
		return round{}, err
	}
	r, err := w.run(ctx, s)
	if err != nil {
		return r, err
	}
	after, err := s.lab.Report()
	if err != nil {
		return r, err
	}
	d := after.Since(before)
	r.Sent, r.Server = d.Server.Sent.Bytes, d.Server.Usage.CPU()
	for _, n := range d.Nodes {
		r.Client += n.Usage.CPU() / time.Duration(len(d.Nodes))
	}
	for _, n := range s.lab.Nodes {
		if err := same(s.image, s.out(n)); err != nil {
			return r, err
		}
		if err := os.Remove(s.out(n)); err != nil {
			return r, err
		}
	}
	return r, nil
}

// out is what a client writes.
func (s *scene) out(n *lab.Node) string { return filepath.Join(s.dir, n.Name) }

// all starts a role on each node and, when all are ready, lets them go. The time
// is until the last has ended.
func (s *scene) all(ctx context.Context, role func(*lab.Node) room.Role) (time.Duration, error) {
	s.idle = 0
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var all []*room.Process
	defer func() {
		stop()
		for _, p := range all {
			<-p.Ended()
		}
	}()
	for _, n := range s.lab.Nodes {
		p, err := room.Start(ctx, n.Host, role(n))
		if err != nil {
			return 0, err
		}
		all = append(all, p)
	}
	for _, p := range all {
		if err := p.Ready(); err != nil {
			return 0, err
		}
	}
	before, err := readTicks()
	if err != nil {
		return 0, err
	}
	s.start = time.Now()
	for _, p := range all {
		if err := p.Go(); err != nil {
			return 0, err
		}
	}
	for _, p := range all {
		<-p.Ended()
	}
	elapsed := time.Since(s.start)
	after, err := readTicks()
	if err != nil {
		return 0, err
	}
	s.idle = after.since(before)
	for _, p := range all {
		if err := p.Wait(nil); err != nil {
			return 0, err
		}
	}
	return elapsed, nil
}

// same compares files.
func same(a, b string) error {
	f, err := os.Open(a)
	if err != nil {
		return err
	}
	defer f.Close()
	g, err := os.Open(b)
	if err != nil {
		return err
	}
	defer g.Close()
	x, y := make([]byte, mib), make([]byte, mib)
	for {
		n, err := io.ReadFull(f, x)
		m, other := io.ReadFull(g, y)
		if !bytes.Equal(x[:n], y[:m]) || err != other {
			return fmt.Errorf("%s is not the image", b)
		}
		if err != nil {
			if err == io.EOF || err == io.ErrUnexpectedEOF {
				return nil
			}
			return err
		}
	}
}
