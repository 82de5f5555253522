// Package multicast gives the UDP/IPv4 sockets that carry an image to a room:
// to a multicast group on one interface, to the interface's subnet broadcast,
// or to one machine. Every party binds one port and sends from it to the same
// port, as docs/frisbee.md says.
//
// A datagram costs little: many go to the kernel in one sendmmsg(2), or as one
// large buffer that it cuts up (UDP_SEGMENT, udp(7)), and many come back from
// one recvmmsg(2), or as one run of equal datagrams (UDP_GRO). What the kernel
// or a driver lacks is found out at run time and done without.
//
// Group membership is IGMP's: version 2 reports (RFC 2236) with the router
// alert option (RFC 2113) keep it alive where nobody asks for them.
package multicast

import (
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
)

// Config says what to open. Peer and Interface must be set.
type Config struct {
	// Peer is the group, the broadcast address or the one machine to talk to,
	// and decides which of these it is. Its port is also the port that is
	// bound. 255.255.255.255 stands for the interface's subnet broadcast.
	Peer netip.AddrPort
	// Interface names the only one to send on and to receive from. It must
	// have an IPv4 address, of which the first is used. Route finds one.
	Interface string
	// TTL is how many routers a datagram to a group passes, and one; 0 is 5.
	TTL int
	// Loop also delivers what goes to the group or to all to the sockets of
	// this machine, this one included.
	Loop bool
	// Reuse lets several sockets of this machine bind the same port. Each
	// hears only its own group, but unicast goes to only one of them.
	Reuse bool
	// ReceiveBuffer and SendBuffer are the bytes of socket buffer to ask the
	// kernel for; 0 is 1 MiB to receive and the kernel's own choice to send.
	ReceiveBuffer, SendBuffer int
	// Size is the largest payload in bytes that is received whole; 0 is 2048.
	Size int
	// Batch is the most datagrams in one system call, not counting what the
	// kernel cuts up or joins; 0 is 64, and 1024 the most.
	Batch int
	// NoOffload leaves cutting up and joining of datagrams to this package:
	// for drivers that get it wrong.
	NoOffload bool
}

// Conn is an open socket. One goroutine may receive while others send.
type Conn struct {
	cfg   Config
	mode  Mode
	where place
	file  *os.File
	raw   syscall.RawConn
	// picky means that the kernel does not keep other interfaces out.
	picky    bool
	sender   sender
	receiver receiver
	stats    counters
}

// Mode is how many Peer stands for.
type Mode int

// The modes.
const (
	Unicast Mode = iota
	Group
	Broadcast
)

// Mode says what kind of address Peer is.
func (c *Conn) Mode() Mode { return c.mode }

// Peer is where Send sends to.
func (c *Conn) Peer() netip.AddrPort { return c.cfg.Peer }

// Local is the interface's address, from which datagrams leave.
func (c *Conn) Local() netip.Addr { return netip.AddrFrom4(c.where.addr) }

// Close ends the membership and whatever waits in Send or Receive.
func (c *Conn) Close() error { return c.file.Close() }

// Buffers are the bytes of socket buffer that the kernel granted.
func (c *Conn) Buffers() (receive, send int) {
	info := c.memory()
	// It doubles what is asked for, for its own bookkeeping.
	return int(info[1] / 2), int(info[3] / 2)
}

// Stats counts since the socket was opened.
type Stats struct {
	Sent      uint64 // datagrams given to the kernel
	SendCalls uint64 // system calls that took
	Overruns  uint64 // times that the socket or the device was full
	Received  uint64 // datagrams handed to the caller
	RecvCalls uint64 // system calls that took
	Foreign   uint64 // buffers for another group, or from another interface
	Truncated uint64 // datagrams longer than Size
	// Dropped were lost for lack of receive buffer. A joined run may count as
	// one, and own broadcasts that came back count too.
	Dropped uint64
	Errors  uint64 // errors of the network that were passed over
}

type counters struct {
	sent, sendCalls, overruns, received, recvCalls, foreign, truncated, errors atomic.Uint64
}

// Stats gives the counts so far.
func (c *Conn) Stats() Stats {
	s := &c.stats
	return Stats{
		Sent: s.sent.Load(), SendCalls: s.sendCalls.Load(), Overruns: s.overruns.Load(),
		Received: s.received.Load(), RecvCalls: s.recvCalls.Load(), Foreign: s.foreign.Load(),
		Truncated: s.truncated.Load(), Dropped: uint64(c.memory()[8]), Errors: s.errors.Load(),
	}
}
