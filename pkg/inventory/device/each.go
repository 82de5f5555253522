package device

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

// workers is how many read files at a time. Some files make the kernel ask the
// device, but most cost only CPU time, and other collectors want some too.
const workers = 4

// each does something for every number below n, several at a time, and returns
// when all are done. Once ctx ends no more are begun.
func each(ctx context.Context, n int, do func(int)) (err error) {
	next := make(chan int)
	var wg sync.WaitGroup
	var fault atomic.Value
	one := func(i int) {
		defer func() {
			if p := recover(); p != nil { // one device that lies must not take the others with it
				fault.Store(fmt.Errorf("internal error: %v", p))
			}
		}()
		do(i)
	}
	for range min(n, workers) {
		wg.Go(func() {
			for i := range next {
				one(i)
			}
		})
	}
	defer func() {
		close(next)
		wg.Wait()
		if e, ok := fault.Load().(error); ok {
			err = e
		}
	}()
	for i := range n {
		select {
		case next <- i:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
