package adapt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Ioctls that x/sys does not have. None holds a pointer, and their numbers are
// the same on all of Orbit's machines.
const (
	extResize   = 0x40086610 // EXT4_IOC_RESIZE_FS, _IOW('f', 16, __u64)
	xfsGeometry = 0x80705864 // XFS_IOC_FSGEOMETRY_V1, _IOR('X', 100, struct xfs_fsop_geom_v1)
	xfsGrow     = 0x4010586e // XFS_IOC_FSGROWFSDATA, _IOW('X', 110, struct xfs_growfs_data)
	btrfsResize = 0x50009403 // BTRFS_IOC_RESIZE, _IOW(0x94, 3, struct btrfs_ioctl_vol_args)
)

func ioctl(f *os.File, request uintptr, arg unsafe.Pointer) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var errno unix.Errno
	err = raw.Control(func(fd uintptr) {
		for errno = unix.EINTR; errno == unix.EINTR; {
			_, _, errno = unix.Syscall(unix.SYS_IOCTL, fd, request, uintptr(arg))
		}
	})
	if err == nil && errno != 0 {
		err = errno
	}
	return err
}

// resize grows what is on a volume to its end, size bytes. What it cannot grow
// is refused by growable before.
func resize(p *part, size int64) error {
	switch p.Kind {
	case "swap":
		return resizeSwap(p, size)
	case "ext4":
		return mountedResize(p, func(dir *os.File) error { return resizeExt(dir, p.volume, size) })
	case "xfs":
		return mountedResize(p, func(dir *os.File) error { return resizeXFS(dir, size) })
	case "btrfs":
		return mountedResize(p, func(dir *os.File) error { return resizeBtrfs(dir, p.Device) })
	}
	return fmt.Errorf("grow %s: %w", p, errors.ErrUnsupported)
}

func mountedResize(p *part, fn func(dir *os.File) error) error {
	m, err := mount(p.path, p.Kind, "", true)
	if err != nil {
		return err
	}
	err = fn(m.dir)
	if err != nil {
		err = fmt.Errorf("grow %s on %s: %w", p.Kind, p.path, err)
	}
	return errors.Join(err, m.Close(), released(p.path))
}

// target is the size in bytes that a filesystem can have on a volume of size
// bytes. As resize2fs does, ext4 is given whole pages.
func (v volume) target(size int64) int64 {
	unit := max(v.Block, 1)
	if v.Kind == "ext4" || v.Kind == "btrfs" {
		unit = max(unit, 4096)
	}
	return size / unit * unit
}

// growable says in words why what is on a volume cannot grow, nil if it can.
func (p *part) growable() error {
	switch {
	case p.Why != "":
		return fmt.Errorf("%s cannot be grown: it is %s", p.path, p.Why)
	case p.Bad != "":
		return fmt.Errorf("the %s on %s cannot be grown: %s", p.Kind, p.path, p.Bad)
	case p.Kind == "":
		return fmt.Errorf("%s cannot be grown: nothing known is on it", p.path)
	case p.Kind == "vfat":
		return fmt.Errorf("%s cannot be grown: FAT cannot grow in place", p.path)
	}
	return nil
}

func resizeExt(dir *os.File, v volume, size int64) error {
	blocks := uint64(v.target(size) / v.Block)
	err := ioctl(dir, extResize, unsafe.Pointer(&blocks))
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("the kernel wants CAP_SYS_RESOURCE for it, and a filesystem without errors: %w", err)
	case errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("the kernel does not resize it with the features that it has, see its log: %w", err)
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("no room is left to describe more blocks (features 64bit, resize_inode or meta_bg would have it): %w", err)
	}
	return err
}

func resizeXFS(dir *os.File, size int64) error {
	var g struct { // xfs_fsop_geom_v1
		block, rtext, agBlocks, agCount, logBlocks, sector, inode, imaxpct uint32
		data, rtBlocks, rtExtents, logStart                                uint64
		_                                                                  [48]byte
	}
	if err := ioctl(dir, xfsGeometry, unsafe.Pointer(&g)); err != nil {
		return fmt.Errorf("read geometry: %w", err)
	}
	if g.block == 0 {
		return errors.New("read geometry: no block size")
	}
	grow := struct { // xfs_growfs_data
		blocks  uint64
		imaxpct uint32
		_       uint32
	}{blocks: uint64(size / int64(g.block)), imaxpct: g.imaxpct}
	if grow.blocks <= g.data {
		return nil
	}
	return ioctl(dir, xfsGrow, unsafe.Pointer(&grow))
}

func resizeBtrfs(dir *os.File, device uint64) error {
	var args struct { // btrfs_ioctl_vol_args
		_    int64
		name [4088]byte
	}
	copy(args.name[:4087], fmt.Sprintf("%d:max", device))
	return ioctl(dir, btrfsResize, unsafe.Pointer(&args))
}

// resizeSwap writes the number of the last page into the header, in the byte
// order that it has.
func resizeSwap(p *part, size int64) error {
	f, err := os.OpenFile(p.path, os.O_RDWR|unix.O_EXCL, 0)
	if err != nil {
		return fmt.Errorf("grow swap: %w", err)
	}
	defer f.Close()
	var b [8]byte
	if _, err := f.ReadAt(b[:], 1024); err != nil {
		return fmt.Errorf("grow swap: %w", err)
	}
	var order binary.ByteOrder = binary.LittleEndian
	if !bytes.Equal(b[:4], []byte{1, 0, 0, 0}) {
		order = binary.BigEndian
	}
	order.PutUint32(b[4:], uint32(min(size/p.Block, 1<<32-1)-1))
	if _, err := f.WriteAt(b[4:], 1028); err != nil {
		return fmt.Errorf("grow swap: %w", err)
	}
	return f.Sync()
}
