package device

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/device/uhd"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// How long radios have to answer, and on how many networks they are asked.
const (
	answerTime   = 500 * time.Millisecond
	mostNetworks = 16
)

// network is an IPv4 network of an interface.
type network struct {
	netip.Prefix
	mac string
}

// networks are those of the interfaces that are up and can broadcast.
func networks() (found []network, err error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	const wanted = net.FlagUp | net.FlagRunning | net.FlagBroadcast
	for _, i := range all {
		if i.Flags&wanted != wanted {
			continue
		}
		addresses, _ := i.Addrs()
		for _, a := range addresses {
			p, err := netip.ParsePrefix(a.String())
			if err == nil && p.Addr().Is4() && p.Bits() < 31 && len(found) < mostNetworks {
				found = append(found, network{p, i.HardwareAddr.String()})
			}
		}
	}
	return found, nil
}

// neighbours asks all networks for radios, at once.
func neighbours(ctx context.Context, h sysfs.Host, networks func() ([]network, error),
	ask func(context.Context, netip.Prefix, time.Duration) ([]uhd.Radio, error)) ([]hardware.SDR, error) {
	nets, err := networks()
	bound := answerTime
	if deadline, ok := ctx.Deadline(); ok {
		bound = min(bound, time.Until(deadline)/2)
	}
	radios, errs := make([][]uhd.Radio, len(nets)), make([]error, len(nets), len(nets)+1)
	done := make(chan struct{})
	for i, n := range nets {
		go func() {
			radios[i], errs[i] = ask(ctx, n.Prefix, bound)
			done <- struct{}{}
		}()
	}
	for range nets {
		<-done
	}
	var found []hardware.SDR
	seen := map[string]bool{}
	for i, n := range nets {
		for _, r := range radios[i] {
			s := hardware.SDR{
				Kind: words(r.Kind), Bus: "network", Address: r.Address.String(), Serial: words(r.Serial), Product: words(r.Name), NIC: n.mac,
			}
			// A radio with several ports, or on several of ours, is one.
			if key := s.Kind + " " + s.Serial; s.Serial != "" {
				if seen[key] {
					continue
				}
				seen[key] = true
			} else if mac := hardwareAddress(h, s.Address); mac != "" {
				s.ID = "network " + mac // addresses are changed more often
			}
			found = append(found, s)
		}
	}
	return found, errors.Join(append(errs, err)...)
}

// hardwareAddress is that of a neighbour this machine has talked to lately.
func hardwareAddress(h sysfs.Host, address string) string {
	for line := range strings.Lines(h.Text("/proc/net/arp")) {
		if f := strings.Fields(line); len(f) >= 4 && f[0] == address && f[3] != "00:00:00:00:00:00" {
			return f[3]
		}
	}
	return ""
}
