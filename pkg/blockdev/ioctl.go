package blockdev

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The ioctls of linux/fs.h and linux/blkpg.h that x/sys has numbers for but no
// calls.

// control runs fn with the descriptor of f, which stays open meanwhile.
func control(f *os.File, fn func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = fn(int(fd)) }); err != nil {
		return err
	}
	return inner
}

func ioctl(fd int, request uint, arg unsafe.Pointer) error {
	for {
		_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(arg))
		switch e {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return e
		}
	}
}

// blkgetsize64 is BLKGETSIZE64, _IOR(0x12, 114, size_t): its number depends on
// the word size and x/sys leaves it out.
const blkgetsize64 = 0x80001272 | uint(unsafe.Sizeof(uintptr(0)))<<16

func deviceSize(fd int) (int64, error) {
	var n uint64
	err := ioctl(fd, blkgetsize64, unsafe.Pointer(&n))
	return int64(n), err
}

// rangeIoctl is BLKZEROOUT or BLKDISCARD.
func rangeIoctl(fd int, request uint, off, n int64) error {
	arg := [2]uint64{uint64(off), uint64(n)}
	return ioctl(fd, request, unsafe.Pointer(&arg))
}

// Operations of BLKPG.
const (
	blkpg        = 0x1269
	blkpgAdd     = 1
	blkpgDelete  = 2
	blkpgPartLen = int32(unsafe.Sizeof(unix.BlkpgPartition{}))
)

func partitionIoctl(fd int, op int32, p unix.BlkpgPartition) error {
	arg := unix.BlkpgIoctlArg{Op: op, Datalen: blkpgPartLen, Data: (*byte)(unsafe.Pointer(&p))}
	return ioctl(fd, blkpg, unsafe.Pointer(&arg))
}
