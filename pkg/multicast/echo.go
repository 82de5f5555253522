package multicast

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// netOffset makes a socket filter read from the network header on, not from
// the UDP header (SKF_NET_OFF of linux/filter.h).
const netOffset = 1<<32 - 0x100000

// ignoreEcho has the kernel throw away what the own address sends to the port.
// A broadcast, unlike what goes to a group, always comes back to its sender,
// and would take the room of what others send.
func (c *Conn) ignoreEcho(fd int) error {
	prog := [...]unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: netOffset + 12},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: binary.BigEndian.Uint32(c.where.addr[:]), Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(c.cfg.Peer.Port()), Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K},
		{Code: unix.BPF_RET | unix.BPF_K, K: 1<<32 - 1},
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]})
}
