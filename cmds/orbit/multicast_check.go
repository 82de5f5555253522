//go:build !node

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// errArrived ends a check that has seen enough.
var errArrived = errors.New("a chunk has arrived")

func checkVerb(ctx context.Context, stdout, _ io.Writer, args []string) error {
	f := verbFlags(stdout, "multicast check", "[flags] PEER", "Asks who sends to PEER for one chunk of its file, and tells whether that arrives. Exit codes: 0 it does, 1 failed, 5 it does not.")
	iface := f.String("interface", "", "`NAME` of the interface to join on (default: the one that leads to PEER)")
	jumbo := f.Bool("jumbo", false, "blocks are of 8 KiB")
	wait := f.Duration("wait", 5*time.Second, "wait so `LONG` for data")
	rest, err := parseArgs(f, args, "one PEER")
	if err != nil {
		return err
	}
	room, err := parsePeer(rest[0], *iface)
	if err != nil {
		return err
	}
	if *wait <= 0 {
		return usage("--wait %s: want more", *wait)
	}
	if room.Interface == "" {
		if room.Interface, err = findInterface(ctx, room.Peer.Addr(), ""); err != nil {
			return err
		}
	}
	c, err := frisbee.NewClient(frisbee.ClientOptions{
		Peer: room.Peer, Interface: room.Interface, Geometry: geometry(*jumbo), NoData: *wait, GiveUp: *wait,
		Want:  func(k int32) bool { return k == 0 },
		Chunk: func(context.Context, int32, []byte) error { return errArrived },
	})
	if err != nil {
		return err
	}
	begun := time.Now()
	err = c.Run(ctx)
	switch took := time.Since(begun); {
	case errors.Is(err, errArrived):
		_, err = fmt.Fprintf(stdout, "data from %s arrives on %s: a chunk in %s, %s\n", room.Peer, room.Interface, units.Duration(took),
			count(int64(c.Stats().Blocks.Again), "block")+" lost on the way")
		return err
	case errors.Is(err, frisbee.ErrNoMulticast):
		return &exit{exitSilent, fmt.Errorf("on %s: %w", room.Interface, err)}
	}
	return err
}
