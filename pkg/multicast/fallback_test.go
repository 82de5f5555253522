package multicast

import (
	"errors"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// without runs f on a thread for which system calls fail with an error.
func without(t *testing.T, errno syscall.Errno, calls []uint32, f func()) {
	t.Helper()
	var prog []unix.SockFilter
	prog = append(prog, unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}) // the number of the call
	for i, c := range calls {
		prog = append(prog, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: c, Jt: uint8(len(calls) - i)})
	}
	prog = append(prog,
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)})
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	ended := make(chan error)
	go func() {
		runtime.LockOSThread() // and the thread ends with the goroutine
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			ended <- err
			return
		}
		if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&fprog)), 0, 0); err != nil {
			ended <- err
			return
		}
		f()
		ended <- nil
	}()
	if err := <-ended; err != nil {
		t.Skipf("no filter of system calls: %v", err)
	}
}

// TestOldKernel has none of the calls for many datagrams.
func TestOldKernel(t *testing.T) {
	const self = "127.0.0.1:9114"
	for _, offload := range []bool{true, false} {
		c, err := Open(Config{Peer: addrPort(self), Interface: "lo", NoOffload: !offload, ReceiveBuffer: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		pkts := packets(40, 1000)
		without(t, unix.ENOSYS, []uint32{unix.SYS_SENDMMSG, unix.SYS_RECVMMSG}, func() {
			if _, err := c.Send(t.Context(), pkts); err != nil {
				t.Error(err)
				return
			}
			if diff := cmp.Diff(want(pkts, self, "127.0.0.1"), receive(t, c, len(pkts))); diff != "" {
				t.Errorf("offload %t (-sent +received):\n%.2000s", offload, diff)
			}
		})
		if c.sender.batch.multi || c.receiver.multi {
			t.Error("the calls were there")
		}
		c.Close()
	}
}

// TestKernelWillNotCut has the real kernel refuse: datagrams longer than the
// MTU are not cut from a buffer.
func TestKernelWillNotCut(t *testing.T) {
	r := newRoom(t, 2)
	c := r.nodes[0].open(t, Config{Peer: group, Interface: "eth0"})
	client := r.nodes[1].open(t, Config{Peer: group, Interface: "eth0", Size: 4000})
	c.sender.batch.cut = 9000 // as if the MTU had been larger when it was opened
	pkts := append(packets(40, 3000), packets(40, 1000)...)
	send(t, c, pkts)
	if diff := cmp.Diff(want(pkts, "10.9.0.1:9000", "239.192.7.1"), receive(t, client, len(pkts))); diff != "" {
		t.Errorf("(-sent +received):\n%.2000s", diff)
	}
	if cut := c.sender.batch.cut; cut != 2999 {
		t.Errorf("cuts to %d bytes, want less than the 3000 that were refused", cut)
	}
}

func TestLower(t *testing.T) {
	for _, test := range []struct {
		errno syscall.Errno
		run   int
		again bool
		cut   int
		multi bool
	}{
		{unix.ENOSYS, 1, true, 1472, false},
		{unix.EIO, 5, true, 0, true},
		{unix.EIO, 1, false, 1472, true},
		{unix.EINVAL, 5, true, 99, true},
		{unix.EINVAL, 1, false, 1472, true},
		{unix.EMSGSIZE, 5, true, 99, true},
		{unix.ENETUNREACH, 5, false, 1472, true},
	} {
		b := newBatch(8, 1472)
		pkts := packets(test.run, 100)
		pkts[test.run-1].Data = pkts[test.run-1].Data[:10]
		if test.run == 1 {
			pkts = packets(1, 1473)
		}
		if n := b.fill(pkts); n != 1 {
			t.Fatalf("%d messages", n)
		}
		again := b.lower(test.errno)
		if again != test.again || b.cut != test.cut || b.multi != test.multi {
			t.Errorf("errno %d with %d datagrams: again %t, cut %d, multi %t; want %+v", test.errno, test.run, again, b.cut, b.multi, test)
		}
	}
}

func TestTemporary(t *testing.T) {
	for err, want := range map[error]bool{
		unix.ENETUNREACH: true, unix.ECONNREFUSED: true, unix.ENOBUFS: true, unix.EPERM: true,
		unix.ENODEV: false, unix.EBADF: false, unix.EMSGSIZE: false, nil: false,
		errors.Join(ErrGone, unix.ENETUNREACH): false,
	} {
		if got := Temporary(err); got != want {
			t.Errorf("Temporary(%v) is %t", err, got)
		}
	}
}
