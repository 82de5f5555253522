package lldp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// Port is an Ethernet interface to listen on.
type Port struct {
	Index int
	Name  string
	MAC   [6]byte
}

// Listen hears out the neighbours of ports, by their indices, until every port
// has one that forwards frames, or ctx ends, which is no error. With a hello it
// first says on each port who is here, hello's chassis ID and port being filled
// in where they are empty: many switches answer a newcomer at once instead of
// within their 30 seconds. It takes CAP_NET_RAW.
func Listen(ctx context.Context, ports []Port, hello *PDU) (map[int]PDU, error) {
	heard := map[int]PDU{}
	if len(ports) == 0 {
		return heard, nil
	}
	s, err := open()
	if err != nil {
		return nil, fmt.Errorf("open socket for LLDP: %w", err)
	}
	defer s.Close()
	stop := context.AfterFunc(ctx, func() { s.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	wait := map[int]bool{}
	var errs []error
	for _, p := range ports {
		if err := s.join(p); err != nil {
			errs = append(errs, fmt.Errorf("listen for LLDP on %s: %w", p.Name, err))
			continue
		}
		wait[p.Index] = true
		if hello == nil {
			continue
		}
		if err := s.say(p, *hello, ports[0].MAC); err != nil {
			errs = append(errs, fmt.Errorf("announce by LLDP on %s: %w", p.Name, err))
		}
	}
	for missing := len(wait); missing > 0; {
		index, p, err := s.next()
		if err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				errs = append(errs, fmt.Errorf("listen for LLDP: %w", err))
			}
			break
		}
		was, ok := heard[index]
		if !wait[index] || p.TTL == 0 || ok && !p.better(was) {
			continue
		}
		heard[index] = p
		if p.settled() && !(ok && was.settled()) {
			missing--
		}
	}
	return heard, errors.Join(errs...)
}

// settled tells that nothing better is worth waiting for.
func (p PDU) settled() bool { return p.Forwards() && !p.CDP }
