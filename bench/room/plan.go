package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/qemu/lab"
)

// check tells whether there is the room for all files.
func (p *plan) check() error {
	if p.size <= 0 || p.big <= 0 || p.rounds < 1 || p.rate <= 0 || p.loss < 0 || p.loss >= 1 {
		return errors.New("sizes, rate and rounds are more than 0, and losses less than all")
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(p.dir, &fs); err != nil {
		return fmt.Errorf("look at %s: %w", p.dir, err)
	}
	free := int64(fs.Bavail) * fs.Bsize
	need := max(int64(1+slices.Max(p.clients))*p.size, 2*p.big)
	// Half, for what is written is in memory, which others need too.
	if need > free/2 {
		return fmt.Errorf("%d MiB are free in %s, and twice %d MiB are needed: take a smaller -size, or fewer -clients", free/mib, p.dir, need/mib)
	}
	return nil
}

// condition is how the network is.
type condition struct {
	Name string
	Rate int64   // of the server's link, bit/s; 0 is no limit
	Loss float64 // of each receiver, by itself
	// Cards has large buffers pass as they are, as between a host and a card
	// that cuts them up and joins them: then the counters see fewer headers.
	Cards bool
}

// measure does all of it.
func (p *plan) measure(ctx context.Context) (*report, error) {
	dir, err := os.MkdirTemp(p.dir, "orbit-room")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	limited := fmt.Sprintf("%d Mbit/s", p.rate/1_000_000)
	r := &report{Rounds: p.rounds}
	for _, w := range p.ways {
		r.Ways = append(r.Ways, w.name+": "+w.what)
	}
	image := filepath.Join(dir, "image")
	if err := fill(image, p.size); err != nil {
		return nil, err
	}
	for _, c := range []condition{
		{Name: limited + ", no losses", Rate: p.rate},
		{Name: fmt.Sprintf("%s, each client loses %g %%", limited, p.loss*100), Rate: p.rate, Loss: p.loss},
	} {
		for _, n := range p.clients {
			if err := p.cells(ctx, r, scene{condition: c, dir: dir, image: image, clients: n}); err != nil {
				return nil, err
			}
		}
	}
	os.Remove(image)
	if err := fill(image, p.big); err != nil {
		return nil, err
	}
	for _, c := range []condition{
		{Name: "no limit, frames cut up by the CPU"},
		{Name: "no limit, frames cut up as by network cards", Cards: true},
	} {
		if err := p.cells(ctx, r, scene{condition: c, dir: dir, image: image, clients: 1}); err != nil {
			return nil, err
		}
	}
	if p.cost {
		if r.Costs, err = costs(ctx, image, p.rounds); err != nil {
			return nil, err
		}
	}
	r.Goals = r.goals()
	return r, nil
}

// fill makes an image of noise.
func fill(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var seed [32]byte
	if _, err := io.CopyN(f, rand.NewChaCha8(seed), size); err != nil {
		return err
	}
	return f.Close()
}

// cells measures all ways in one room, in turn.
func (p *plan) cells(ctx context.Context, r *report, s scene) (err error) {
	s.lab, err = lab.New(lab.Options{Nodes: s.clients, Rate: s.Rate, Offload: s.Cards})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.lab.Close()) }()
	if s.Loss > 0 {
		for _, n := range s.lab.Nodes {
			if err := n.Impair(lab.Impairment{Loss: s.Loss}, lab.Impairment{}); err != nil {
				return err
			}
		}
	}
	info, err := os.Stat(s.image)
	if err != nil {
		return err
	}
	all := make([]*cell, len(p.ways))
	for i, w := range p.ways {
		all[i] = &cell{Condition: s.condition, Way: w.name, Clients: s.clients, Image: info.Size()}
	}
	for n := range p.rounds {
		for i := range p.ways {
			i := (i + n) % len(p.ways) // who is first changes
			if w := p.ways[i]; w.loss && s.Loss == 0 || w.slow && !p.long && s.clients > 4 && (len(all[i].Rounds) > 0 || s.Loss > 0) {
				continue
			}
			note("%s, %d clients, round %d: %s", s.Name, s.clients, n+1, p.ways[i].name)
			one, err := s.round(ctx, p.ways[i])
			if err != nil {
				return fmt.Errorf("%s, %s, %d clients: %w", p.ways[i].name, s.Name, s.clients, err)
			}
			all[i].Rounds = append(all[i].Rounds, one)
		}
	}
	for _, c := range all {
		if len(c.Rounds) > 0 {
			r.Cells = append(r.Cells, c)
		}
	}
	return nil
}

// note tells who waits what is going on.
func note(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
