// Package boot decides what a node is given when it boots from the network:
// which file for which firmware (RFC 4578 client architectures, UEFI 2.10
// section 24 for PXE and HTTP boot), and the iPXE script that loads Orbit or
// sends the node on to its own disk.
package boot

import (
	"bytes"
	"net"
	"strconv"
	"strings"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"
)

// AgentClass is the vendor class (option 60) of the agent's own DHCP client.
const AgentClass = "orbit"

// Kind tells which program sent a DHCP request.
type Kind string

const (
	Other Kind = "other" // an operating system: no boot answer
	PXE   Kind = "pxe"   // firmware that fetches by TFTP
	HTTP  Kind = "http"  // UEFI HTTP boot
	IPXE  Kind = "ipxe"  // iPXE, which runs scripts
	Agent Kind = "agent" // the agent on a node that is up
)

// Client is what a DHCP request tells of its sender.
type Client struct {
	MAC  net.HardwareAddr
	Kind Kind
	Arch iana.Arch // meaningful for PXE, HTTP and IPXE
}

// Options of iPXE's own encapsulated space (option 175), see
// https://ipxe.org/howto/dhcpd.
const (
	optionIPXE   = dhcpv4.GenericOptionCode(175)
	ipxeHTTP     = 19
	ipxeNoProxy  = 176
	classPXE     = "PXEClient"
	classHTTP    = "HTTPClient"
	archOfClass  = ":Arch:"
	userClassHas = "iPXE"
)

// Identify reads the sender out of any decoded request.
func Identify(m *dhcpv4.DHCPv4) Client {
	class := m.ClassIdentifier()
	c := Client{MAC: m.ClientHWAddr, Kind: Other, Arch: architecture(m, class)}
	switch {
	case class == AgentClass:
		c.Kind = Agent
	case isIPXE(m):
		c.Kind = IPXE
	case strings.HasPrefix(class, classPXE):
		c.Kind = PXE
	case strings.HasPrefix(class, classHTTP):
		c.Kind = HTTP
	}
	return c
}

// isIPXE looks at the user class, which iPXE sends without the length bytes of
// RFC 3004. A cut-down iPXE in a network card's ROM may lack HTTP: it says so
// in option 175, and is treated as the plain PXE firmware it also is, so that
// it fetches a full iPXE by TFTP.
func isIPXE(m *dhcpv4.DHCPv4) bool {
	features := m.Options.Get(optionIPXE)
	if features != nil && !hasSuboption(features, ipxeHTTP) {
		return false
	}
	return features != nil || bytes.Contains(m.Options.Get(dhcpv4.OptionUserClassInformation), []byte(userClassHas))
}

// hasSuboption walks the code-length-value bytes of an encapsulated option.
func hasSuboption(b []byte, code byte) bool {
	for len(b) > 0 {
		switch {
		case b[0] == 0:
			b = b[1:]
			continue
		case b[0] == 255 || len(b) < 2 || len(b) < 2+int(b[1]):
			return false
		case b[0] == code:
			return true
		}
		b = b[2+int(b[1]):]
	}
	return false
}

// architecture takes option 93, or the number inside the vendor class
// "PXEClient:Arch:00007:UNDI:003000" where a ROM leaves option 93 out. Of
// several it takes the first that Orbit can boot.
func architecture(m *dhcpv4.DHCPv4, class string) iana.Arch {
	archs := m.ClientArch()
	for _, a := range archs {
		if platform(a) != unsupported {
			return a
		}
	}
	if len(archs) > 0 {
		return archs[0]
	}
	if _, rest, ok := strings.Cut(class, archOfClass); ok {
		digits, _, _ := strings.Cut(rest, ":")
		if n, err := strconv.ParseUint(digits, 10, 16); err == nil {
			return iana.Arch(n)
		}
	}
	return iana.INTEL_X86PC
}
