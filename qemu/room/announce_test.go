package room_test

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/qemu/lab"
	"github.com/orbit-pxe/orbit/qemu/room"
)

// TestServerAnnounces has a server say at once, and in the oldest words, that it is
// a member of the group: a switch that understands no others, where nobody asks,
// would keep the first nodes' joins from it.
func TestServerAnnounces(t *testing.T) {
	s := newScene(t, lab.Options{Nodes: 1}, mib)
	fd := -1
	err := s.Nodes[0].Do(func() (err error) {
		const all = unix.ETH_P_IP>>8 | unix.ETH_P_IP&0xff<<8 // in the network's order
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, all)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	s.begin(s.Server, &room.Serve{File: s.image, Peer: group, Keepalive: time.Hour})
	b, of := make([]byte, 2048), group.Addr().As4()
	for end := time.Now().Add(5 * time.Second); ; {
		tv := unix.NsecToTimeval(int64(max(time.Until(end), time.Millisecond)))
		if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
			t.Fatal(err)
		}
		n, _, err := unix.Recvfrom(fd, b, 0)
		if err == nil && n >= 32 && b[0] == 0x46 && b[9] == unix.IPPROTO_IGMP && b[24] == 0x16 && [4]byte(b[28:32]) == of {
			return
		}
		if err != nil && !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			t.Fatal(err)
		}
		if !time.Now().Before(end) {
			t.Fatal("no report of version 2 came")
		}
	}
}
