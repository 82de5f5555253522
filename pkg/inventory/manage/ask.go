package manage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// ask runs a conversation with a device in a goroutine of its own, which is left
// behind if the device stops answering: a read from a driver can't be called
// back. What it told before then counts.
func ask[T any](ctx context.Context, device string, talk func(ctx context.Context, tell func(T)) error) (last T, err error) {
	ctx, cancel := sooner(ctx)
	defer cancel()
	type word struct {
		found T
		end   bool
		err   error
	}
	words := make(chan word, 8) // more than any conversation tells: the one left behind must not wait
	go func() {
		var err error
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("internal error: %v", p)
			}
			words <- word{end: true, err: err}
		}()
		err = talk(ctx, func(found T) { words <- word{found: found} })
	}()
	for {
		select {
		case w := <-words:
			if w.end {
				return last, w.err
			}
			last = w.found
		case <-ctx.Done():
			return last, fmt.Errorf("%s stopped answering (it may be busy: try again; or hung: cut the machine's power)", device)
		}
	}
}

// sooner ends an eighth before ctx, so that there is time left to tell what was
// found.
func sooner(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(end)*7/8)
}

// opened puts the reason in words why a device could not be opened.
func opened(path string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("open %s: only root may", path)
	}
	return fmt.Errorf("open %s: %w", path, err)
}
