package burnin

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/api"
)

// kinds is how many different units of work there are.
const kinds = 64

// processors has each processor do the same work, of which it holds what it comes
// to against what is known, and against the others.
func (r *run) processors(ctx context.Context, t *trial) ([]finding, string) {
	f := finding{id: api.CPUTest}
	cpus, err := online()
	if err != nil {
		f.err = err
		return []finding{f}, ""
	}
	began := time.Now()
	var done atomic.Int64
	var wait sync.WaitGroup
	v := votes{r: r, step: t.step}
	for _, cpu := range cpus {
		wait.Go(func() {
			// The thread is bound to one processor, and is never used for anything else:
			// it ends with this goroutine.
			runtime.LockOSThread()
			var one unix.CPUSet
			one.Set(cpu)
			if err := unix.SchedSetaffinity(0, &one); err != nil {
				v.fail(fmt.Errorf("run on cpu %d: %w", cpu, err))
				return
			}
			u := new(unit)
			for n := uint64(0); n == 0 || ctx.Err() == nil && time.Now().Before(t.until) && r.more(int(n/kinds)); n++ {
				number := n % kinds
				if n%8 == 0 {
					number = 0
				}
				sum := u.do(number)
				if r.seams.sum != nil {
					sum = r.seams.sum(cpu, number, sum)
				}
				v.cast(cpu, number, sum)
				t.meter.add(unitSize)
				done.Add(1)
			}
		})
	}
	wait.Wait()
	f.bytes, f.took, f.passes = t.meter.bytes.Load(), time.Since(began), int(done.Load())
	f.err = v.verdict()
	return []finding{f}, fmt.Sprintf("%d processors did %d units of work alike", len(cpus), f.passes)
}

// online are the processors that this program may run on.
func online() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("ask which processors there are: %w", err)
	}
	var list []int
	for cpu := 0; len(list) < set.Count(); cpu++ {
		if set.IsSet(cpu) {
			list = append(list, cpu)
		}
	}
	return list, nil
}
