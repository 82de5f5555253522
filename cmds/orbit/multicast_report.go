//go:build !node

package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee"
	"github.com/orbit-pxe/orbit/pkg/ndz"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// announce tells what is served, and what to type elsewhere.
func (b *broadcast) announce() {
	chunks := (b.o.Size + ndz.ChunkSize - 1) / ndz.ChunkSize
	e := struct {
		told
		Image     string         `json:"image"`
		Kind      string         `json:"kind,omitempty"`
		Bytes     int64          `json:"bytes"`
		Peer      netip.AddrPort `json:"peer"`
		Interface string         `json:"interface"`
		Server    netip.Addr     `json:"server"`
		URL       string         `json:"url,omitempty"`
		Commands  []string       `json:"commands"`
	}{told: tell("serving"), Image: b.name, Kind: b.kind, Bytes: b.o.Size, Peer: b.server.Peer(), Interface: b.o.Interface, Server: b.server.Local().Addr()}
	b.out.line("%s, %s, %s, on %s (%s) to %s", clean(b.name), units.Bytes(b.o.Size), count(chunks, "chunk"), b.o.Interface, e.Server, e.Peer)
	say := func(why, command string) {
		e.Commands = append(e.Commands, command)
		b.out.line("  %-16s %s", why, command)
	}
	peer := e.Peer.String()
	if b.web != nil {
		e.URL = b.web.url
		if b.kind != "" {
			say("on a node:", "imagenode --multicast "+peer+" "+quote(e.URL)+" DISK")
		}
	}
	if b.kind == "ndz" {
		say("without HTTP:", "imagenode frisbee://"+peer+" DISK")
		if e.Peer.Addr().IsMulticast() && b.o.Geometry == 0 {
			say("Emulab's client:", fmt.Sprintf("frisbee -m %s -p %d DISK", e.Peer.Addr(), e.Peer.Port()))
		}
	}
	get := "orbit multicast get "
	if b.o.Geometry != 0 {
		get += "--jumbo "
	}
	if e.URL != "" {
		get += "--http " + quote(e.URL) + " "
	}
	say("to a file:", get+peer+" FILE")
	if b.kind == "orbit" && b.web == nil {
		b.out.line("note: without --http no node can have the index of this Orbit image")
	}
	if b.kind == "" {
		b.out.line("note: this is neither an Orbit image nor an .ndz: imagenode does not take it by multicast")
	}
	b.out.event(e)
}

// quote makes one word of s for a shell.
func quote(s string) string {
	if strings.ContainsAny(s, " \t'\"\\$`&;|<>()*?[]#~!{}") {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}

// watch tells now and then how things are.
func (b *broadcast) watch(ctx context.Context) {
	const every = 500 * time.Millisecond
	t := time.NewTicker(every)
	defer t.Stop()
	before, at := b.server.Stats(), time.Now()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			b.guests.tell()
			return
		case <-b.guests.news:
			b.guests.tell()
			continue
		case <-t.C:
		}
		s, now := b.server.Stats(), time.Now()
		sent := int64(s.Bytes - before.Bytes)
		text := fmt.Sprintf("%s  %s  %s sent (%.2f ×)", count(int64(s.Clients), "client"), units.Rate(sent, now.Sub(at)),
			units.Bytes(int64(s.Bytes)), float64(s.Bytes)/float64(b.o.Size))
		if lost := lostShare(s); lost > 0 {
			text += fmt.Sprintf("  %.1f %% again", lost*100)
		}
		if web := b.web.sent(); web > 0 {
			text += "  HTTP " + units.Bytes(web)
		}
		if s.Began.IsZero() && b.o.MinReceivers > 1 {
			text = fmt.Sprintf("%d of %d clients are here, and wait", s.Clients, b.o.MinReceivers)
		}
		b.out.state(text)
		if n%2 == 0 {
			b.out.event(struct {
				told
				Clients int    `json:"clients"`
				Rate    int64  `json:"rate"` // bit/s
				Sent    uint64 `json:"sent"`
				Again   uint64 `json:"again"` // blocks
				HTTP    int64  `json:"http"`
			}{tell("state"), s.Clients, sent * 8 * int64(time.Second) / int64(max(now.Sub(at), 1)), s.Bytes, s.Queue.Repairs, b.web.sent()})
		}
		before, at = s, now
	}
}

// lostShare is the share of what was sent that somebody asked for again.
func lostShare(s frisbee.ServerStats) float64 {
	return float64(s.Queue.Repairs) / float64(max(s.Queue.Sent, 1))
}

// total tells what it all came to.
func (b *broadcast) total(took time.Duration) {
	s := b.server.Stats()
	e := struct {
		told
		Seconds float64 `json:"seconds"`
		Sent    uint64  `json:"sent"`   // bytes by multicast
		Times   float64 `json:"times"`  // the image
		Again   uint64  `json:"again"`  // blocks
		HTTP    int64   `json:"http"`   // bytes
		Joined  int     `json:"joined"` // clients
		Clients []guest `json:"clients"`
	}{tell("done"), took.Seconds(), s.Bytes, float64(s.Bytes) / float64(b.o.Size), s.Queue.Repairs, b.web.sent(), s.Joined, b.guests.all(b.server.Members())}
	b.out.event(e)
	b.out.line("sent    %s in %s: %.2f × the image, %.1f %% asked for again", units.Bytes(int64(s.Bytes)), units.Duration(took), e.Times, lostShare(s)*100)
	if e.HTTP > 0 {
		b.out.line("HTTP    %s", units.Bytes(e.HTTP))
	}
	b.out.line("clients %d", s.Joined)
	printGuests(b.out, e.Clients)
}
