package rejoin

import (
	"bufio"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// link is the network adapter that leads to the artifacts.
type link struct {
	name string // of the interface with the address
	mac  string // of the adapter below it, as firmware and Orbit see it
	vlan int    // tag of a VLAN interface on the way, 0 = none
}

// uplink asks the routing table which way source, a URL, lies. sys and proc
// are looked up below root.
func uplink(source, root string) (link, error) {
	u, err := url.Parse(source)
	if err != nil || u.Hostname() == "" {
		return link{}, fmt.Errorf("%s is not on the network", source)
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	// Connecting a UDP socket sends nothing; it only picks the route.
	c, err := net.Dial("udp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return link{}, fmt.Errorf("find route to %s: %w", u.Hostname(), err)
	}
	defer c.Close()
	local := c.LocalAddr().(*net.UDPAddr).IP
	ifs, err := net.Interfaces()
	if err != nil {
		return link{}, fmt.Errorf("find interface with %s: %w", local, err)
	}
	for _, i := range ifs {
		addrs, err := i.Addrs()
		if err != nil {
			continue
		}
		has := slices.ContainsFunc(addrs, func(a net.Addr) bool {
			n, ok := a.(*net.IPNet)
			return ok && n.IP.Equal(local)
		})
		if has && i.Flags&net.FlagLoopback == 0 {
			return adapter(root, i.Name)
		}
	}
	return link{}, fmt.Errorf("no interface but loopback leads to %s", u.Hostname())
}

// adapter goes down from bridges, bonds and VLANs to the hardware, which is
// what Orbit will find.
func adapter(root, name string) (link, error) {
	l := link{name: name}
	for range 8 { // bond in VLAN in bridge is deep already
		dir := filepath.Join(root, "sys/class/net", name)
		if l.vlan == 0 {
			l.vlan = tag(root, name)
		}
		lower := below(dir)
		if lower == "" {
			// A bond gives its members one address; the adapter's own is kept here.
			l.mac = line(filepath.Join(dir, "bonding_slave/perm_hwaddr"))
			if l.mac == "" {
				l.mac = line(filepath.Join(dir, "address"))
			}
			if hw, err := net.ParseMAC(l.mac); err != nil || len(hw) != 6 {
				return link{}, fmt.Errorf("interface %s has no Ethernet address", name)
			}
			l.mac = strings.ToLower(l.mac)
			return l, nil
		}
		name = lower
	}
	return link{}, fmt.Errorf("interfaces below %s do not end", l.name)
}

// below picks the interface that carries another one: the active one of a
// bond, or else the first that is hardware, or else the first.
func below(dir string) string {
	if active := line(filepath.Join(dir, "bonding/active_slave")); active != "" {
		return active
	}
	links, err := filepath.Glob(filepath.Join(dir, "lower_*"))
	if err != nil || len(links) == 0 {
		return ""
	}
	for _, l := range links {
		name := strings.TrimPrefix(filepath.Base(l), "lower_")
		if _, err := os.Stat(filepath.Join(filepath.Dir(dir), name, "device")); err == nil {
			return name
		}
	}
	return strings.TrimPrefix(filepath.Base(links[0]), "lower_")
}

// tag reads the "VID: 100" of a VLAN interface, 0 for others.
func tag(root, name string) int {
	f, err := os.Open(filepath.Join(root, "proc/net/vlan", name))
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if _, after, ok := strings.Cut(s.Text(), "VID: "); ok {
			if f := strings.Fields(after); len(f) > 0 {
				id, _ := strconv.Atoi(f[0])
				return id
			}
		}
	}
	return 0
}

func line(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
