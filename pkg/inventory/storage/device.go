package storage

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/inventory/storage/scsi"
)

// device is an open disk that answers questions. Tests put others in its place.
type device interface {
	io.ReaderAt
	io.Closer

	// admin sends an NVMe admin command that fills data.
	admin(opcode byte, namespace, dword10, dword11 uint32, data []byte) error

	// scsi sends a SCSI command that fills n bytes of data, if it has any. An
	// error that the disk itself reports is a scsi.Sense; the sense data is there
	// as well when it is none.
	scsi(command, data []byte) (n int, sense []byte, err error)
}

// block is a block device of this machine.
type block struct{ fd int }

// openDevice opens a disk for reading. It does not wait for a medium, and
// nothing of what is asked then changes anything.
func openDevice(path string) (device, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return block{fd}, nil
}

func (b block) Close() error { return unix.Close(b.fd) }

func (b block) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		m, err := unix.Pread(b.fd, p[n:], off+int64(n))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return n, err
		case m == 0:
			return n, io.EOF
		default:
			n += m
		}
	}
	return n, nil
}

// adminCommand is struct nvme_admin_cmd of linux/nvme_ioctl.h. The timeout stays
// 0, the driver's own: a shorter one would have it reset a controller that is
// only slow.
type adminCommand struct {
	opcode, flags                       uint8
	_                                   uint16
	namespace, dword2, dword3           uint32
	metadata, addr                      uint64
	metadataLen, dataLen                uint32
	dword10, dword11, dword12, dword13  uint32
	dword14, dword15, timeoutMS, result uint32
}

const nvmeAdmin = 0xc0484e41 // NVME_IOCTL_ADMIN_CMD, _IOWR('N', 0x41, 72 bytes)

func (b block) admin(opcode byte, namespace, dword10, dword11 uint32, data []byte) error {
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(unsafe.SliceData(data))
	c := adminCommand{opcode: opcode, namespace: namespace, dword10: dword10, dword11: dword11,
		addr: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(data)))), dataLen: uint32(len(data))}
	status, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(b.fd), nvmeAdmin, uintptr(unsafe.Pointer(&c)))
	switch {
	case e != 0:
		return e
	case status != 0:
		return fmt.Errorf("NVMe status %03xh", status)
	}
	return nil
}

// sgHeader is struct sg_io_hdr of scsi/sg.h.
type sgHeader struct {
	interfaceID, direction   int32
	commandLen, maxSense     uint8
	vectors                  uint16
	dataLen                  uint32
	data, command, sense     uintptr
	timeoutMS, flags         uint32
	packID                   int32
	user                     uintptr
	status, masked, message  uint8
	senseLen                 uint8
	hostStatus, driverStatus uint16
	left                     int32 // of data
	duration, info           uint32
}

const (
	sgIO        = 0x2285
	sgToData    = -3 // SG_DXFER_FROM_DEV
	sgNoData    = -1
	sgTimeout   = 20000 // ms: after it the kernel would reset the disk, which must have good reason
	checkStatus = 0x02
	senseSize   = 64
)

func (b block) scsi(command, data []byte) (n int, sense []byte, err error) {
	sense = make([]byte, senseSize)
	var pin runtime.Pinner
	defer pin.Unpin()
	at := func(b []byte) uintptr {
		if len(b) == 0 {
			return 0
		}
		pin.Pin(unsafe.SliceData(b))
		return uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	}
	s := sgHeader{interfaceID: 'S', direction: sgNoData, commandLen: uint8(len(command)), maxSense: senseSize,
		command: at(command), sense: at(sense), timeoutMS: sgTimeout}
	if len(data) > 0 {
		s.direction, s.dataLen, s.data = sgToData, uint32(len(data)), at(data)
	}
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(b.fd), sgIO, uintptr(unsafe.Pointer(&s))); e != 0 {
		return 0, nil, e
	}
	if s.hostStatus != 0 {
		return 0, nil, fmt.Errorf("host status %02xh", s.hostStatus)
	}
	sense = sense[:min(int(s.senseLen), senseSize)]
	if s.status&0x3e == checkStatus {
		if why, ok := scsi.ParseSense(sense); ok && why.Key > scsi.RecoveredError {
			return 0, sense, why
		}
	} else if s.status != 0 {
		return 0, nil, fmt.Errorf("SCSI status %02xh", s.status)
	}
	return len(data) - min(max(int(s.left), 0), len(data)), sense, nil
}
