package multicast

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// tap sees what passes an interface.
type tap struct {
	fd int
}

func (s *space) tap(t testing.TB, iface string) *tap {
	t.Helper()
	w := &tap{-1}
	s.do(func() {
		all := uint16(unix.ETH_P_ALL)>>8 | uint16(unix.ETH_P_ALL)<<8
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(all))
		if err != nil {
			t.Error(err)
			return
		}
		w.fd = fd
		link, err := s.nl.LinkByName(iface)
		if err != nil {
			t.Error(err)
			return
		}
		if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: link.Attrs().Index}); err != nil {
			t.Error(err)
		}
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20)
	})
	t.Cleanup(func() { unix.Close(w.fd) })
	if t.Failed() {
		t.FailNow()
	}
	return w
}

// read gives the next n IPv4 packets of the protocol, or fewer if they do not
// pass.
func (w *tap) read(t testing.TB, protocol byte, n int) [][]byte {
	t.Helper()
	var all [][]byte
	buf := make([]byte, 1<<17)
	deadline := time.Now().Add(time.Second)
	for len(all) < n {
		left := time.Until(deadline)
		if left <= 0 {
			return all
		}
		tv := unix.NsecToTimeval(int64(left))
		unix.SetsockoptTimeval(w.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv)
		m, _, err := unix.Recvfrom(w.fd, buf, 0)
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		if m < 34 || binary.BigEndian.Uint16(buf[12:]) != unix.ETH_P_IP || buf[14+9] != protocol {
			continue
		}
		size := int(binary.BigEndian.Uint16(buf[16:]))
		all = append(all, append([]byte(nil), buf[14:][:size]...))
	}
	return all
}

// TestSameOnTheWire compares what leaves the interface, byte by byte, with and
// without the kernel's help, on devices with and without that of hardware.
func TestSameOnTheWire(t *testing.T) {
	r := newRoom(t, 1)
	sender := r.nodes[0]
	sender.feature(t, "eth0", "tx-udp-segmentation", false)
	for _, device := range []string{"no segmentation", "no checksums"} {
		if device == "no checksums" {
			sender.feature(t, "eth0", "tx-checksum-ip-generic", false)
		}
		for _, peer := range []string{"239.192.7.1:9000", "10.9.0.255:9000"} {
			t.Run(device+"/"+peer, func(t *testing.T) {
				pkts := packets(200, 1048)
				pkts[99].Data = pkts[99].Data[:7] // ends a run
				pkts[120].Header, pkts[120].Data = nil, nil
				pkts[121].Header = nil
				pkts[122].Data = nil
				capture := func(cfg Config) (seen []string) {
					cfg.Peer, cfg.Interface = addrPort(peer), "eth0"
					c := sender.open(t, cfg)
					defer c.Close()
					w := sender.tap(t, "eth0")
					send(t, c, pkts)
					if n := c.Stats().SendCalls; cfg.Batch == 1 != (n == uint64(len(pkts))) {
						t.Errorf("%d system calls for %d packets, batches of %d", n, len(pkts), cfg.Batch)
					}
					for _, p := range w.read(t, unix.IPPROTO_UDP, len(pkts)) {
						checkPacket(t, p, device == "no checksums")
						// The TTL of 5 is for groups.
						if ttl := map[bool]byte{true: 5, false: 64}[c.Mode() == Group]; p[8] != ttl {
							t.Errorf("TTL %d, want %d", p[8], ttl)
						}
						clear(p[4:6])   // identification
						clear(p[10:12]) // the header's checksum
						if device != "no checksums" {
							clear(p[26:28]) // left to the hardware
						}
						seen = append(seen, string(p))
					}
					return seen
				}
				plain := capture(Config{NoOffload: true, Batch: 1})
				if len(plain) != len(pkts) {
					t.Fatalf("saw %d packets of %d", len(plain), len(pkts))
				}
				for i, p := range plain {
					if got, want := p[28:], string(pkts[i].Header)+string(pkts[i].Data); got != want {
						t.Fatalf("packet %d is %q, want %q", i, got, want)
					}
				}
				for path, cfg := range paths {
					if diff := cmp.Diff(plain, capture(cfg)); diff != "" {
						t.Errorf("%s (-one by one +this):\n%.2000s", path, diff)
					}
				}
			})
		}
	}
}

// checkPacket checks the header and, if it is there, the UDP checksum.
func checkPacket(t *testing.T, p []byte, udp bool) {
	t.Helper()
	if len(p) < 28 || p[0] != 0x45 || checksum(p[:20]) != 0 {
		t.Errorf("bad IPv4 header % x", p[:min(len(p), 28)])
		return
	}
	if frag := binary.BigEndian.Uint16(p[6:]); frag != 0 {
		t.Errorf("fragment or don't-fragment bits %#x", frag)
	}
	if size := int(binary.BigEndian.Uint16(p[24:])); size != len(p)-20 {
		t.Errorf("UDP length %d in %d bytes", size, len(p)-20)
	}
	if !udp {
		return
	}
	pseudo := append([]byte{0, unix.IPPROTO_UDP}, p[24:26]...)
	pseudo = append(append(pseudo, p[12:20]...), p[20:]...)
	if len(pseudo)%2 != 0 {
		pseudo = append(pseudo, 0)
	}
	if sum := checksum(pseudo); sum != 0 {
		t.Errorf("UDP checksum is off by %#x", sum)
	}
}

func TestJumboIsFragmented(t *testing.T) {
	r := newRoom(t, 1)
	w := r.nodes[0].tap(t, "eth0")
	c := r.nodes[0].open(t, Config{Peer: group, Interface: "eth0"})
	send(t, c, packets(2, 8216))
	var got []string
	for _, p := range w.read(t, unix.IPPROTO_UDP, 12) {
		frag := binary.BigEndian.Uint16(p[6:])
		got = append(got, fmt.Sprintf("%d at %d more %t", len(p)-20, int(frag&0x1fff)*8, frag&0x2000 != 0))
		if frag&0x4000 != 0 {
			t.Error("a router may not fragment the packet")
		}
	}
	one := []string{"1480 at 0 more true", "1480 at 1480 more true", "1480 at 2960 more true", "1480 at 4440 more true", "1480 at 5920 more true", "824 at 7400 more false"}
	if diff := cmp.Diff(append(one, one...), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReport(t *testing.T) {
	r := newRoom(t, 1)
	c := r.nodes[0].open(t, Config{Peer: group, Interface: "eth0", Loop: true})
	want := []byte{
		0x46, 0xc0, 0, 32, 0, 0, 0x40, 0, 1, 2, 0, 0, 10, 9, 0, 1, 239, 192, 7, 1, 0x94, 4, 0, 0,
		0x16, 0, 0xf3, 0x3d, 239, 192, 7, 1,
	}
	w := r.bridge.tap(t, "br0")
	r.nodes[0].do(func() {
		if err := c.Refresh(); err != nil {
			t.Error(err)
		}
	})
	// The kernel's own reports of joining may be late.
	var got []byte
	for got == nil || got[24] == 0x22 {
		p := w.read(t, unix.IPPROTO_IGMP, 1)
		if len(p) == 0 {
			t.Fatal("no report")
		}
		got = p[0]
	}
	if checksum(got[:24]) != 0 {
		t.Errorf("bad IPv4 checksum in % x", got)
	}
	clear(got[4:6])
	clear(got[10:12])
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}

	w = r.bridge.tap(t, "br0")
	without(t, unix.EPERM, []uint32{unix.SYS_SOCKET}, func() {
		if err := c.Refresh(); err != nil {
			t.Error(err)
		}
	})
	// The kernel speaks IGMPv3 where no router has spoken: type 0x22, a record
	// that the group is excluded from nothing (4).
	for joined := false; !joined; {
		p := w.read(t, unix.IPPROTO_IGMP, 1)
		if len(p) == 0 {
			t.Fatal("nobody joined again")
		}
		joined = len(p[0]) >= 40 && p[0][24] == 0x22 && p[0][32] == 4 && string(p[0][36:40]) == string(want[28:])
	}
	send(t, c, packets(1, 100))
	receive(t, c, 1)
}
