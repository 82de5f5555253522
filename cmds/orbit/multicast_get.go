//go:build !node

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/frisbee"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/pkg/transfer"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// reception is a file that is received.
type reception struct {
	o      frisbee.ClientOptions
	url    string
	dest   *target
	web    *transfer.Ranges // nil: all comes by multicast
	sums   *frisbee.Sums    // nil: nothing is checked
	client *frisbee.Client
	out    *teller
	begun  time.Time
	byWeb  atomic.Int64 // bytes, after multicast was given up
}

func getVerb(ctx context.Context, stdout, _ io.Writer, args []string) error {
	f := verbFlags(stdout, "multicast get", "[flags] PEER FILE", "Receives a file that somebody sends by frisbee's protocol, and stores it as it is: an image is not expanded. FILE gets its\n"+
		"name when it is complete; /dev/null is for trying a network.")
	g := &reception{}
	f.StringVar(&g.o.Interface, "interface", "", "`NAME` of the interface to join on (default: the one that leads to the URL, else to PEER)")
	f.StringVar(&g.url, "http", "", "`URL` of the same file: for what does not arrive, and to check what does if there are sums beside it")
	f.BoolVar(&g.o.Classic, "classic", false, "ask for what was lost when Emulab's client does, which is later")
	jumbo := f.Bool("jumbo", false, "blocks are of 8 KiB")
	f.DurationVar(&g.o.NoData, "wait", 5*time.Second, "wait so `LONG` for the first data")
	asJSON := f.Bool("json", false, "print events as JSON lines")
	rest, err := parseArgs(f, args, "PEER", "FILE")
	if err != nil {
		return err
	}
	room, err := parsePeer(rest[0], g.o.Interface)
	if err != nil {
		return err
	}
	if g.o.NoData <= 0 {
		return usage("--wait %s: want more", g.o.NoData)
	}
	g.o.Peer, g.o.Interface, g.o.Geometry = room.Peer, room.Interface, geometry(*jumbo)
	g.out = newTeller(stdout, *asJSON)
	defer g.out.close()
	if err := g.openWeb(ctx); err != nil {
		return err
	}
	if g.web != nil {
		defer g.web.Close()
	}
	if g.o.Interface == "" {
		if g.o.Interface, err = findInterface(ctx, g.o.Peer.Addr(), g.url); err != nil {
			return err
		}
	}
	if g.dest, err = openTarget(rest[1]); err != nil {
		return err
	}
	defer g.dest.discard()
	return g.run(ctx)
}

// openWeb finds out about the file at the URL.
func (g *reception) openWeb(ctx context.Context) (err error) {
	if g.url == "" {
		return nil
	}
	o := transfer.Options{Patience: 30 * time.Second}
	if g.web, err = transfer.OpenRanges(ctx, g.url, o); err != nil {
		return err
	}
	size := g.web.Size()
	text, err := transfer.Get(ctx, beside(g.url, frisbee.SumsSuffix), frisbee.SumsSize(size), o)
	var status *transfer.StatusError
	switch {
	case errors.As(err, &status) && status.Code == http.StatusNotFound:
		err = nil
	case err == nil:
		g.sums, err = frisbee.ParseSums(text, size)
	}
	if err != nil {
		g.web.Close()
		return err
	}
	g.o.Bytes = uint64(size)
	g.o.Repair = func(ctx context.Context, off, n int64) (io.ReadCloser, error) {
		return g.web.Stream(ctx, off, off+n), nil
	}
	return nil
}

// beside is the URL, or the path, of what lies beside a file, under its name and
// an ending.
func beside(file, ending string) string {
	u, err := url.Parse(file)
	if err != nil || u.Host == "" {
		return file + ending
	}
	u.Path, u.RawPath = u.Path+ending, ""
	return u.String()
}

func (g *reception) run(ctx context.Context) (err error) {
	g.o.Chunk = g.chunk
	if g.client, err = frisbee.NewClient(g.o); err != nil {
		return err
	}
	g.begun = time.Now()
	g.out.line("waiting for %s on %s", g.o.Peer, g.o.Interface)
	watch, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		g.watch(watch)
	}()
	err = g.client.Run(ctx)
	if errors.Is(err, frisbee.ErrNoMulticast) && g.web != nil && ctx.Err() == nil {
		g.out.line("%v: all of it comes by HTTP", err)
		err = g.download(ctx)
	}
	stop()
	<-watched
	g.out.close()
	if errors.Is(err, frisbee.ErrNoMulticast) {
		err = &exit{exitSilent, err}
	}
	if err == nil {
		err = g.dest.publish()
	}
	g.total(err)
	return err
}

// chunk takes a chunk that is complete.
func (g *reception) chunk(_ context.Context, k int32, data []byte) error {
	if g.sums != nil && !g.sums.Check(k, data) {
		return frisbee.ErrBadChunk
	}
	return g.dest.write(data, int64(k)*wire.ChunkSize)
}

// download fetches all of the file by HTTP.
func (g *reception) download(ctx context.Context) error {
	size := g.web.Size()
	r := g.web.Stream(ctx, 0, size)
	defer r.Close()
	buf := make([]byte, wire.ChunkSize)
	for k := int32(0); int64(k)*wire.ChunkSize < size; k++ {
		data := buf[:min(wire.ChunkSize, size-int64(k)*wire.ChunkSize)]
		if _, err := io.ReadFull(r, data); err != nil {
			return err
		}
		if err := g.chunk(ctx, k, data); err != nil {
			return fmt.Errorf("chunk %d: %w (the server's sums are of another version?)", k, err)
		}
		g.byWeb.Add(int64(len(data)))
	}
	return nil
}

// watch tells now and then how far it is.
func (g *reception) watch(ctx context.Context) {
	const every = 500 * time.Millisecond
	t := time.NewTicker(every)
	defer t.Stop()
	var before int64
	at := time.Now()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		s, now := g.client.Stats(), time.Now()
		missing := g.client.Missing()
		have := int64(s.Bytes) + g.byWeb.Load()
		all := int64(g.o.Bytes)
		if all == 0 && have+missing.Len() > 0 {
			all = have + missing.Len() // nearly: chunks on their way are in neither
		}
		text := units.Bytes(have)
		if all > 0 {
			text = fmt.Sprintf("%3.0f %%  %s of %s", 100*float64(have)/float64(all), units.Bytes(have), units.Bytes(all))
		}
		text += "  " + units.Rate(have-before, now.Sub(at))
		if s.Blocks.Again > 0 {
			text += fmt.Sprintf("  %.1f %% again", 100*float64(s.Blocks.Again)/float64(max(s.Blocks.Useful, 1)))
		}
		if web := int64(s.Repaired) + g.byWeb.Load(); web > 0 {
			text += "  HTTP " + units.Bytes(web)
		}
		g.out.state(text)
		if n%2 == 0 {
			g.out.event(struct {
				told
				Bytes int64 `json:"bytes"`
				Total int64 `json:"total,omitempty"`
			}{tell("state"), have, all})
		}
		before, at = have, now
	}
}

// totals are what a reception came to, and its JSON.
type totals struct {
	told
	Peer      netip.AddrPort `json:"peer"`
	Bytes     int64          `json:"bytes"`     // of the file
	Multicast int64          `json:"multicast"` // bytes of it
	Repaired  int64          `json:"repaired"`  // bytes of it, by HTTP
	Seconds   float64        `json:"seconds"`
	CPU       float64        `json:"cpu"`       // seconds of this process
	Lost      uint64         `json:"lost"`      // blocks asked for again
	Duplicate uint64         `json:"duplicate"` // blocks that were there already
	NoBuffer  uint64         `json:"noBuffer"`  // blocks dropped for lack of memory
	Dropped   uint64         `json:"dropped"`   // datagrams that the kernel had no room for
	BadChunks uint64         `json:"badChunks"` // that were not as their sums say
	Requests  uint64         `json:"requests"`  // sent
	Checked   bool           `json:"checked"`   // by sums
	Error     string         `json:"error,omitempty"`
}

func (g *reception) total(failed error) {
	s := g.client.Stats()
	took := time.Since(g.begun)
	web := int64(s.Repaired) + g.byWeb.Load()
	v := totals{
		told: tell("done"), Peer: g.o.Peer, Bytes: int64(s.Bytes) + g.byWeb.Load(), Repaired: web, Seconds: took.Seconds(), CPU: cpuTime().Seconds(),
		Lost: s.Blocks.Again, Duplicate: s.Blocks.DupDone + s.Blocks.DupOpen, NoBuffer: s.Blocks.NoBuffer, Dropped: s.Socket.Dropped,
		BadChunks: s.Spoilt, Requests: s.Blocks.Requests, Checked: g.sums != nil,
	}
	v.Multicast = max(v.Bytes-web, 0)
	if failed != nil {
		v.Error = failed.Error()
	}
	g.out.event(v)
	if failed != nil {
		return // the error says it
	}
	g.out.line("%s in %s, %s: %s by multicast, %s by HTTP", units.Bytes(v.Bytes), units.Duration(took), units.Rate(v.Bytes, took), units.Bytes(v.Multicast), units.Bytes(web))
	checked := "not checked, for lack of sums"
	if v.Checked {
		checked = "each chunk is as its sum says"
	}
	g.out.line("blocks: %d asked for again, %d twice, %d dropped; %s of CPU; %s", v.Lost, v.Duplicate, v.NoBuffer+v.Dropped,
		units.Duration(time.Duration(v.CPU*float64(time.Second))), checked)
}

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
