package netup

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
)

// keep renews the lease until ctx ends: from its server after T1, from any
// server after T2. If it runs out, the address is kept, with a warning, and a
// new lease is asked for: a job that runs for an hour must not die because the
// DHCP server was away for a while.
func (o *offer) keep(ctx context.Context, c Config) {
	l := o.lease
	for {
		t1, t2, end := l.times()
		if end == 0 || o.Lease == 0 { // for ever
			return
		}
		sleep(ctx, time.Until(l.at.Add(t1)))
		next, err := l.renew(ctx, o, l.at.Add(t2), o.unicast)
		if next == nil && err == nil {
			next, err = l.renew(ctx, o, l.at.Add(end), o.broadcast)
		}
		if ctx.Err() != nil {
			return
		}
		if next == nil {
			c.Note(fmt.Sprintf("%s: lease of %s not renewed (%s), kept until a server answers", o.Interface, o.Addr, why(err)))
			if next = o.again(ctx, c); next == nil {
				return
			}
		}
		l = next
	}
}

// again looks for a new lease and puts it in place.
func (o *offer) again(ctx context.Context, c Config) *lease4 {
	for ctx.Err() == nil {
		l, err := discover(ctx, o.links, c)
		if l == nil {
			if err != nil {
				sleep(ctx, 5*time.Second)
			}
			continue
		}
		fresh, err := l.offer()
		if err != nil {
			sleep(ctx, 5*time.Second)
			continue
		}
		fresh.Interface, fresh.MAC, fresh.links = o.Interface, o.MAC, o.links
		if fresh.Addr != o.Addr {
			c.Note(fmt.Sprintf("%s: address changed from %s to %s", o.Interface, o.Addr, fresh.Addr))
		}
		if err := fresh.configure(); err != nil {
			c.Note(err.Error())
		}
		o.Addr = fresh.Addr
		return l
	}
	return nil
}

// renew asks every half of the time that is left, at least a minute apart
// unless the lease is shorter than that (RFC 2131, 4.4.5). It returns nothing
// when the time is over, and an error when the server takes the address away.
func (l *lease4) renew(ctx context.Context, o *offer, until time.Time, dial func(*lease4) (*nclient4.Client, error)) (*lease4, error) {
	for ctx.Err() == nil && time.Now().Before(until) {
		left := time.Until(until)
		ack, err := l.renewOnce(ctx, o, min(left, 4*time.Second), dial)
		switch {
		case err == nil && ack.MessageType() == dhcpv4.MessageTypeNak:
			return nil, fmt.Errorf("server %s says no: %s", ack.ServerIdentifier(), ack.Message())
		case err == nil:
			return l.renewed(ack), nil
		}
		sleep(ctx, min(time.Until(until), max(left/2, min(left, time.Minute))))
	}
	return nil, nil
}

func (l *lease4) renewOnce(ctx context.Context, o *offer, d time.Duration, dial func(*lease4) (*nclient4.Client, error)) (*dhcpv4.DHCPv4, error) {
	client, err := dial(l)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	request, err := dhcpv4.NewRenewFromAck(l.ack, say(o.links.Attrs().HardwareAddr, l.class)...)
	if err != nil {
		return nil, err
	}
	request.TransactionID, err = dhcpv4.GenerateTransactionID()
	if err != nil {
		return nil, err
	}
	return ask(ctx, client, request, d, reply)
}

// renewed is the lease with its new time. Servers that leave options out of a
// renewal mean the old ones.
func (l *lease4) renewed(ack *dhcpv4.DHCPv4) *lease4 {
	for code, value := range l.ack.Options {
		if _, ok := ack.Options[code]; !ok {
			ack.Options[code] = value
		}
	}
	return &lease4{ack: ack, at: time.Now(), class: l.class}
}

func (o *offer) unicast(l *lease4) (*nclient4.Client, error) {
	return nclient4.New(o.Interface, nclient4.WithHWAddr(o.links.Attrs().HardwareAddr),
		nclient4.WithUnicast(&net.UDPAddr{IP: o.Addr.Addr().AsSlice(), Port: nclient4.ClientPort}),
		nclient4.WithServerAddr(&net.UDPAddr{IP: l.ack.ServerIdentifier(), Port: nclient4.ServerPort}),
		nclient4.WithTimeout(time.Hour), nclient4.WithRetry(1))
}

func (o *offer) broadcast(*lease4) (*nclient4.Client, error) {
	return nclient4.New(o.Interface, nclient4.WithHWAddr(o.links.Attrs().HardwareAddr),
		nclient4.WithTimeout(time.Hour), nclient4.WithRetry(1))
}

func why(err error) string {
	if err == nil {
		return "no server answers"
	}
	return err.Error()
}
