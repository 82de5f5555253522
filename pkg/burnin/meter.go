package burnin

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// meter counts the bytes that a test has done.
type meter struct{ bytes atomic.Int64 }

func (m *meter) add(n int) { m.bytes.Add(int64(n)) }

// report calls tell about twice a second, until stop is called.
func (m *meter) report(tell func(bytes int64)) (stop func()) {
	quit := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				tell(m.bytes.Load())
			}
		}
	})
	return func() { close(quit); wait.Wait() }
}

// faults collects what is wrong: how often, and the first few in words.
type faults struct {
	mu    sync.Mutex
	n     int64
	first []string
	tell  func(string) // of the first one at once
}

// shown is how many faults are told of one by one.
const shown = 4

// add notes a fault. words is only asked for the first ones.
func (f *faults) add(words func() string) {
	f.mu.Lock()
	f.n++
	var text string
	if len(f.first) < shown {
		text = words()
		f.first = append(f.first, text)
	}
	told := f.n > 1
	f.mu.Unlock()
	if !told && f.tell != nil {
		f.tell(text)
	}
}

func (f *faults) count() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n
}

// verdict is nil where there are none.
func (f *faults) verdict(what string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n == 0 {
		return nil
	}
	more := ""
	if f.n > int64(len(f.first)) {
		more = ", ..."
	}
	return fmt.Errorf("%d %s: %s%s", f.n, what, strings.Join(f.first, ", "), more)
}
