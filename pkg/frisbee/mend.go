package frisbee

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/frisbee/receive"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

const (
	// near is how far apart ranges are that are fetched at once, and longest is
	// what is fetched at once at most, bytes.
	near    = 64 << 10
	longest = 16 << 20
	// mendTries in a row may fail. The first wait between them is mendPause, and
	// each is twice the one before.
	mendTries = 5
	mendPause = time.Second
	// badTries are the copies of a chunk that may be bad.
	badTries = 5
	// flows are the blocks that must come by multicast to trust it again.
	flows = 256
)

// mend fetches what is missing by other means, whenever it is needed.
func (c *Client) mend(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.needed:
		}
		if err := c.mendAll(ctx); err != nil {
			return err
		}
	}
}

// mendAll fetches until nothing is missing, or multicast works again.
func (c *Client) mendAll(ctx context.Context) error {
	before, missing := c.progress()
	if len(missing) > 0 {
		level := slog.LevelWarn
		if c.mended {
			level = slog.LevelDebug // said once
		}
		c.mended = true
		c.o.Log.Log(ctx, level, "fetching what multicast does not bring", "ranges", len(missing))
	}
	for pause, tries := mendPause, 0; len(missing) > 0; _, missing = c.progress() {
		var came int64
		var err error
		for _, r := range join(missing) {
			var n int64
			n, err = c.fetch(ctx, r)
			came += n
			if err != nil || c.works(before) {
				break
			}
		}
		if ctx.Err() != nil || c.works(before) {
			return nil
		}
		if came > 0 {
			pause, tries = mendPause, 0
		}
		if err == nil {
			continue
		}
		if tries++; tries == mendTries {
			return fmt.Errorf("repair: %w", err)
		}
		c.o.Log.Warn("cannot fetch what is missing", "err", err, "pause", pause)
		if wait(ctx, pause) != nil {
			return nil
		}
		pause *= 2
	}
	return nil
}

// progress is how many blocks came by multicast so far, and what is missing.
func (c *Client) progress() (useful uint64, missing []extent.Range) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.Counters().Useful, c.state.Missing().Ranges()
}

// works tells whether multicast brings blocks again.
func (c *Client) works(before uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.away.Load() && c.state.Counters().Useful >= before+flows
}

// join puts ranges together that are near each other, and cuts long ones.
func join(ranges []extent.Range) []extent.Range {
	var all []extent.Range
	for _, r := range ranges {
		if n := len(all) - 1; n >= 0 && r.Off-all[n].End <= near && r.End-all[n].Off <= longest {
			all[n].End = r.End
			continue
		}
		for ; r.Len() > longest; r.Off += longest {
			all = append(all, extent.Range{Off: r.Off, End: r.Off + longest})
		}
		all = append(all, r)
	}
	return all
}

// fetch takes one range, and tells how much of it came.
func (c *Client) fetch(ctx context.Context, r extent.Range) (int64, error) {
	body, err := c.o.Repair(ctx, r.Off, r.Len())
	if err != nil {
		return 0, err
	}
	defer body.Close()
	buf := make([]byte, near)
	for off := r.Off; off < r.End; {
		want := int(min(int64(len(buf)), r.End-off))
		n, err := io.ReadFull(body, buf[:want])
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			n -= n % c.o.Geometry.BlockSize()
		}
		if serr := c.supply(ctx, off, buf[:n]); serr != nil {
			return off - r.Off, serr
		}
		if off += int64(n); err != nil {
			return off - r.Off, err
		}
	}
	return r.Len(), nil
}

// supply takes data of the file, and waits for buffers for it.
func (c *Client) supply(ctx context.Context, off int64, b []byte) error {
	for len(b) > 0 {
		c.mu.Lock()
		n := c.state.Supply(c.now(), off, b)
		c.count.repaired += uint64(n)
		c.mu.Unlock()
		if err := c.pump(ctx); err != nil {
			return err
		}
		if b, off = b[n:], off+int64(n); len(b) == 0 {
			break
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-c.released:
		}
	}
	return nil
}

// spoilt tells what to do about a bad chunk: receive it again, or, if that was
// done before, fetch it by other means.
func (c *Client) spoilt(ctx context.Context, ch receive.Chunk, bad error) (again bool, err error) {
	c.mu.Lock()
	c.count.spoilt++
	c.bad[ch.Index]++
	n := c.bad[ch.Index]
	c.mu.Unlock()
	switch {
	case n == 1 || n < badTries && c.o.Repair == nil:
		return true, nil
	case c.o.Repair == nil:
		return false, &ChunkError{ch.Index, bad}
	}
	for pause, tries := mendPause, 1; ; tries++ {
		if err = c.replace(ctx, ch); err == nil {
			return false, nil
		}
		if tries == mendTries || wait(ctx, pause) != nil {
			return false, &ChunkError{ch.Index, err}
		}
		pause *= 2
	}
}

// replace fetches a chunk and hands it over.
func (c *Client) replace(ctx context.Context, ch receive.Chunk) error {
	body, err := c.o.Repair(ctx, int64(ch.Index)*wire.ChunkSize, int64(len(ch.Data)))
	if err != nil {
		return err
	}
	defer body.Close()
	if _, err := io.ReadFull(body, ch.Data); err != nil {
		return err
	}
	c.mu.Lock()
	c.count.repaired += uint64(len(ch.Data))
	c.mu.Unlock()
	return c.o.Chunk(ctx, ch.Index, ch.Data)
}
