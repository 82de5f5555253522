package boot

import (
	"fmt"
	"net"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"
)

// Names of the files that firmware fetches.
const (
	Undionly = "undionly.kpxe" // iPXE on the BIOS's own UNDI driver
	IPXEEFI  = "ipxe.efi"      // iPXE with its own drivers, x64 UEFI
	SnpEFI   = "snponly.efi"   // iPXE on the UEFI network driver it was loaded by
	OrbitEFI = "orbit.efi"     // kernel and initramfs in one image

	// NoFile exists nowhere. Firmware that is offered it fails at once and goes
	// to its next boot entry; without any offer it would ask for minutes.
	NoFile = "boot-from-disk"
)

type machine int

const (
	unsupported machine = iota
	bios
	uefi
)

// platform sorts client architectures (RFC 4578 section 2.1 and its IANA
// registry). 7 and 9 are both sent by x64 firmware: the RFC's table and its
// erratum disagree.
func platform(a iana.Arch) machine {
	switch a {
	case iana.INTEL_X86PC, iana.INTEL_X86PC_HTTP:
		return bios
	case iana.EFI_X86_64, iana.EFI_BC, iana.EFI_X86_64_HTTP:
		return uefi
	}
	return unsupported
}

// Policy is what the head wants firmware to load.
type Policy struct {
	Head   string            // base URL of the head as nodes reach it, http://10.0.0.1:8080
	EFI    string            // loader for x64 UEFI: IPXEEFI or SnpEFI
	Direct bool              // give x64 UEFI the Orbit image itself instead of iPXE
	Wanted func(string) bool // with Direct: whether the node of this MAC address should boot Orbit now
}

// Answer is the boot part of a DHCP reply; the zero Answer has none.
type Answer struct {
	File  string // TFTP name, or a URL
	Class string // vendor class the client insists on, "" for none
	// Vendor is added as option 175 for iPXE.
	Vendor []byte
}

// None tells that there is nothing to boot.
func (a Answer) None() bool { return a.File == "" }

// Answer picks the file for a client. The error says in words why a client
// that asks to boot gets nothing.
func (p Policy) Answer(c Client) (Answer, error) {
	if c.Kind == Other || c.Kind == Agent {
		return Answer{}, nil
	}
	m := platform(c.Arch)
	if m == unsupported {
		return Answer{}, fmt.Errorf("no boot file for architecture %d (%s): Orbit boots x86-64 by BIOS and UEFI", c.Arch, c.Arch)
	}
	if c.Kind == IPXE {
		// Scripts come from the head itself, so there is no other offer to wait for.
		return Answer{File: p.ScriptURL(c.MAC), Vendor: []byte{ipxeNoProxy, 1, 1}}, nil
	}
	file := Undionly
	if m == uefi {
		file = p.EFI
		if p.Direct {
			file = OrbitEFI
			if p.Wanted != nil && !p.Wanted(c.MAC.String()) {
				file = NoFile
			}
		}
	}
	if c.Kind == HTTP {
		if m != uefi {
			return Answer{}, fmt.Errorf("no boot file for HTTP boot of architecture %d (%s)", c.Arch, c.Arch)
		}
		return Answer{File: p.Head + "/boot/" + file, Class: classHTTP}, nil
	}
	return Answer{File: file}, nil
}

// ScriptURL is where iPXE finds the script of a node.
func (p Policy) ScriptURL(mac net.HardwareAddr) string {
	return p.Head + "/boot/ipxe?mac=" + mac.String()
}

// Apply writes an answer into a reply. The name goes both into the header,
// which old ROMs read, and into option 67, which can hold more.
func (a Answer) Apply(reply *dhcpv4.DHCPv4, head net.IP) {
	if a.None() {
		return
	}
	reply.ServerIPAddr = head
	reply.UpdateOption(dhcpv4.OptTFTPServerName(head.String()))
	reply.UpdateOption(dhcpv4.OptBootFileName(a.File))
	if len(a.File) < 128 { // the header field, with its final zero
		reply.BootFileName = a.File
	}
	if a.Class != "" {
		reply.UpdateOption(dhcpv4.OptClassIdentifier(a.Class))
	}
	if a.Vendor != nil {
		reply.UpdateOption(dhcpv4.OptGeneric(optionIPXE, a.Vendor))
	}
}

// ApplyProxy writes an answer into the reply of a proxyDHCP server (PXE 2.1
// section 2.2.3). BIOS ROMs are told by option 43 to take the file named here
// without asking further. UEFI firmware (EDK II's PxeBcRetryBinlOffer) skips
// such offers unless option 43 is absent, and then asks again on port 4011.
func (a Answer) ApplyProxy(reply *dhcpv4.DHCPv4, c Client, head net.IP) {
	a.Apply(reply, head)
	if a.Class == "" {
		reply.UpdateOption(dhcpv4.OptClassIdentifier(classPXE))
	}
	if c.Kind == PXE && platform(c.Arch) == bios {
		const discoveryControl, useFile = 6, 8
		reply.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionVendorSpecificInformation, []byte{discoveryControl, 1, useFile, 255}))
	}
}
