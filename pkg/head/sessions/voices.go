package sessions

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee"
)

// voices logs what the clients of a session do. It is used by one goroutine at a
// time.
type voices struct {
	name func(netip.Addr) string
	log  *slog.Logger
	here map[netip.Addr]bool // that were heard of
	gone map[netip.Addr]bool
}

// maxVoices are the clients that are remembered: anybody can invent some.
const maxVoices = 4096

func newVoices(name func(netip.Addr) string, log *slog.Logger) *voices {
	return &voices{name: name, log: log, here: map[netip.Addr]bool{}, gone: map[netip.Addr]bool{}}
}

// hear logs an event: as information once for each client, and with details
// what it does again.
func (v *voices) hear(e frisbee.Event) {
	words := []any{"address", e.Client}
	if n := v.name(e.Client); n != "" {
		words = append([]any{"node", n}, words...)
	}
	switch e.Kind {
	case frisbee.Joined:
		v.log.Log(context.Background(), v.level(v.here, e.Client), "node joins the multicast", words...)
	case frisbee.Left:
		v.left(e, words)
	case frisbee.Progress:
		v.log.Debug("node is at multicast", append(words, "chunks", e.Report.Expanded, "bytes", e.Report.Written)...)
	}
}

func (v *voices) left(e frisbee.Event, words []any) {
	words = append(words, "after", e.Elapsed.Round(time.Second))
	level := v.level(v.gone, e.Client)
	if e.Stats == nil {
		v.log.Log(context.Background(), level, "node leaves the multicast without all of the image", words...)
		return
	}
	s := e.Stats
	words = append(words, "bytes", s.Written, "requests", s.Requests, "again", s.Again, "nobuffer", s.NoBuffer)
	v.log.Log(context.Background(), level, "node leaves the multicast", words...)
}

// level is that of the first word of a client, or of a later one.
func (v *voices) level(of map[netip.Addr]bool, client netip.Addr) slog.Level {
	if of[client] || len(of) >= maxVoices {
		return slog.LevelDebug
	}
	of[client] = true
	return slog.LevelInfo
}
