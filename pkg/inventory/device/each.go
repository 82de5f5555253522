package device

import (
	"context"
	"sync"
)

// workers is how many read files at a time. Some files make the kernel ask the
// device, but most cost only CPU time, and other collectors want some too.
const workers = 4

// each does something for every number below n, several at a time, and returns
// when all are done. Once ctx ends no more are begun.
func each(ctx context.Context, n int, do func(int)) error {
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(n, workers) {
		wg.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	defer wg.Wait()
	defer close(next)
	for i := range n {
		select {
		case next <- i:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
