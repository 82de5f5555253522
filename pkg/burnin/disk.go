package burnin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/blockdev"
	"github.com/orbit-pxe/orbit/pkg/hardware"
)

const (
	depth   = 4         // transfers of one disk under way
	chunk   = 1 << 20   // bytes of one in order
	small   = 64 << 10  // bytes of one at random
	buffers = 128 << 20 // bytes of all buffers of all disks
	enough  = 32        // faults, after which a disk is left alone
)

// grace is how long a disk may take beyond its time, which is what its driver
// takes to give up.
const grace = 90 * time.Second

// stopping is how long it may take when everything is stopped.
const stopping = 10 * time.Second

// disks reads from all disks at once, all over them and at random, and writes to
// those that were named.
func (r *run) disks(ctx context.Context, t *trial) ([]finding, string) {
	if len(r.plan.disks) == 0 {
		r.note(t.step, "there are no disks")
		return nil, "no disks"
	}
	for _, n := range r.plan.notes {
		r.note(t.step, n)
	}
	before := r.health(ctx)
	size := chunk
	for size > small && 2*size*depth*len(r.plan.disks) > buffers {
		size /= 2
	}
	all := make([]*exercise, len(r.plan.disks))
	ended := make(chan int, len(all))
	for i, d := range r.plan.disks {
		if h := before.of(d.path); h != nil {
			d.id = h.ID
		}
		x := &exercise{run: r, trial: t, target: d, size: size, began: time.Now()}
		x.faults.tell = func(s string) {
			if !x.left.Load() {
				r.warn(t.step, d.path+": "+s)
			}
		}
		all[i] = x
		go func() {
			x.all(ctx)
			ended <- i
		}()
	}
	found := r.await(ctx, all, ended, time.Until(t.until)+grace)
	after := r.health(ctx)
	for i := range found {
		if err := worse(before.of(r.plan.disks[i].path), after.of(r.plan.disks[i].path)); err != nil {
			found[i].err = errors.Join(found[i].err, err)
		}
	}
	return found, fmt.Sprintf("%d disks", len(found))
}

// await gives what is found on the disks. One that does not answer is left behind,
// and whoever waits for it.
func (r *run) await(ctx context.Context, all []*exercise, ended <-chan int, patience time.Duration) []finding {
	over := time.NewTimer(patience)
	defer over.Stop()
	defer context.AfterFunc(ctx, func() { over.Reset(stopping) })()
	found, waiting := make([]finding, len(all)), len(all)
	for waiting > 0 {
		select {
		case i := <-ended:
			found[i] = all[i].finding()
			waiting--
			continue
		case <-over.C:
		}
		break
	}
	for i, x := range all {
		if found[i].id == "" {
			x.left.Store(true)
			x.hung = true
			found[i] = finding{id: "disk " + x.id, writes: x.write, err: fmt.Errorf("it does not answer: its time was over %v ago", grace)}
		}
	}
	return found
}

// health is what disks say of themselves, by name.
type health []hardware.Disk

func (r *run) health(ctx context.Context) health {
	if r.Health == nil {
		return nil
	}
	all, err := r.Health(ctx)
	if err != nil {
		r.note(api.DiskStep, "ask the disks for their health: "+strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return all
}

func (h health) of(path string) *hardware.Disk {
	for i := range h {
		if h[i].Name == filepath.Base(path) {
			return &h[i]
		}
	}
	return nil
}

// worse tells which errors a disk has counted meanwhile.
func worse(before, after *hardware.Disk) error {
	if before == nil || after == nil || before.Readings == nil || after.Readings == nil {
		return nil
	}
	b, a := before.Readings, after.Readings
	var words []string
	for _, c := range []struct {
		before, after *int64
		what          string
	}{
		{b.MediaErrors, a.MediaErrors, "media errors"},
		{b.Reallocated, a.Reallocated, "reallocated sectors"},
		{b.Pending, a.Pending, "pending sectors"},
		{b.Uncorrectable, a.Uncorrectable, "uncorrectable sectors"},
		{b.CRCErrors, a.CRCErrors, "transfer errors (its cable?)"},
	} {
		if c.before != nil && c.after != nil && *c.after > *c.before {
			words = append(words, fmt.Sprintf("%d %s", *c.after-*c.before, c.what))
		}
	}
	if b.Healthy != nil && a.Healthy != nil && *b.Healthy && !*a.Healthy {
		words = append(words, "that it is about to fail")
	}
	if len(words) == 0 {
		return nil
	}
	return fmt.Errorf("the disk counted %s", strings.Join(words, ", "))
}

// exercise is one disk under test.
type exercise struct {
	*run
	*trial
	*target
	size   int // bytes of a transfer in order
	began  time.Time
	took   time.Duration
	bytes  atomic.Int64
	rate   float64 // bytes/s
	passes int
	left   atomic.Bool // nobody waits for it any more
	faults faults
	err    error
}

func (x *exercise) all(ctx context.Context) {
	switch {
	case x.bad != nil:
		x.err = x.bad
	case x.write:
		x.err = x.rewrite(ctx)
	default:
		// Two thirds of the time in order: that is what tells the rate.
		x.inOrder(ctx, x.until.Add(-time.Until(x.until)/3))
		x.rate = float64(x.bytes.Load()) / time.Since(x.began).Seconds()
		x.atRandom(ctx)
	}
	x.took = time.Since(x.began)
}

func (x *exercise) finding() finding {
	return finding{
		id: "disk " + x.id, bytes: x.bytes.Load(), passes: x.passes, rate: x.rate, took: x.took, writes: x.write,
		err: errors.Join(x.err, x.faults.verdict("faults")),
	}
}

// each has depth goroutines do something with one chunk after the other, until
// there are no more, time is over, or the disk is found to be bad. do gets a buffer
// of its own.
func (x *exercise) each(ctx context.Context, until time.Time, size int, n int64, do func(i int64, buf []byte)) (done int64) {
	var next atomic.Int64
	var wait sync.WaitGroup
	for range depth {
		wait.Go(func() {
			buf := blockdev.AllocAligned(2 * size)
			defer blockdev.FreeAligned(buf)
			for ctx.Err() == nil && time.Now().Before(until) && x.faults.count() < enough {
				i := next.Add(1) - 1
				if i >= n {
					return
				}
				do(i, buf)
			}
		})
	}
	wait.Wait()
	return min(next.Load(), n)
}

// read reads all of p, and tells whether that went well.
func (x *exercise) read(p []byte, off int64) bool {
	n, err := x.ReadAt(p, off)
	x.bytes.Add(int64(n))
	x.meter.add(n)
	if n == len(p) {
		return true
	}
	x.faults.add(func() string { return fmt.Sprint(err) })
	return false
}

// inOrder reads all of the disk, again and again.
func (x *exercise) inOrder(ctx context.Context, until time.Time) {
	size := int64(x.size)
	chunks := (x.Size() + size - 1) / size
	for chunks > 0 && x.more(x.passes) {
		done := x.each(ctx, until, x.size, chunks, func(i int64, buf []byte) {
			x.read(buf[:min(size, x.Size()-i*size)], i*size)
		})
		if done < chunks {
			return
		}
		x.passes++
	}
}

// atRandom reads here and there, twice what nobody else may change meanwhile: it
// must be the same.
func (x *exercise) atRandom(ctx context.Context) {
	places := x.Size() / small
	if places == 0 {
		return
	}
	n := int64(1 << 62)
	if x.seams.rounds > 0 {
		n = 100 * int64(x.seams.rounds)
	}
	x.each(ctx, x.until, small, n, func(i int64, buf []byte) {
		off := rand.New(rand.NewPCG(x.Seed, uint64(i))).Int64N(places) * small
		a, b := buf[:small], buf[small:2*small]
		if x.read(a, off) && !x.busy && x.read(b, off) && !bytes.Equal(a, b) {
			x.faults.add(func() string { return fmt.Sprintf("%d bytes at %d are different when read again", small, off) })
		}
	})
}
