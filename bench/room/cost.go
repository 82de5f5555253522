package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/qemu/lab"
	"github.com/orbit-pxe/orbit/qemu/room"
)

// cost is what sending takes of the server.
type cost struct {
	Name   string
	Rounds []spent
}

// spent is one sending of all of the image.
type spent struct {
	PerGB   time.Duration // CPU of the server for 10⁹ bytes of the image
	Elapsed time.Duration
	Bytes   uint64
}

// costs has the server send the image, as fast as it can, to a group that nobody
// is in: its time is all its own. Frames are cut up behind it, as by a card.
func costs(ctx context.Context, image string, rounds int) ([]*cost, error) {
	all := []*cost{{Name: "batched"}, {Name: "one system call for each block"}}
	for n := range rounds {
		for i := range all {
			i := (i + n) % len(all)
			note("the server by itself, round %d: %s", n+1, all[i].Name)
			one, err := costOf(ctx, image, i == 1)
			if err != nil {
				return nil, fmt.Errorf("send, %s: %w", all[i].Name, err)
			}
			all[i].Rounds = append(all[i].Rounds, one)
		}
	}
	return all, nil
}

func costOf(ctx context.Context, image string, plain bool) (r spent, err error) {
	ctx, stop := context.WithTimeout(ctx, tooLong)
	defer stop()
	info, err := os.Stat(image)
	if err != nil {
		return r, err
	}
	l, err := lab.New(lab.Options{Nodes: 1, Offload: true})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	const rate = 100_000_000_000 // bit/s, more than is possible
	server, err := room.Start(ctx, l.Server, &room.Serve{File: image, Peer: group, Rate: rate, Plain: plain})
	if err != nil {
		return r, err
	}
	if err := server.Ready(); err != nil {
		return r, err
	}
	before, err := l.Report()
	if err != nil {
		return r, err
	}
	start := time.Now()
	if err := server.Go(); err != nil {
		return r, err
	}
	if err := askForAll(ctx, l, info.Size()); err != nil {
		return r, err
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for sent := uint64(0); sent < uint64(info.Size()); {
		select {
		case <-ctx.Done():
			return r, context.Cause(ctx)
		case <-tick.C:
		}
		now, err := l.Report()
		if err != nil {
			return r, err
		}
		sent = now.Since(before).Server.Sent.Bytes
	}
	r.Elapsed = time.Since(start)
	var told struct{ Bytes uint64 }
	if err := server.Stop(&told); err != nil {
		return r, err
	}
	r.Bytes = told.Bytes
	r.PerGB = time.Duration(float64(server.Usage().CPU()) / float64(told.Bytes) * 1e9)
	return r, nil
}

// askForAll asks the server for all of the file, as somebody who then does not
// listen.
func askForAll(ctx context.Context, l *lab.Lab, size int64) error {
	n := l.Nodes[0]
	conn, err := n.ListenUDP(group.Port())
	if err != nil {
		return err
	}
	defer conn.Close()
	for k := range int32((size + wire.ChunkSize - 1) / wire.ChunkSize) {
		if err := request(conn, n.Addr, k); err != nil {
			return err
		}
	}
	return nil
}

func request(conn *net.UDPConn, from netip.Addr, chunk int32) error {
	b := wire.Request{Chunk: chunk, Count: wire.MaxBlocks}.Append(nil, wire.Standard, from.As4())
	_, err := conn.WriteToUDPAddrPort(b, group)
	return err
}
