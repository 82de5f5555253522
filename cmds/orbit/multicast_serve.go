//go:build !node

package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee"
	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/ndz"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// broadcast is one session, and the web server beside it.
type broadcast struct {
	o      frisbee.ServerOptions
	file   *os.File
	name   string // of the image in URLs
	kind   string // "ndz", "orbit", or "" for any other file
	http   string // address to listen on, "" for none
	server *frisbee.Server
	web    *website // nil for none
	out    *teller
	guests *guests
}

func serveVerb(ctx context.Context, stdout, _ io.Writer, args []string) error {
	f := verbFlags(stdout, "multicast serve", "[flags] IMAGE", "Sends an image to all who ask for it, by frisbee's protocol, at the rate that the room can take, until Ctrl-C. It serves the image\n"+
		"by HTTP, too: there nodes find its index and what did not arrive. What to type on a node is printed.")
	b := &broadcast{}
	group := f.String("group", "", "`PEER` to send to, ADDRESS:PORT: a multicast group, a broadcast address or one machine (default: a group of 239.195.0.0/16 that the image's name chooses)")
	f.StringVar(&b.o.Interface, "interface", "", "`NAME` of the interface to send on (default: the one that leads to the group, mostly that of the default route)")
	bits := func(to *int64, name, what string) {
		f.Func(name, what, func(s string) (err error) {
			*to, err = units.ParseBits(s)
			return err
		})
	}
	bits(&b.o.Rate, "rate", "send at `BITS`/s, such as 200M, whatever the room takes (default: as it takes)")
	bits(&b.o.MaxRate, "max-rate", "send at most `BITS`/s (default: what the interface can)")
	f.Float64Var(&b.o.Share, "share", 0.9, "share of the nodes to wait for, `0.01 to 1`: the others do not slow the room, and fetch what they lack by HTTP")
	f.IntVar(&b.o.MinReceivers, "min-receivers", 1, "begin when `N` nodes are there, or after --max-wait: none of them has to be sent the start again")
	f.DurationVar(&b.o.MaxWait, "max-wait", time.Minute, "begin so `LONG` after the first node has come, however many are there")
	f.IntVar(&b.o.TTL, "ttl", 5, "`N` routers that the group may pass, and one")
	jumbo := f.Bool("jumbo", false, "send blocks of 8 KiB, on a network with jumbo frames: imagenode finds out, orbit multicast get needs --jumbo, and real clients must be built so")
	f.DurationVar(&b.o.Idle, "idle", 0, "end after so `LONG` without work (default: never)")
	f.BoolVar(&b.o.Classic, "classic", false, "repair as Emulab's server does, never by sums of blocks: to compare")
	f.BoolVar(&b.o.UntilLeft, "once", false, "end when all nodes that came have left")
	f.StringVar(&b.http, "http", ":8000", "`[HOST]:PORT` to serve the image at by HTTP; \"\" for nowhere")
	asJSON := f.Bool("json", false, "print events as JSON lines")
	rest, err := parseArgs(f, args, "one IMAGE")
	if err != nil {
		return err
	}
	switch {
	case b.o.Share <= 0 || b.o.Share > 1:
		return usage("--share %g: want more than 0, and 1 at most", b.o.Share)
	case b.o.TTL < 1 || b.o.TTL > 255:
		return usage("--ttl %d: want 1 to 255", b.o.TTL)
	case b.o.MinReceivers < 1:
		return usage("--min-receivers %d: want 1 or more", b.o.MinReceivers)
	case b.o.MaxWait <= 0:
		return usage("--max-wait %s: want more than 0", b.o.MaxWait)
	case b.o.Idle < 0:
		return usage("--idle %s: want 0, which is never, or more", b.o.Idle)
	case b.o.Rate != 0 && b.o.MaxRate != 0:
		return usage("--rate and --max-rate exclude each other")
	}
	if b.o.Idle == 0 {
		b.o.Idle = -1
	}
	b.o.Geometry = geometry(*jumbo)
	if err := b.open(rest[0]); err != nil {
		return err
	}
	defer b.file.Close()
	if b.o.Peer, err = b.peer(*group); err != nil {
		return err
	}
	b.out = newTeller(stdout, *asJSON)
	defer b.out.close()
	return b.run(ctx)
}

// open opens the image, and finds out what it is.
func (b *broadcast) open(path string) (err error) {
	if b.file, err = os.Open(path); err != nil {
		return err
	}
	st, err := b.file.Stat()
	switch {
	case err != nil:
	case !st.Mode().IsRegular():
		err = fmt.Errorf("%s is not a regular file", path)
	case st.Size() == 0:
		err = fmt.Errorf("%s is empty", path)
	}
	if err != nil {
		b.file.Close()
		return err
	}
	b.o.File, b.o.Size, b.name = b.file, st.Size(), filepath.Base(path)
	head := make([]byte, min(st.Size(), ndz.HeaderSize))
	if _, err := b.file.ReadAt(head, 0); err != nil {
		b.file.Close()
		return err
	}
	if ndz.Sniff(head) {
		b.kind = "ndz"
	} else if _, err := image.ReadIndex(b.file, st.Size()); err == nil {
		b.kind = "orbit"
	}
	return nil
}

// peer reads --group. Without it, each name of an image has a group and a port of
// its own, which it has again the next time.
func (b *broadcast) peer(s string) (netip.AddrPort, error) {
	if s == "" {
		h := fnv.New64a()
		h.Write([]byte(b.name))
		n := h.Sum64()
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{239, 195, byte(n >> 8), byte(n)}), 21000+uint16(n>>16%8000)), nil
	}
	r, err := parsePeer(s, "")
	if err != nil {
		return netip.AddrPort{}, err
	}
	if r.Interface != "" && b.o.Interface == "" {
		b.o.Interface = r.Interface
	}
	return r.Peer, nil
}

func (b *broadcast) run(ctx context.Context) (err error) {
	if b.o.Interface == "" {
		if b.o.Interface, err = findInterface(ctx, b.o.Peer.Addr(), ""); err != nil {
			return err
		}
	}
	b.guests = newGuests(b.out)
	b.o.Event = b.guests.hear
	if b.server, err = frisbee.NewServer(b.o); err != nil {
		return err
	}
	if b.http != "" {
		if b.web, err = newWebsite(b.http, b.server.Local().Addr(), b.file, b.name); err != nil {
			b.server.Close()
			return err
		}
		if b.kind != "orbit" {
			b.web.sums.begin() // an Orbit image has digests of its own
		}
		b.web.start()
	}
	b.announce()
	begun := time.Now()
	watch, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		b.watch(watch)
	}()
	err = b.server.Run(ctx)
	stop()
	<-watched
	b.out.close()
	if ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		err = nil // a person has ended it
	}
	if b.web != nil {
		if ctx.Err() == nil && b.web.busy() {
			b.out.line("multicast has ended; waiting for downloads (Ctrl-C ends them)")
		}
		b.web.stop(ctx)
	}
	b.total(time.Since(begun))
	return err
}
