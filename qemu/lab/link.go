package lab

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// roomy is the size of buffers that must lose nothing while a busy machine
// runs something else.
const roomy = 32 << 20

func forceBuffer(conn *net.UDPConn, size int) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size)
	})
	return errors.Join(err, failed)
}

// addBridge makes the switch in this thread's namespace.
func (l *Lab) addBridge() error {
	br := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0", MTU: l.options.MTU}, MulticastSnooping: &l.options.Snooping}
	if err := netlink.LinkAdd(br); err != nil {
		return err
	}
	l.bridge = br.Attrs().Index
	if l.options.Querier {
		// The answers are waited for before snooping acts, so ask for them
		// within a tenth of a second (the unit is a hundredth).
		err := setBridge(l.bridge, nl.IFLA_BR_MCAST_QUERY_RESPONSE_INTVL, nl.Uint64Attr(10))
		if err == nil {
			err = setBridge(l.bridge, nl.IFLA_BR_MCAST_QUERIER, nl.Uint8Attr(1))
		}
		if f := l.options.Forget; f > 0 && err == nil {
			err = setBridge(l.bridge, nl.IFLA_BR_MCAST_MEMBERSHIP_INTVL, nl.Uint64Attr(uint64(f/(10*time.Millisecond))))
		}
		if err != nil {
			return err
		}
	}
	return netlink.LinkSetUp(br)
}

// setBridge sets an attribute that the netlink package has no field for.
func setBridge(index, attr int, value []byte) error {
	req := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_ACK)
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(index)
	req.AddData(msg)
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("bridge"))
	info.AddRtAttr(nl.IFLA_INFO_DATA, nil).AddRtAttr(attr, value)
	req.AddData(info)
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

// plugIn gives a host its interface, with the other end on the bridge under
// the host's name.
func (l *Lab) plugIn(h *Host) error {
	err := l.fabric.do(func() error {
		return netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: h.Name, MTU: l.options.MTU},
			PeerName: Interface, PeerHardwareAddr: h.MAC, PeerMTU: uint32(l.options.MTU), PeerNamespace: netlink.NsFd(h.space.fd)})
	})
	if err == nil {
		err = h.Do(func() error { return l.configure(h) })
	}
	if err == nil {
		err = l.fabric.do(func() error { return l.addPort(h.Name) })
	}
	if err == nil {
		err = h.Do(func() error { return awaitUp(Interface) })
	}
	if err != nil {
		return fmt.Errorf("plug in %s: %w", h.Name, err)
	}
	return nil
}

// configure sets up a host's interface in this thread's namespace.
func (l *Lab) configure(h *Host) error {
	eth, err := link()
	if err != nil {
		return err
	}
	if !l.options.Offload {
		// Segments of one: the kernel cuts frames to the MTU before the wire.
		if err := netlink.LinkSetGSOMaxSegs(eth, 1); err != nil {
			return err
		}
	}
	addr := &netlink.Addr{IPNet: &net.IPNet{IP: h.Addr.AsSlice(), Mask: net.CIDRMask(Network.Bits(), 32)}}
	if err := netlink.AddrAdd(eth, addr); err != nil {
		return err
	}
	if err := netlink.LinkSetUp(eth); err != nil {
		return err
	}
	groups := &net.IPNet{IP: net.IPv4(224, 0, 0, 0), Mask: net.CIDRMask(4, 32)}
	return netlink.RouteAdd(&netlink.Route{LinkIndex: eth.Attrs().Index, Dst: groups, Scope: netlink.SCOPE_LINK})
}

// addPort brings an interface of the fabric up and puts it on the bridge.
func (l *Lab) addPort(name string) error {
	port, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(port); err != nil {
		return err
	}
	if err := awaitUp(name); err != nil {
		return err
	}
	return netlink.LinkSetMasterByIndex(port, l.bridge)
}

// awaitUp waits until an interface of this thread's namespace passes frames.
func awaitUp(name string) error {
	events, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK)
	if err != nil {
		return err
	}
	defer events.Close()
	if err := events.SetReceiveTimeout(&unix.Timeval{Sec: int64(patience / time.Second)}); err != nil {
		return err
	}
	for {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		if link.Attrs().OperState == netlink.OperUp {
			return nil
		}
		if _, _, err := events.Receive(); err != nil {
			return fmt.Errorf("wait until %s is up: %w", name, err)
		}
	}
}

// Unplug pulls the node's cable: the node sees its link go down. Frames that a
// relay had before may arrive yet.
func (n *Node) Unplug() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.setCable(netlink.LinkSetDown)
}

// Plug puts the cable back and returns when frames pass again.
func (n *Node) Plug() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	err := n.setCable(netlink.LinkSetUp)
	if err == nil {
		port := n.Name
		if n.relay != nil {
			port = relayPort(n.Name)
		}
		// A port that comes up by itself forwards some time after its link
		// does; one that is added when it is up forwards at once.
		err = n.lab.fabric.do(func() error {
			link, err := netlink.LinkByName(port)
			if err != nil {
				return err
			}
			return errors.Join(netlink.LinkSetNoMaster(link), n.lab.addPort(port), awaitUp(n.Name))
		})
	}
	if err != nil {
		return fmt.Errorf("plug in %s: %w", n.Name, err)
	}
	return n.Do(func() error { return awaitUp(Interface) })
}

// setCable does the same to the fabric's ends of all pieces of the cable.
func (n *Node) setCable(set func(netlink.Link) error) error {
	return n.lab.fabric.do(func() error {
		names := []string{n.Name}
		if n.relay != nil {
			names = append(names, relayEnd(n.Name))
		}
		for _, name := range names {
			link, err := netlink.LinkByName(name)
			if err != nil {
				return err
			}
			if err := set(link); err != nil {
				return err
			}
		}
		return nil
	})
}
