package multicast

import (
	"context"
	"errors"
	"os"
	"time"
)

// wait has call made until it reports that the socket did not hold it up, or
// until the deadline (none if zero), or until ctx is done.
func (c *Conn) wait(ctx context.Context, until time.Time, send bool, call func(uintptr) bool) error {
	set, block := c.file.SetReadDeadline, c.raw.Read
	if send {
		set, block = c.file.SetWriteDeadline, c.raw.Write
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := set(until); err != nil {
			return closed(err)
		}
		// Only now, or the deadline above would undo the one below.
		stop := context.AfterFunc(ctx, func() { set(time.Unix(1, 0)) })
		err := block(call)
		stop()
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return closed(err)
		}
		// It may also be the end of an earlier call's context, come late.
		if ctx.Err() == nil && past(until) {
			return os.ErrDeadlineExceeded
		}
	}
}

func past(until time.Time) bool { return !until.IsZero() && !time.Now().Before(until) }

// closed gives the runtime's error of a call on a file that is closed the name
// that callers know.
func closed(err error) error {
	if err != nil {
		return os.ErrClosed
	}
	return nil
}
