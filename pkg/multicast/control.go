package multicast

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ancillary is what the kernel says about a received buffer.
type ancillary struct {
	to      [4]byte
	index   int  // of the interface
	unicast bool // sent to this machine alone
	segment int  // bytes of each datagram but the last; 0 if there is one
}

const (
	headerLen = unix.SizeofCmsghdr
	// An address and a segment size, and room for alignment.
	receiveControl = 2*(headerLen+8) + unix.SizeofInet4Pktinfo
	sendControl    = headerLen + 8
)

// parse reads control messages (cmsg(3)).
func parse(b []byte) ancillary {
	var a ancillary
	for len(b) >= headerLen {
		size, level, kind := header(b)
		if size < headerLen || size > uint64(len(b)) {
			break
		}
		data := b[headerLen:size]
		switch {
		case level == unix.IPPROTO_IP && kind == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			a.index = int(int32(binary.NativeEndian.Uint32(data)))
			a.to = [4]byte(data[8:12])
			// The address to answer from is the one that was sent to.
			a.unicast = [4]byte(data[4:8]) == a.to
		case level == unix.IPPROTO_UDP && kind == unix.UDP_GRO && len(data) >= 4:
			a.segment = max(int(int32(binary.NativeEndian.Uint32(data))), 0)
		}
		next := align(size)
		if next >= uint64(len(b)) {
			break
		}
		b = b[next:]
	}
	return a
}

func align(n uint64) uint64 {
	const word = uint64(unsafe.Sizeof(uintptr(0)))
	return (n + word - 1) &^ (word - 1)
}

// header reads a cmsghdr.
func header(b []byte) (size uint64, level, kind int32) {
	h := (*unix.Cmsghdr)(unsafe.Pointer(unsafe.SliceData(b[:headerLen])))
	return uint64(h.Len), h.Level, h.Type
}

// putSegment writes the control message that has the kernel cut a buffer into
// datagrams of size bytes.
func putSegment(b []byte, size int) {
	h := (*unix.Cmsghdr)(unsafe.Pointer(unsafe.SliceData(b[:sendControl])))
	h.SetLen(headerLen + 2)
	h.Level, h.Type = unix.IPPROTO_UDP, unix.UDP_SEGMENT
	binary.NativeEndian.PutUint16(b[headerLen:], uint16(size))
}

// segmentOf reads back what putSegment wrote.
func segmentOf(b []byte) int { return int(binary.NativeEndian.Uint16(b[headerLen:])) }
