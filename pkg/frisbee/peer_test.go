package frisbee

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/pkg/multicast"
	"github.com/orbit-pxe/orbit/qemu/lab"
)

// peer speaks the protocol by hand.
type peer struct {
	t    testing.TB
	conn *multicast.Conn
	from [4]byte
	in   []heard
}

// heard is a packet that a peer received.
type heard struct {
	wire.Packet
	data     []byte
	from, to netip.Addr
}

func newPeer(t testing.TB, h *lab.Host, to netip.AddrPort) *peer {
	t.Helper()
	p := &peer{t: t}
	err := h.Do(func() (err error) {
		p.conn, err = multicast.Open(multicast.Config{Peer: to, Interface: lab.Interface, ReceiveBuffer: 8 << 20})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.conn.Close() })
	p.from = p.conn.Local().As4()
	return p
}

// send sends a message to all.
func (p *peer) send(m wire.Message) { p.raw(m.Append(nil, wire.Standard, p.from)) }

func (p *peer) raw(b []byte) { p.rawTo(p.conn.Peer(), b) }

func (p *peer) rawTo(to netip.AddrPort, b []byte) {
	p.t.Helper()
	if _, err := p.conn.SendTo(context.Background(), to, []multicast.Packet{{Data: b}}); err != nil && !multicast.Temporary(err) {
		p.t.Error(err)
	}
}

// next is the next packet that comes within a time.
func (p *peer) next(within time.Duration) (heard, bool) {
	p.t.Helper()
	until := time.Now().Add(within)
	for len(p.in) == 0 {
		all, err := p.conn.Receive(context.Background(), until)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return heard{}, false
		}
		if err != nil {
			p.t.Fatal(err)
		}
		for _, d := range all {
			data := append([]byte(nil), d.Data...)
			pkt, err := wire.Parse(data, wire.Standard)
			if err != nil {
				p.t.Errorf("a packet from %v: %v", d.From, err)
				continue
			}
			if d.From.Port() != p.conn.Peer().Port() {
				p.t.Errorf("a packet from port %d", d.From.Port())
			}
			p.in = append(p.in, heard{pkt, data, d.From.Addr(), d.To})
		}
	}
	h := p.in[0]
	p.in = p.in[1:]
	return h, true
}

// want is the next packet, which must come.
func (p *peer) want() heard {
	p.t.Helper()
	h, ok := p.next(5 * time.Second)
	if !ok {
		p.t.Fatal("no packet came")
	}
	return h
}

// liar sends packets that seem to be from others.
type liar struct {
	fd int
	t  testing.TB
}

func newLiar(t testing.TB, h *lab.Host) liar {
	t.Helper()
	l := liar{t: t}
	err := h.Do(func() (err error) {
		l.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(l.fd) })
	return l
}

// send sends a datagram from an address to another one.
func (l liar) send(from, to netip.AddrPort, payload []byte) {
	b := make([]byte, 28, 28+len(payload))
	be := binary.BigEndian
	b[0], b[8], b[9] = 0x45, 5, unix.IPPROTO_UDP // the kernel fills in length and checksum
	src, dst := from.Addr().As4(), to.Addr().As4()
	copy(b[12:], src[:])
	copy(b[16:], dst[:])
	be.PutUint16(b[20:], from.Port())
	be.PutUint16(b[22:], to.Port())
	be.PutUint16(b[24:], uint16(8+len(payload)))
	if err := unix.Sendto(l.fd, append(b, payload...), 0, &unix.SockaddrInet4{Addr: dst}); err != nil && !errors.Is(err, unix.ENOBUFS) {
		l.t.Error(err)
	}
}
