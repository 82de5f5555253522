package netup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// watchLinks delivers every interface there is and then every change, until
// ctx ends. The channel is closed if the kernel ends the subscription.
func watchLinks(ctx context.Context, owner *sync.WaitGroup) (<-chan netlink.LinkUpdate, error) {
	updates := make(chan netlink.LinkUpdate)
	done := make(chan struct{})
	err := netlink.LinkSubscribeWithOptions(updates, done, netlink.LinkSubscribeOptions{ListExisting: true})
	if err != nil {
		return nil, fmt.Errorf("watch network interfaces: %w", err)
	}
	out := make(chan netlink.LinkUpdate)
	owner.Go(func() { relay(ctx, updates, out, done) })
	return out, nil
}

// relay passes updates on until ctx ends, then empties the channel so that the
// subscription's own goroutine can end.
func relay[T any](ctx context.Context, in <-chan T, out chan<- T, done chan struct{}) {
	defer close(out)
	defer func() {
		close(done)
		for range in {
		}
	}()
	for {
		select {
		case v, ok := <-in:
			if !ok {
				return
			}
			select {
			case out <- v:
			case <-ctx.Done():
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// sysctl6 sets an IPv6 setting of one interface.
func sysctl6(ifname, name, value string) error {
	return os.WriteFile(filepath.Join("/proc/sys/net/ipv6/conf", ifname, name), []byte(value), 0)
}

// raise sets the link up in the background: some drivers take seconds to.
func (s *search) raise(l netlink.Link) {
	index, name := l.Attrs().Index, l.Attrs().Name
	s.clients.Go(func() {
		if err := netlink.LinkSetUp(l); err != nil {
			s.answers <- answer{index, context.Background(), nil, fmt.Errorf("set %s up: %w", name, err)}
		}
	})
}

// tag makes the VLAN interface on a link; it shows up as a link of its own.
func (s *search) tag(parent netlink.Link) {
	a := netlink.NewLinkAttrs()
	a.Name = fmt.Sprintf("%s.%d", parent.Attrs().Name, s.VLAN)
	a.ParentIndex = parent.Attrs().Index
	err := netlink.LinkAdd(&netlink.Vlan{LinkAttrs: a, VlanId: s.VLAN})
	if err != nil && !errors.Is(err, unix.EEXIST) {
		s.Note(fmt.Sprintf("make VLAN interface %s: %v (802.1Q in the kernel?)", a.Name, err))
	}
}

// parent tells a physical link that only carries the VLAN.
func (s *search) parent(l netlink.Link) bool { return s.VLAN != 0 && physical(l) }

func (s *search) wanted(l netlink.Link) bool {
	if s.VLAN == 0 {
		return physical(l)
	}
	v, ok := l.(*netlink.Vlan)
	return ok && v.VlanId == s.VLAN
}

// physical is true for Ethernet with hardware behind it, and for veth, the
// hardware of containers. Bridges, tunnels, loopback and Wi-Fi are not asked.
func physical(l netlink.Link) bool {
	return l.Attrs().EncapType == "ether" && (l.Type() == "device" || l.Type() == "veth") && len(l.Attrs().HardwareAddr) == 6
}
