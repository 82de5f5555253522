package pcaptest

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// ip makes an Ethernet frame of an IPv4 packet, padded as short ones are.
func ip(proto byte, payload []byte) []byte {
	b := make([]byte, 14+20, 64)
	b[12], b[13] = 8, 0
	h := b[14:]
	h[0], h[8], h[9] = 0x45, 5, proto
	binary.BigEndian.PutUint16(h[2:], uint16(20+len(payload)))
	copy(h[12:], []byte{10, 0, 0, 1, 10, 0, 0, 2})
	b = append(b, payload...)
	return append(b, make([]byte, max(0, 60-len(b)))...)
}

func udp(data string) []byte {
	b := binary.BigEndian.AppendUint16([]byte{0, 7, 0, 8}, uint16(8+len(data)))
	return ip(UDP, append(append(b, 0, 0), data...))
}

func tcp(seq uint32, flags byte, data string) []byte {
	b := binary.BigEndian.AppendUint32([]byte{0, 7, 0, 8}, seq)
	b = append(b, 0, 0, 0, 0, 6<<4, flags, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1)
	return ip(TCP, append(b, data...))
}

// file makes a capture with a frame every 1.5 seconds.
func file(order binary.AppendByteOrder, magic uint32, frames ...[]byte) []byte {
	b := order.AppendUint32(nil, magic)
	b = append(b, make([]byte, 16)...)
	b = order.AppendUint32(b, linkEthernet)
	half := uint32(500_000)
	if magic == 0xa1b23c4d {
		half *= 1000
	}
	for i, f := range frames {
		b = order.AppendUint32(b, 1000+uint32(i)*3/2)
		b = order.AppendUint32(b, uint32(i%2)*half)
		b = order.AppendUint32(order.AppendUint32(b, uint32(len(f))), uint32(len(f)))
		b = append(b, f...)
	}
	return b
}

var addresses = cmpopts.EquateComparable(netip.AddrPort{})

func TestRead(t *testing.T) {
	arp := make([]byte, 60)
	arp[12], arp[13] = 8, 6
	src, dst := netip.MustParseAddrPort("10.0.0.1:7"), netip.MustParseAddrPort("10.0.0.2:8")
	want := []Frame{
		{Number: 2, Time: 1500 * time.Millisecond, Src: src, Dst: dst, TTL: 5, Proto: UDP, Payload: []byte("hello")},
		{Number: 3, Time: 3 * time.Second, Src: src, Dst: dst, TTL: 5, Proto: TCP, Seq: 9, SYN: true, Payload: []byte{}},
		{Number: 4, Time: 4500 * time.Millisecond, Src: netip.MustParseAddrPort("10.0.0.1:0"), Dst: netip.MustParseAddrPort("10.0.0.2:0"), TTL: 5, Proto: 2},
	}
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		for _, magic := range []uint32{0xa1b2c3d4, 0xa1b23c4d} {
			raw := file(order, magic, arp, udp("hello"), tcp(9, 2, ""), ip(2, []byte("igmp")))
			var z bytes.Buffer
			w := gzip.NewWriter(&z)
			w.Write(raw)
			w.Close()
			for _, b := range [][]byte{raw, z.Bytes()} {
				got, err := Read(bytes.NewReader(b))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got, addresses); diff != "" {
					t.Errorf("%v %x (-want +got):\n%s", order, magic, diff)
				}
			}
			if _, err := Read(bytes.NewReader(z.Bytes()[:z.Len()-9])); err == nil {
				t.Error("cut gzip file: no error")
			}
		}
	}
}

func TestReadBroken(t *testing.T) {
	le := binary.LittleEndian
	whole := file(le, 0xa1b2c3d4, udp("hello"))
	for n := range whole {
		if _, err := Read(bytes.NewReader(whole[:n])); (err == nil) != (n == 24) {
			t.Errorf("first %d of %d bytes: %v", n, len(whole), err)
		}
	}
	set := func(b []byte, off int, v byte) []byte {
		b = bytes.Clone(b)
		b[off] = v
		return b
	}
	one := func(f []byte) []byte { return file(le, 0xa1b2c3d4, f) }
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"text", []byte(strings.Repeat("text", 10)), "not a pcap file"},
		{"raw IP", set(whole, 20, 101), "link type 101"},
		{"cut frame", set(whole, 24+12, 200), "60 of 200 bytes"},
		{"fragment", one(set(udp("x"), 14+7, 1)), "fragment"},
		{"first fragment", one(set(udp("x"), 14+6, 0x20)), "fragment"},
		{"version 6", one(set(udp("x"), 14, 0x65)), "IPv4 header"},
		{"IPv4 longer than the frame", one(set(udp("x"), 14+2, 1)), "IPv4 header"},
		{"UDP longer than IPv4", one(set(udp("x"), 14+20+5, 100)), "UDP header"},
		{"TCP header longer than TCP", one(set(tcp(1, 2, ""), 14+20+12, 0xf0)), "TCP header"},
		{"nearly nothing", one([]byte("x")), "Ethernet header"},
	} {
		if _, err := Read(bytes.NewReader(c.b)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestStreams(t *testing.T) {
	const syn, fin, ack = 2, 1, 16
	read := func(frames ...[]byte) ([]Stream, error) {
		f, err := Read(bytes.NewReader(file(binary.BigEndian, 0xa1b2c3d4, frames...)))
		if err != nil {
			t.Fatal(err)
		}
		return Streams(f)
	}
	start := uint32(1<<32 - 3) // the numbers wrap
	got, err := read(udp("x"), tcp(start, syn, ""), tcp(start+1, ack, "abc"), tcp(start+1, ack, "abcd"), tcp(start+5, ack|fin, "ef"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Stream{{netip.MustParseAddrPort("10.0.0.1:7"), netip.MustParseAddrPort("10.0.0.2:8"), 2, []byte("abcdef"), true}}
	if diff := cmp.Diff(want, got, addresses); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, frames := range map[string][][]byte{
		"gap":          {tcp(1, syn, ""), tcp(3, ack, "x")},
		"before":       {tcp(1, syn, ""), tcp(1, ack, "x")},
		"other bytes":  {tcp(1, syn, ""), tcp(2, ack, "xy"), tcp(2, ack, "xz")},
		"no beginning": {tcp(1, ack, "x")},
	} {
		if _, err := read(frames...); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestGolden reads all golden captures.
func TestGolden(t *testing.T) {
	for name, want := range map[string]int{"session-2011.pcap.gz": 3250, "session-2016.pcap.gz": 3245, "mserver-get-put.pcap.gz": 61} {
		if got := len(Load(t, name)); got != want {
			t.Errorf("%s: %d frames, want %d", name, got, want)
		}
	}
}

// FuzzRead looks for a capture that the reader crashes on.
func FuzzRead(f *testing.F) {
	f.Add(file(binary.LittleEndian, 0xa1b2c3d4, udp("hello"), tcp(9, 2, ""), tcp(10, 1, "data")))
	f.Fuzz(func(t *testing.T, b []byte) {
		frames, err := Read(io.MultiReader(bytes.NewReader(b)))
		if err == nil {
			Streams(frames)
		}
	})
}
