// Package pcaptest reads captures of real frisbee sessions for tests: classic
// pcap files of Ethernet, compressed with gzip or not, of either byte order,
// with the UDP datagrams and TCP streams over IPv4 in them. Fragments are not
// put together.
package pcaptest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"
)

// IP protocols that a Frame may carry.
const (
	TCP = 6
	UDP = 17
)

const (
	linkEthernet = 1
	maxFrame     = 1 << 18
)

// Frame is one captured IPv4 packet.
type Frame struct {
	Number   int           // in the file, from 1
	Time     time.Duration // since the first frame of the file, of whatever kind
	Src, Dst netip.AddrPort
	TTL      int
	Proto    int    // TCP, UDP, or another without ports and payload
	Seq      uint32 // of a TCP segment
	SYN, FIN bool
	Payload  []byte // of the UDP datagram or the TCP segment
}

// Read reads a whole capture. Frames that are not IPv4 are left out.
func Read(r io.Reader) ([]Frame, error) {
	br := bufio.NewReader(r)
	if m, err := br.Peek(2); err == nil && m[0] == 0x1f && m[1] == 0x8b {
		z, err := gzip.NewReader(br)
		if err != nil {
			return nil, fmt.Errorf("read capture: %w", err)
		}
		defer z.Close()
		br = bufio.NewReader(z)
	}
	var head [24]byte
	if _, err := io.ReadFull(br, head[:]); err != nil {
		return nil, fmt.Errorf("read capture: header: %w", err)
	}
	order, tick, err := format(head[:])
	if err != nil {
		return nil, fmt.Errorf("read capture: %w", err)
	}
	var frames []Frame
	var start time.Duration
	for n := 1; ; n++ {
		var rec [16]byte
		if _, err := io.ReadFull(br, rec[:]); err == io.EOF {
			return frames, nil
		} else if err != nil {
			return nil, fmt.Errorf("read capture: frame %d: %w", n, err)
		}
		kept, whole := order.Uint32(rec[8:]), order.Uint32(rec[12:])
		if kept != whole || kept > maxFrame {
			return nil, fmt.Errorf("read capture: frame %d: %d of %d bytes", n, kept, whole)
		}
		b := make([]byte, kept)
		if _, err := io.ReadFull(br, b); err != nil {
			return nil, fmt.Errorf("read capture: frame %d: %w", n, err)
		}
		at := time.Duration(order.Uint32(rec[0:]))*time.Second + time.Duration(order.Uint32(rec[4:]))*tick
		if n == 1 {
			start = at
		}
		f := Frame{Number: n, Time: at - start}
		ok, err := f.ethernet(b)
		if err != nil {
			return nil, fmt.Errorf("read capture: frame %d: %w", n, err)
		}
		if ok {
			frames = append(frames, f)
		}
	}
}

// format tells byte order and unit of time by the magic number.
func format(head []byte) (order binary.ByteOrder, tick time.Duration, err error) {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		switch order.Uint32(head) {
		case 0xa1b2c3d4:
			tick = time.Microsecond
		case 0xa1b23c4d:
			tick = time.Nanosecond
		default:
			continue
		}
		if link := order.Uint32(head[20:]) & 0xffff; link != linkEthernet {
			return nil, 0, fmt.Errorf("link type %d, not Ethernet", link)
		}
		return order, tick, nil
	}
	return nil, 0, errors.New("not a pcap file")
}

func (f *Frame) ethernet(b []byte) (bool, error) {
	if len(b) < 14 {
		return false, errors.New("shorter than its Ethernet header")
	}
	if binary.BigEndian.Uint16(b[12:]) != 0x0800 {
		return false, nil
	}
	return true, f.ipv4(b[14:])
}

func (f *Frame) ipv4(b []byte) error {
	if len(b) < 20 {
		return errors.New("shorter than its IPv4 header")
	}
	be := binary.BigEndian
	head, total := int(b[0]&15)*4, int(be.Uint16(b[2:]))
	switch {
	case b[0]>>4 != 4 || head < 20 || total < head || total > len(b):
		return errors.New("broken IPv4 header")
	case be.Uint16(b[6:])&0x3fff != 0:
		return errors.New("fragment")
	}
	f.TTL, f.Proto = int(b[8]), int(b[9])
	src, dst := netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
	f.Src, f.Dst = netip.AddrPortFrom(src, 0), netip.AddrPortFrom(dst, 0)
	b = b[head:total]
	switch f.Proto {
	case UDP:
		if len(b) < 8 || int(be.Uint16(b[4:])) != len(b) {
			return errors.New("broken UDP header")
		}
		f.Payload = b[8:]
	case TCP:
		if len(b) < 20 || int(b[12]>>4)*4 < 20 || int(b[12]>>4)*4 > len(b) {
			return errors.New("broken TCP header")
		}
		f.Seq, f.FIN, f.SYN = be.Uint32(b[4:]), b[13]&1 != 0, b[13]&2 != 0
		f.Payload = b[int(b[12]>>4)*4:]
	default:
		return nil
	}
	f.Src = netip.AddrPortFrom(src, be.Uint16(b))
	f.Dst = netip.AddrPortFrom(dst, be.Uint16(b[2:]))
	return nil
}

// Stream is one direction of a TCP connection.
type Stream struct {
	Src, Dst netip.AddrPort
	Frame    int // of the SYN
	Data     []byte
	Closed   bool // with a FIN
}

// Streams puts TCP segments together, in order of the first SYN of each
// direction. A capture with a gap in a stream is an error; one with segments
// out of order is taken for that.
func Streams(frames []Frame) ([]Stream, error) {
	type ends struct{ src, dst netip.AddrPort }
	var streams []Stream
	index, first := map[ends]int{}, map[ends]uint32{}
	for _, f := range frames {
		if f.Proto != TCP {
			continue
		}
		e := ends{f.Src, f.Dst}
		i, known := index[e]
		switch {
		case f.SYN && !known:
			index[e], first[e] = len(streams), f.Seq+1
			streams = append(streams, Stream{Src: f.Src, Dst: f.Dst, Frame: f.Number})
			continue
		case !known:
			return nil, fmt.Errorf("frame %d: stream from %v to %v without a beginning", f.Number, f.Src, f.Dst)
		}
		s := &streams[i]
		s.Closed = s.Closed || f.FIN
		if len(f.Payload) == 0 {
			continue
		}
		off := int(int32(f.Seq - first[e]))
		if off < 0 || off > len(s.Data) || !bytes.HasPrefix(f.Payload, s.Data[off:]) {
			return nil, fmt.Errorf("frame %d: byte %d of a stream that has %d", f.Number, off, len(s.Data))
		}
		s.Data = append(s.Data[:off], f.Payload...)
	}
	return streams, nil
}
