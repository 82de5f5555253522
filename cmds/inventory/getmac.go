package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/inventory/network"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

const getmacHelp = `getmac prints the MAC address of the interface this machine booted from, or of the
one that is named, and nothing more. Where nobody tells which one that was, it is
the one with the default route, else the only one there is.

usage: getmac [INTERFACE]
`

// getmac prints a MAC address.
func getmac(root string, stdout io.Writer, args []string) error {
	h := sysfs.Host{Root: root}
	var mac string
	var err error
	switch {
	case len(args) == 1 && (args[0] == "-h" || args[0] == "--help" || args[0] == "-help"):
		_, err := io.WriteString(stdout, getmacHelp)
		return err
	case len(args) > 1 || len(args) == 1 && strings.HasPrefix(args[0], "-"):
		return &exit{exitTrouble, errors.New("want one interface or none (see getmac --help)")}
	case len(args) == 1:
		mac, err = address(h, args[0])
	default:
		mac, err = bootMAC(h)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, mac)
	return err
}

const netDir = "/sys/class/net/"

// address is that of an interface; of one in a bond, its own.
func address(h sysfs.Host, name string) (string, error) {
	if name == "" || strings.Contains(name, "/") || !h.Has(netDir+name) {
		all, err := h.List(netDir)
		if err != nil {
			return "", err
		}
		return "", fmt.Errorf("there is no interface %q (there are: %s)", name, strings.Join(all, ", "))
	}
	mac := h.Text(netDir + name + "/bonding_slave/perm_hwaddr")
	if mac == "" {
		mac = h.Text(netDir + name + "/address")
	}
	if strings.Trim(mac, "0:") == "" {
		return "", fmt.Errorf("interface %s has no MAC address", name)
	}
	return strings.ToLower(mac), nil
}

// bootMAC is the address of the interface this machine booted from.
func bootMAC(h sysfs.Host) (string, error) {
	if mac := network.Boot(h); mac != "" {
		return mac, nil
	}
	if name := defaultRoute(h); name != "" {
		return address(h, name)
	}
	names, err := h.List(netDir)
	if err != nil {
		return "", err
	}
	var real, on []string
	for _, name := range names {
		if !h.Has(netDir + name + "/device") {
			continue
		}
		real = append(real, name)
		if h.Text(netDir+name+"/carrier") == "1" {
			on = append(on, name)
		}
	}
	switch {
	case len(real) == 0:
		return "", errors.New("there is no network interface with hardware behind it (name one: getmac INTERFACE)")
	case len(real) == 1:
		return address(h, real[0])
	case len(on) == 1:
		return address(h, on[0])
	}
	return "", fmt.Errorf("nobody tells which interface this machine booted from: there is neither BOOTIF= on the kernel's command line nor a default route (name one: %s)", strings.Join(real, ", "))
}

// defaultRoute is the interface of the one with the smallest metric: of IPv4
// (proc(5): /proc/net/route), else of IPv6 (/proc/net/ipv6_route).
func defaultRoute(h sysfs.Host) string {
	const (
		up     = 1 << 0 // RTF_UP
		reject = 1 << 9 // RTF_REJECT
		any4   = "00000000"
		any6   = "00000000000000000000000000000000"
	)
	best, metric := "", uint64(1<<63)
	try := func(name, flags, cost string, base int) {
		bits, err := strconv.ParseUint(flags, 16, 64)
		n, err2 := strconv.ParseUint(cost, base, 64)
		if err == nil && err2 == nil && bits&up != 0 && bits&reject == 0 && name != "lo" && n < metric {
			best, metric = name, n
		}
	}
	for line := range strings.Lines(h.Text("/proc/net/route")) {
		if f := strings.Fields(line); len(f) >= 8 && f[1] == any4 && f[7] == any4 {
			try(f[0], f[3], f[6], 10)
		}
	}
	if best != "" {
		return best
	}
	for line := range strings.Lines(h.Text("/proc/net/ipv6_route")) {
		if f := strings.Fields(line); len(f) >= 10 && f[0] == any6 && f[1] == "00" {
			try(f[9], f[8], f[5], 16)
		}
	}
	return best
}
