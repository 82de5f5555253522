// Package head runs everything that serves nodes: DHCP or proxyDHCP, TFTP and
// HTTP on one interface, with state in one directory.
//
//	DIR/images/     disk images, NAME and NAME.sha256
//	DIR/artifacts/  vmlinuz, initramfs, orbit.efi, ... as "make artifacts" makes them
//	DIR/ipxe/       undionly.kpxe, ipxe.efi, snponly.efi where the system's are not wanted
//	DIR/state/      leases.json, nodes/MAC.json, inventory/MAC/
package head

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/orbit-pxe/orbit/pkg/head/boot"
	"github.com/orbit-pxe/orbit/pkg/head/dhcp"
	"github.com/orbit-pxe/orbit/pkg/head/hardware"
	"github.com/orbit-pxe/orbit/pkg/head/sessions"
)

// Config is what an operator decides. Interface and Dir must be given.
type Config struct {
	Interface string
	Dir       string
	Artifacts string // directory, "" = Dir/artifacts
	HTTPPort  uint16

	Proxy        bool     // another server gives out the addresses
	NoDHCP       bool     // another server gives out the addresses and the boot files
	Ranges       []string // see dhcp.ParseNetwork; none = derived from the interface
	Router       netip.Addr
	DNS, NTP     []netip.Addr
	Domain       string
	Lease        time.Duration
	Reservations []dhcp.Reservation

	Loader   string   // iPXE for UEFI, boot.SnpEFI or boot.IPXEEFI
	Direct   bool     // UEFI boots the Orbit image without iPXE
	Wait     bool     // nodes without a job boot Orbit and wait
	Consoles []string // of Orbit's kernel
	Append   string   // further words for Orbit's kernel

	Multicast   sessions.Options // Name and Log are set here
	NoMulticast bool             // images go by HTTP only

	Hardware hardware.Policy // what counts as a change of a node, and what follows

	Frisbee        netip.AddrPort // of a master server for frisbee's clients; port 0: none. The zero address is that of Interface
	FrisbeeUploads bool           // it takes new images
}

func (c Config) artifacts() string {
	if c.Artifacts != "" {
		return c.Artifacts
	}
	return filepath.Join(c.Dir, "artifacts")
}

func (c Config) state(name string) string { return filepath.Join(c.Dir, "state", name) }

func (c Config) files() boot.Files {
	return boot.Files{
		Loaders:   append([]string{filepath.Join(c.Dir, "ipxe")}, boot.SystemLoaders()...),
		Artifacts: c.artifacts(),
	}
}

// networks turns the ranges into subnets, the interface's own first.
func (c Config) networks(own netip.Prefix) ([]dhcp.Network, error) {
	var list []dhcp.Network
	for _, text := range c.Ranges {
		n, err := dhcp.ParseNetwork(text, own)
		if err != nil {
			return nil, err
		}
		if n.Prefix.Contains(own.Addr()) {
			n.Router = c.Router
			list = append([]dhcp.Network{n}, list...)
			continue
		}
		list = append(list, n)
	}
	if len(list) > 0 && list[0].Prefix.Contains(own.Addr()) {
		return list, nil
	}
	n, err := dhcp.DefaultNetwork(own)
	n.Router = c.Router
	return append([]dhcp.Network{n}, list...), err
}

// hostNames are the names of reservations, by node.
func (c Config) hostNames() map[string]string {
	names := map[string]string{}
	for _, r := range c.Reservations {
		if r.Name != "" {
			names[r.MAC] = r.Name
		}
	}
	return names
}

// prefixes are the subnets that the head serves.
func (c Config) prefixes(own netip.Prefix) []netip.Prefix {
	list := []netip.Prefix{own.Masked()}
	for _, text := range c.Ranges {
		if n, err := dhcp.ParseNetwork(text, own); err == nil { // others fail elsewhere
			list = append(list, n.Prefix.Masked())
		}
	}
	return list
}

// interfaceAddress is the first IPv4 address of an interface, which is where
// nodes reach the head.
func interfaceAddress(name string) (netip.Prefix, error) {
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("interface %s: %w", name, err)
	}
	addrs, err := ifi.Addrs()
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("addresses of %s: %w", name, err)
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
			return p, nil
		}
	}
	return netip.Prefix{}, fmt.Errorf("interface %s has no IPv4 address: give it one first (ip address add 10.77.0.1/24 dev %s)", name, name)
}
