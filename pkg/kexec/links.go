package kexec

import (
	"fmt"
	"log/slog"
	"net"

	"golang.org/x/sys/unix"
)

// linksDown sets every network interface down but loopback, so that no
// adapter goes on writing received frames into memory that belongs to the
// next kernel.
func linksDown(log *slog.Logger) {
	ifs, err := net.Interfaces()
	if err != nil {
		log.Warn("list network interfaces", "err", err)
		return
	}
	for _, i := range ifs {
		if i.Flags&net.FlagLoopback != 0 || i.Flags&net.FlagUp == 0 {
			continue
		}
		if err := linkDown(i.Name); err != nil {
			log.Warn("set link down", "interface", i.Name, "err", err)
		}
	}
}

// linkDown clears IFF_UP (netdevice(7), SIOCSIFFLAGS).
func linkDown(name string) error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		// Kernels without IPv4 still have the ioctl on other sockets.
		if s, err = unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return fmt.Errorf("open socket: %w", err)
		}
	}
	defer unix.Close(s)
	req, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(s, unix.SIOCGIFFLAGS, req); err != nil {
		return fmt.Errorf("get flags: %w", err)
	}
	req.SetUint16(req.Uint16() &^ unix.IFF_UP)
	if err := unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, req); err != nil {
		return fmt.Errorf("set flags: %w", err)
	}
	return nil
}
