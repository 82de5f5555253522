package room

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/pkg/transfer"
	"github.com/orbit-pxe/orbit/qemu/lab"
)

// Get is a client of frisbee. It tells a Got.
type Get struct {
	File string // to write
	Peer netip.AddrPort
	URL  string // of the file by HTTP, for repairs; none if empty
	Sums bool   // check chunks by the digests that are beside URL

	// Disk is how fast the disk takes the file, bytes/s; 0: as it can. After
	// Recovers, if that is not 0, it is as fast as it can be.
	Disk      int64
	Recovers  time.Duration
	Workers   int
	Buffers   int
	NoData    time.Duration
	Quiet     time.Duration
	Keepalive time.Duration
}

// Got is what a client tells.
type Got struct {
	Took  time.Duration // of the transfer alone
	Stats frisbee.ClientStats
}

func (*Get) name() string { return "get" }

func (r *Get) run(ctx context.Context, s *stage) (any, error) {
	f, err := os.Create(r.File)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	d := &disk{f: f, rate: r.Disk, recovers: r.Recovers}
	o := frisbee.ClientOptions{
		Peer: r.Peer, Interface: lab.Interface, Workers: r.Workers, Buffers: r.Buffers,
		NoData: r.NoData, Quiet: r.Quiet, Keepalive: r.Keepalive, Log: s.log, Chunk: d.chunk,
	}
	if r.URL != "" {
		ranges, err := transfer.OpenRanges(ctx, r.URL, transfer.Options{Log: s.log})
		if err != nil {
			return nil, err
		}
		defer ranges.Close()
		o.Repair = func(ctx context.Context, off, n int64) (io.ReadCloser, error) {
			return ranges.Stream(ctx, off, off+n), nil
		}
		if r.Sums {
			text, err := transfer.Get(ctx, r.URL+frisbee.SumsSuffix, frisbee.SumsSize(ranges.Size()), transfer.Options{Log: s.log})
			if err != nil {
				return nil, err
			}
			if d.sums, err = frisbee.ParseSums(text, ranges.Size()); err != nil {
				return nil, err
			}
		}
	}
	client, err := frisbee.NewClient(o)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	if err := s.ready(); err != nil {
		return nil, err
	}
	d.start = time.Now()
	err = client.Run(ctx)
	return Got{time.Since(d.start), client.Stats()}, err
}

// disk is where chunks go.
type disk struct {
	f    *os.File
	sums *frisbee.Sums // nil: none
	rate int64         // bytes/s; 0 is no limit
	busy sync.Mutex    // of a disk with a limit, which takes one chunk at a time

	start    time.Time
	recovers time.Duration // since the start; 0 is never
}

func (d *disk) chunk(ctx context.Context, k int32, data []byte) error {
	if d.sums != nil && !d.sums.Check(k, data) {
		return fmt.Errorf("chunk %d: %w", k, frisbee.ErrBadChunk)
	}
	if d.rate > 0 && (d.recovers == 0 || time.Since(d.start) < d.recovers) {
		d.busy.Lock()
		defer d.busy.Unlock()
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Duration(len(data)) * time.Second / time.Duration(d.rate)):
		}
	}
	_, err := d.f.WriteAt(data, int64(k)*wire.ChunkSize)
	return err
}
