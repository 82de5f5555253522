package network

import (
	"encoding/binary"
	"errors"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ethtool asks an interface's driver. The buffer begins with the command, in the
// machine's byte order, and takes the answer.
type ethtool func(name string, buf []byte) error

// live is ethtool by ioctl. Some drivers let it wait for long.
func live(name string, buf []byte) error {
	var request struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}
	if len(name) >= len(request.name) {
		return unix.ENODEV
	}
	copy(request.name[:], name)
	request.data = unsafe.Pointer(unsafe.SliceData(buf))
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return errno
	}
	return nil
}

// ask sends a command of so many bytes and returns the answer.
func (e ethtool) ask(name string, command uint32, size int) ([]byte, error) {
	buf := make([]byte, size)
	binary.NativeEndian.PutUint32(buf, command)
	return buf, e(name, buf)
}

// permanent is the address that a card was made with, "" if its driver doesn't
// know: struct ethtool_perm_addr, command, size, address.
func (e ethtool) permanent(name string) string {
	const most = 32
	buf := make([]byte, 8+most)
	binary.NativeEndian.PutUint32(buf, unix.ETHTOOL_GPERMADDR)
	binary.NativeEndian.PutUint32(buf[4:], most)
	if err := e(name, buf); err != nil {
		return ""
	}
	return mac(buf[8 : 8+min(binary.NativeEndian.Uint32(buf[4:]), most)])
}

// driver is what struct ethtool_drvinfo says: after the command the name, the
// version and the firmware's version, 32 bytes each.
func (e ethtool) driver(name string) (driver, firmware string) {
	buf, err := e.ask(name, unix.ETHTOOL_GDRVINFO, 196)
	if err != nil {
		return "", ""
	}
	return field(buf[4:36]), field(buf[68:100])
}

// field is text that ends with a zero. Drivers write N/A for what they don't
// know.
func field(b []byte) string {
	s := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, unix.ByteSliceToString(b))
	s = strings.Join(strings.Fields(s), " ")
	if strings.EqualFold(s, "n/a") {
		return ""
	}
	return s
}

// wol is what can wake a machine, and what is set to: struct ethtool_wolinfo,
// command, supported, on. It takes CAP_NET_ADMIN.
func (e ethtool) wol(name string) (supported, on []string, err error) {
	buf, err := e.ask(name, unix.ETHTOOL_GWOL, 20)
	if errors.Is(err, unix.EPERM) {
		return nil, nil, err
	}
	if err != nil { // EOPNOTSUPP: it can't
		return nil, nil, nil
	}
	return wakers(binary.NativeEndian.Uint32(buf[4:])), wakers(binary.NativeEndian.Uint32(buf[8:])), nil
}

func wakers(bits uint32) (names []string) {
	for i, name := range [...]string{"phy", "unicast", "multicast", "broadcast", "arp", "magic", "magic-secure", "filter"} {
		if bits>>i&1 != 0 {
			names = append(names, name)
		}
	}
	return names
}
