package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/orbit-pxe/orbit/qemu/lab"
	"github.com/orbit-pxe/orbit/qemu/room"
)

// way is a way to bring an image to all.
type way struct {
	name string
	what string // for the table
	slow bool   // time grows with the clients
	loss bool   // only where there are losses
	run  func(context.Context, *scene) (round, error)
}

// ways are all of them; fec is for udp-sender.
func ways(fec string) []way {
	return []way{
		{name: "multicast", what: "our server and clients of frisbee, which find the rate themselves, its wait for receivers not counted", run: byMulticast},
		{name: "http", what: "our client, a net/http server", slow: true, run: byHTTP},
		{name: "udpcast", what: "udp-sender --full-duplex, its wait not counted either", run: byUDPCast()},
		{name: "udpcast+fec", what: "the same with --fec " + fec, loss: true, run: byUDPCast("--fec", fec)},
	}
}

func waysOf(names, fec string) (all []way, err error) {
next:
	for name := range strings.SplitSeq(names, ",") {
		for _, w := range ways(fec) {
			if w.name == name {
				all = append(all, w)
				continue next
			}
		}
		return nil, fmt.Errorf("there is no way %q", name)
	}
	return all, nil
}

var group = netip.MustParseAddrPort("239.192.4.1:7777")

// serving has a role on the server while f runs.
func (s *scene) serving(ctx context.Context, role room.Role, f func() (time.Duration, error)) (r round, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	server, err := room.Start(ctx, s.lab.Server, role)
	if err != nil {
		return r, err
	}
	if err := server.Ready(); err != nil {
		return r, err
	}
	if err := server.Go(); err != nil {
		return r, err
	}
	if r.Elapsed, err = f(); err != nil {
		stop()
		<-server.Ended()
		return r, err
	}
	r.Idle = s.idle
	var told struct {
		Bytes uint64
		Began time.Time
	}
	err = server.Stop(&told)
	if !told.Began.IsZero() {
		r.Elapsed -= told.Began.Sub(s.start)
	}
	r.Blocks, r.ServerPeak = told.Bytes, server.Peak()
	return r, err
}

// fastCard is what a card of 10 Gbit/s has for file data, bit/s.
const fastCard = 9_300_000_000

func byMulticast(ctx context.Context, s *scene) (round, error) {
	serve := &room.Serve{File: s.image, Peer: group, MinReceivers: len(s.lab.Nodes)} // as udp-sender has it
	if s.Rate == 0 {
		serve.MaxRate = fastCard // which /sys does not show in the lab's namespaces
	}
	return s.serving(ctx, serve, func() (time.Duration, error) {
		return s.all(ctx, func(n *lab.Node) room.Role { return &room.Get{File: s.out(n), Peer: group} })
	})
}

func byHTTP(ctx context.Context, s *scene) (round, error) {
	web := &room.Web{File: s.image, Addr: netip.AddrPortFrom(s.lab.Server.Addr, 8080)}
	return s.serving(ctx, web, func() (time.Duration, error) {
		return s.all(ctx, func(n *lab.Node) room.Role { return &room.Fetch{URL: web.URL(), File: s.out(n)} })
	})
}

// byUDPCast has more options for udp-sender.
func byUDPCast(options ...string) func(context.Context, *scene) (round, error) {
	return func(ctx context.Context, s *scene) (round, error) {
		report, err := s.lab.Cast(ctx, lab.Cast{File: s.image, Out: s.out, Nodes: s.lab.Nodes, Sender: options})
		return round{Elapsed: report.Elapsed, Idle: -1}, err // its waiting would count
	}
}
