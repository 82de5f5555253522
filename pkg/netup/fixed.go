package netup

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// fixed is an address given on the kernel command line.
type fixed struct {
	ifname   string // "" = the first with carrier
	addr     netip.Prefix
	gateway  netip.Addr
	hostname string
	dns      []netip.Addr
	mtu      int
}

// parseIP reads ip= as dracut.cmdline(7) writes a fixed address,
//
//	ADDRESS:[PEER]:[GATEWAY]:NETMASK:[HOSTNAME]:[INTERFACE]:none[:MTU | :DNS1[:DNS2]]
//
// with IPv6 addresses in brackets. It returns nil where DHCP is asked for,
// which is done on all interfaces anyway: "", dhcp, on, any, INTERFACE:dhcp.
func parseIP(value string) (*fixed, error) {
	fields := splitIP(value)
	at := func(i int) string {
		if i < len(fields) {
			return fields[i]
		}
		return ""
	}
	wrong := func(what, got string) error {
		return fmt.Errorf("kernel parameter ip=%s: %s %q is not valid (want ip=address::gateway:netmask::interface:none)", value, what, got)
	}
	if len(fields) <= 2 {
		switch method := fields[len(fields)-1]; method {
		case "", "dhcp", "dhcp6", "on", "any", "auto6", "either6", "single-dhcp":
			return nil, nil
		default:
			return nil, wrong("method", method)
		}
	}
	if at(0) == "" { // dracut: with no address the rest only says where DHCP is wanted
		return nil, nil
	}
	f := &fixed{hostname: at(4), ifname: at(5)}
	addr, err := netip.ParseAddr(at(0))
	if err != nil {
		return nil, wrong("address", at(0))
	}
	bits, ok := maskBits(at(3), addr)
	if !ok {
		return nil, wrong("netmask", at(3))
	}
	f.addr = netip.PrefixFrom(addr, bits)
	if at(2) != "" {
		if f.gateway, err = netip.ParseAddr(at(2)); err != nil {
			return nil, wrong("gateway", at(2))
		}
	}
	if m := at(6); m != "none" && m != "off" && m != "static" && m != "" {
		return nil, wrong("method", m)
	}
	for _, extra := range fields[min(7, len(fields)):] {
		if n, err := strconv.Atoi(extra); err == nil && n >= 576 && n <= 65535 {
			f.mtu = n
		} else if a, err := netip.ParseAddr(extra); err == nil {
			f.dns = append(f.dns, a)
		} else if extra != "" {
			return nil, wrong("name server or MTU", extra)
		}
	}
	return f, nil
}

// splitIP cuts at colons outside brackets and drops the brackets.
func splitIP(value string) []string {
	fields, depth := []string{""}, 0
	for _, r := range value {
		switch {
		case r == '[':
			depth++
		case r == ']':
			depth--
		case r == ':' && depth == 0:
			fields = append(fields, "")
		default:
			fields[len(fields)-1] += string(r)
		}
	}
	return fields
}

// maskBits reads a length or a dotted netmask; none means the address alone.
func maskBits(mask string, addr netip.Addr) (int, bool) {
	if mask == "" {
		return addr.BitLen(), true
	}
	if n, err := strconv.Atoi(mask); err == nil {
		return n, n >= 0 && n <= addr.BitLen()
	}
	ip := net.ParseIP(mask).To4()
	if ip == nil || !addr.Is4() {
		return 0, false
	}
	ones, size := net.IPMask(ip).Size()
	return ones, size == 32
}

func (f *fixed) fits(ifname string) bool { return f.ifname == "" || f.ifname == ifname }

func (f *fixed) offer() *offer {
	return &offer{Network: Network{Addr: f.addr, Gateway: f.gateway, Hostname: f.hostname, DNS: f.dns, MTU: f.mtu}}
}
