package multicast

import (
	"net"
	"net/netip"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestResolve(t *testing.T) {
	for _, test := range []struct {
		subnet, peer, to string
		mode             Mode
	}{
		{"10.9.0.1/24", "239.1.2.3", "239.1.2.3", Group},
		{"10.9.0.1/24", "255.255.255.255", "10.9.0.255", Broadcast},
		{"10.9.130.1/18", "255.255.255.255", "10.9.191.255", Broadcast},
		{"10.9.0.1/30", "10.9.0.3", "10.9.0.3", Broadcast},
		{"10.9.0.1/31", "10.9.0.1", "10.9.0.1", Unicast},
		{"10.9.0.1/16", "10.9.0.255", "10.9.0.255", Unicast},
		{"10.9.0.1/31", "255.255.255.255", "", 0},
		{"10.9.0.1/32", "255.255.255.255", "", 0},
	} {
		subnet := netip.MustParsePrefix(test.subnet)
		p := place{addr: subnet.Addr().As4(), mask: [4]byte(net.CIDRMask(subnet.Bits(), 32))}
		to, mode, ok := p.resolve(netip.MustParseAddr(test.peer).As4())
		if ok != (test.to != "") {
			t.Errorf("%s on %s: ok %t", test.peer, test.subnet, ok)
		}
		if ok && (to != netip.MustParseAddr(test.to).As4() || mode != test.mode) {
			t.Errorf("%s on %s is %v, mode %d; want %s, mode %d", test.peer, test.subnet, to, mode, test.to, test.mode)
		}
	}
}

// TestFill checks how datagrams are put together for the kernel to cut.
func TestFill(t *testing.T) {
	sizes := func(s ...int) (pkts []Packet) {
		for _, n := range s {
			pkts = append(pkts, packets(1, n)[0])
		}
		return pkts
	}
	same := func(n, size int) []int {
		s := make([]int, n)
		for i := range s {
			s[i] = size
		}
		return s
	}
	for name, test := range map[string]struct {
		cut  int
		pkts []int
		want []int
	}{
		"plain":            {0, same(5, 100), []int{1, 1, 1, 1, 1}},
		"equal":            {1472, same(5, 100), []int{5}},
		"short end":        {1472, []int{100, 100, 40, 100}, []int{3, 1}},
		"longer":           {1472, []int{100, 101, 101}, []int{1, 2}},
		"empty":            {1472, []int{100, 0, 100, 100}, []int{1, 1, 2}},
		"over the MTU":     {1472, []int{1473, 1473, 1472, 1472}, []int{1, 1, 2}},
		"64 KiB":           {1472, same(120, 1048), []int{62, 58}},
		"64 segments":      {1472, same(100, 6), []int{64, 36}},
		"full runs only":   {1472, same(300, 1048), []int{62, 62, 62, 62}},
		"more than a call": {0, same(100, 100), same(64, 1)},
	} {
		b := newBatch(64, test.cut)
		pkts := sizes(test.pkts...)
		n := b.fill(pkts)
		if diff := cmp.Diff(test.want, b.counts[:n]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		var bytes int
		for _, v := range b.vecs {
			bytes += int(v.Len)
		}
		for _, c := range b.counts[:n] {
			for _, p := range pkts[:c] {
				bytes -= p.size()
			}
			pkts = pkts[c:]
		}
		if bytes != 0 {
			t.Errorf("%s: %d bytes too many", name, bytes)
		}
	}
}

// TestNoGarbage sends and receives without allocating.
func TestNoGarbage(t *testing.T) {
	for path, cfg := range paths {
		cfg.Peer, cfg.Interface = addrPort("127.0.0.1:9115"), "lo"
		c, err := Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		pkts := packets(20, 1048)
		n := testing.AllocsPerRun(50, func() {
			send(t, c, pkts)
			for left := len(pkts); left > 0; {
				batch, err := c.Receive(t.Context(), time.Now().Add(time.Second))
				if err != nil {
					t.Fatal(err)
				}
				left -= len(batch)
			}
		})
		if n > 0 {
			t.Errorf("%s: %v allocations", path, n)
		}
		for _, v := range c.sender.batch.vecs {
			if v.Base != nil {
				t.Fatalf("%s: holds on to packets", path)
			}
		}
		c.Close()
	}
}

func FuzzParse(f *testing.F) {
	f.Add(control(unix.IPPROTO_IP, unix.IP_PKTINFO, []byte{3, 0, 0, 0, 10, 0, 0, 1, 10, 0, 0, 1}))
	f.Add(append(control(unix.IPPROTO_IP, unix.IP_PKTINFO, []byte{3, 0, 0, 0, 10, 0, 0, 1, 239, 0, 0, 1}),
		control(unix.IPPROTO_UDP, unix.UDP_GRO, []byte{24, 4, 0, 0})...))
	seg := make([]byte, sendControl)
	putSegment(seg, 1048)
	f.Add(seg)
	f.Fuzz(func(t *testing.T, b []byte) {
		a := parse(b)
		if a.segment < 0 {
			t.Errorf("segments of %d bytes", a.segment)
		}
	})
}

func control(level, kind uint32, data []byte) []byte {
	b := make([]byte, unix.CmsgSpace(len(data)))
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	h.Level, h.Type = int32(level), int32(kind)
	h.SetLen(unix.CmsgLen(len(data)))
	copy(b[unix.CmsgLen(0):], data)
	return b
}

func TestParse(t *testing.T) {
	info := control(unix.IPPROTO_IP, unix.IP_PKTINFO, []byte{3, 0, 0, 0, 10, 0, 0, 1, 239, 0, 0, 1})
	gro := control(unix.IPPROTO_UDP, unix.UDP_GRO, []byte{24, 4, 0, 0})
	full := ancillary{to: [4]byte{239, 0, 0, 1}, index: 3, segment: 1048}
	for name, test := range map[string]struct {
		b    []byte
		want ancillary
	}{
		"both":      {append(append([]byte(nil), info...), gro...), full},
		"swapped":   {append(append([]byte(nil), gro...), info...), full},
		"cut short": {append(append([]byte(nil), info...), gro[:len(gro)-5]...), ancillary{to: full.to, index: 3}},
		"nothing":   {nil, ancillary{}},
	} {
		if diff := cmp.Diff(test.want, parse(test.b), cmp.AllowUnexported(ancillary{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
