package uhd

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"
)

// Radio is one that has answered. Its words are its own.
type Radio struct {
	Kind    string // "USRP X310", "USRP N310", "USRP2/N200 series"
	Address netip.Addr
	Serial  string // "" where the protocol has none
	Name    string // that its owner gave it
}

// Bounds of one network.
const (
	mostRadios  = 256
	mostPackets = 4096
	packetSize  = 2048

	// Rounds of asking: broadcasts get lost.
	rounds = 2
)

// Ask asks the network with an interface's address for radios, listening for so
// long, and returns those that have answered in order of their addresses.
func Ask(ctx context.Context, network netip.Prefix, bound time.Duration) ([]Radio, error) {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(network.Addr(), 0)))
	if err != nil {
		return nil, fmt.Errorf("ask %s for radios: %w", network, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	a := newAsker(conn.WriteToUDPAddrPort, network)
	began := time.Now()
	for i := range rounds {
		if err := a.ask(); err != nil && i == 0 {
			return nil, fmt.Errorf("ask %s for radios: %w", network, err)
		}
		if err := a.listen(ctx, conn, began.Add(bound*time.Duration(i+1)/rounds)); err != nil {
			return a.radios(), fmt.Errorf("listen on %s for radios: %w", network, err)
		}
	}
	return a.radios(), nil
}

// broadcast is the last address of a network.
func broadcast(network netip.Prefix) netip.Addr {
	b := network.Addr().As4()
	n := binary.BigEndian.Uint32(b[:]) | uint32(uint64(1)<<(32-network.Bits())-1)
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}

// asker has a conversation with one network.
type asker struct {
	send      func([]byte, netip.AddrPort) (int, error)
	broadcast netip.Addr
	x300s     map[netip.Addr]*x300
	others    map[netip.Addr]Radio
	packets   int
}

func newAsker(send func([]byte, netip.AddrPort) (int, error), network netip.Prefix) *asker {
	return &asker{send: send, broadcast: broadcast(network), x300s: map[netip.Addr]*x300{}, others: map[netip.Addr]Radio{}}
}

// hello is the sequence number of the packet that asks the X300 series, which
// has to be of some use.
const hello = 0x4f524249

// ask broadcasts, and asks again for what is missing.
func (a *asker) ask() error {
	var errs []error
	for _, p := range []struct {
		port   uint16
		packet []byte
	}{{controlPort, usrp2Hello()}, {controlPort, x300Packet(flagAnswer, hello, 0)}, {mpmPort, []byte(mpmHello)}} {
		_, err := a.send(p.packet, netip.AddrPortFrom(a.broadcast, p.port))
		errs = append(errs, err)
	}
	for address, x := range a.x300s {
		a.read(address, x)
	}
	return errors.Join(errs...)
}

// read asks a radio for the words that are missing. Those that get lost are
// asked for again in the next round.
func (a *asker) read(address netip.Addr, x *x300) {
	for _, word := range x.missing() {
		a.send(x300Packet(flagAnswer|flagRead, word, word), netip.AddrPortFrom(address, controlPort))
	}
}

// listen takes answers until a time.
func (a *asker) listen(ctx context.Context, conn *net.UDPConn, until time.Time) error {
	conn.SetReadDeadline(until)
	if ctx.Err() != nil { // which has set another one meanwhile
		return nil
	}
	b := make([]byte, packetSize)
	for a.packets < mostPackets {
		n, from, err := conn.ReadFromUDPAddrPort(b)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
		a.packets++
		a.take(b[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
	}
	return nil
}

// take decodes an answer.
func (a *asker) take(b []byte, from netip.AddrPort) {
	address := from.Addr()
	x, known := a.x300s[address]
	if !known && len(a.x300s)+len(a.others) >= mostRadios {
		return
	}
	product, serial, isMPM := mpm(b)
	switch {
	case isMPM:
		a.others[address] = Radio{Kind: strings.TrimSpace("USRP " + strings.ToUpper(product)), Address: address, Serial: serial}
	case from.Port() != controlPort:
	case string(b) == string(x300Packet(flagAnswer, hello, 0)):
		if !known {
			x = &x300{words: map[uint32]uint32{}}
			a.x300s[address] = x
			a.read(address, x)
		}
	case known:
		x.take(b)
	case isUSRP2(b):
		a.others[address] = Radio{Kind: "USRP2/N200 series", Address: address}
	}
}

// radios are those that have answered, in order.
func (a *asker) radios() (found []Radio) {
	for address, x := range a.x300s {
		kind, name, serial := x.facts()
		found = append(found, Radio{Kind: kind, Address: address, Serial: serial, Name: name})
	}
	for _, r := range a.others {
		found = append(found, r)
	}
	// Few: the shortest sort will do.
	for i := range found {
		for j := i; j > 0 && found[j].Address.Less(found[j-1].Address); j-- {
			found[j], found[j-1] = found[j-1], found[j]
		}
	}
	return found
}
