package multicast

import (
	"bytes"
	"encoding/binary"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Commands of SIOCETHTOOL (linux/ethtool.h).
const (
	ethtoolStrings     = 0x1b
	ethtoolSetFeatures = 0x3b
	ethtoolSetInfo     = 0x37
	featureStrings     = 4
)

// feature turns a feature of an interface on or off, as ethtool -K does.
func (s *space) feature(t testing.TB, iface, name string, on bool) {
	t.Helper()
	s.do(func() {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Error(err)
			return
		}
		defer unix.Close(fd)
		info := make([]byte, 20)
		binary.NativeEndian.PutUint32(info, ethtoolSetInfo)
		binary.NativeEndian.PutUint64(info[8:], 1<<featureStrings)
		if err := ethtool(fd, iface, info); err != nil {
			t.Errorf("count the features of %s: %v", iface, err)
			return
		}
		n := int(binary.NativeEndian.Uint32(info[16:]))
		names := make([]byte, 12+32*n)
		binary.NativeEndian.PutUint32(names, ethtoolStrings)
		binary.NativeEndian.PutUint32(names[4:], featureStrings)
		binary.NativeEndian.PutUint32(names[8:], uint32(n))
		if err := ethtool(fd, iface, names); err != nil {
			t.Errorf("name the features of %s: %v", iface, err)
			return
		}
		for i := range n {
			if got, _, _ := bytes.Cut(names[12+32*i:][:32], []byte{0}); string(got) != name {
				continue
			}
			set := make([]byte, 8+8*((n+31)/32))
			binary.NativeEndian.PutUint32(set, ethtoolSetFeatures)
			binary.NativeEndian.PutUint32(set[4:], uint32((n+31)/32))
			word := set[8+8*(i/32):]
			binary.NativeEndian.PutUint32(word, 1<<(i%32))
			if on {
				binary.NativeEndian.PutUint32(word[4:], 1<<(i%32))
			}
			if err := ethtool(fd, iface, set); err != nil {
				t.Errorf("set %s of %s: %v", name, iface, err)
			}
			return
		}
		t.Errorf("%s has no feature %s", iface, name)
	})
}

func ethtool(fd int, iface string, data []byte) error {
	var req struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}
	copy(req.name[:unix.IFNAMSIZ-1], iface)
	req.data = unsafe.Pointer(&data[0])
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req))); errno != 0 {
		return errno
	}
	return nil
}
