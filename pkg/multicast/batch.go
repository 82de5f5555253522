package multicast

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	maxPayload = 65535 - 20 - 8 // of a UDP datagram, bytes
	maxBatch   = 1024
	// maxSegments is what the kernel cuts one buffer into at most
	// (UDP_MAX_SEGMENTS; newer kernels allow more).
	maxSegments = 64
	// maxRuns are the full buffers to cut in one system call.
	maxRuns = 4
)

// Packet is one datagram to send: Header and Data follow one another.
type Packet struct {
	Header, Data []byte
}

func (p *Packet) size() int { return len(p.Header) + len(p.Data) }

// batch lays packets out for the kernel. Its arrays stay where they are.
type batch struct {
	name   unix.RawSockaddrInet4
	msgs   []unix.Mmsghdr
	vecs   []unix.Iovec
	counts []int // datagrams of each message
	ctl    []byte
	// cut is the largest datagram that the kernel cuts a buffer into; 0 if it
	// does not.
	cut   int
	multi bool // there is sendmmsg
}

func newBatch(size, cut int) batch {
	return batch{
		msgs:   make([]unix.Mmsghdr, size),
		vecs:   make([]unix.Iovec, 2*max(size, maxRuns*maxSegments)),
		counts: make([]int, size),
		ctl:    make([]byte, size*sendControl),
		cut:    cut,
		multi:  size > 1,
	}
}

// fill lays out as many of the packets as fit, at least one, and gives the
// number of messages that they make.
func (b *batch) fill(pkts []Packet) int {
	msgs, vecs := 0, 0
	for msgs < len(b.msgs) && len(pkts) > 0 {
		n, segment := b.run(pkts)
		if vecs+2*n > len(b.vecs) {
			break // better a full buffer in the next call than two halves
		}
		m := &b.msgs[msgs].Hdr
		*m = unix.Msghdr{Name: (*byte)(unsafe.Pointer(&b.name)), Namelen: unix.SizeofSockaddrInet4, Iov: &b.vecs[vecs]}
		m.SetIovlen(2 * n)
		for _, p := range pkts[:n] {
			vector(&b.vecs[vecs], p.Header)
			vector(&b.vecs[vecs+1], p.Data)
			vecs += 2
		}
		if n > 1 {
			ctl := b.ctl[msgs*sendControl:][:sendControl]
			putSegment(ctl, segment)
			m.Control = &ctl[0]
			m.SetControllen(len(ctl))
		}
		b.counts[msgs] = n
		msgs++
		pkts = pkts[n:]
	}
	return msgs
}

// run is how many of the packets go as one buffer for the kernel to cut:
// equal ones, of which the last may be shorter.
func (b *batch) run(pkts []Packet) (n, segment int) {
	segment = pkts[0].size()
	if segment == 0 || segment > b.cut {
		return 1, segment
	}
	total := segment
	for n = 1; n < min(len(pkts), maxSegments); n++ {
		size := pkts[n].size()
		if size == 0 || size > segment || total+size > maxPayload {
			break
		}
		total += size
		if size < segment {
			return n + 1, segment
		}
	}
	return n, segment
}

func vector(v *unix.Iovec, b []byte) {
	v.Base = unsafe.SliceData(b)
	v.SetLen(len(b))
}
