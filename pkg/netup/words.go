package netup

import (
	"fmt"
	"strings"
	"time"
)

// note tells why there is no network yet.
func (s *search) note() {
	now := time.Now()
	states := s.states(now)
	if len(states) == 0 {
		states = []string{"no Ethernet interface found yet"}
	}
	s.Note(fmt.Sprintf("waiting for the network, %d s: %s", int(now.Sub(s.began).Seconds()), strings.Join(states, "; ")))
}

// states is the state of every interface in words.
func (s *search) states(now time.Time) []string {
	var all []string
	for _, p := range s.sorted() {
		text := p.name
		if p.mac == s.BootMAC {
			text += " (boot interface)"
		}
		text += ": " + s.state(p, now)
		all = append(all, text)
	}
	return all
}

func (s *search) state(p *port, now time.Time) string {
	waited := int(now.Sub(p.since).Seconds())
	switch {
	case p.v4 != nil:
		return p.v4.Addr.String() + ", waiting for the boot interface to do as well"
	case p.v6 != nil:
		return p.v6.Addr.String() + ", waiting for an IPv4 address to turn up"
	case p.fault != "":
		return p.fault
	case !p.carrier:
		return "no carrier (cable? switch port off?)"
	case s.fixed != nil:
		return "carrier, but ip= names another interface"
	}
	return fmt.Sprintf("carrier, no DHCP answer for %d s (spanning tree? up to %v)", waited, s.Patience.Round(time.Second))
}
