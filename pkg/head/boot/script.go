package boot

import (
	"fmt"
	"net"
	"strings"
)

// Script is what an iPXE script says to one node.
type Script struct {
	Head     string           // base URL of the head as this node reaches it
	MAC      net.HardwareAddr // of the interface that asked
	Consoles []string         // values of console=, in order
	Append   string           // further words for Orbit's kernel
	Reason   string           // shown on the node's screen
}

// Orbit is the script that loads Orbit.
func (s Script) Orbit() string {
	var b strings.Builder
	s.open(&b)
	fmt.Fprintf(&b, "echo Orbit: %s\n", plain(s.Reason))
	fmt.Fprintf(&b, "kernel %s/artifacts/vmlinuz %s || goto failed\n", s.Head, s.cmdline())
	fmt.Fprintf(&b, "initrd --name initramfs %s/artifacts/initramfs || goto failed\n", s.Head)
	b.WriteString("boot || goto failed\n:failed\n")
	b.WriteString("echo Orbit: could not load kernel or initramfs from the head, retrying in 10 seconds\n")
	b.WriteString("sleep 10\n")
	fmt.Fprintf(&b, "chain --autofree --replace %s || exit 1\n", Policy{Head: s.Head}.ScriptURL(s.MAC))
	return b.String()
}

// Disk is the script that starts what is on the node's first disk. UEFI
// firmware goes to its next boot entry by itself, but only if this one failed:
// after a success it shows its menu (UEFI 2.10 section 3.1.1).
func (s Script) Disk() string {
	var b strings.Builder
	s.open(&b)
	fmt.Fprintf(&b, "echo Orbit: %s, booting the local disk\n", plain(s.Reason))
	b.WriteString("iseq ${platform} pcbios || goto next\n")
	b.WriteString("sanboot --no-describe --drive 0x80 ||\n")
	b.WriteString(":next\nexit 1\n")
	return b.String()
}

// Again is the script for an iPXE that asked without saying who it is.
func Again(head string) string {
	return fmt.Sprintf("#!ipxe\nchain --autofree --replace %s/boot/ipxe?mac=${netX/mac} || exit 1\n", head)
}

func (s Script) open(b *strings.Builder) {
	fmt.Fprintf(b, "#!ipxe\n# node %s\n", s.MAC)
}

// cmdline is the kernel command line of Orbit. initrd= tells the kernel's EFI
// stub which of the files that iPXE holds is the initramfs; BIOS ignores it.
func (s Script) cmdline() string {
	words := []string{
		"initrd=initramfs",
		"orbit.head=" + s.Head,
		"BOOTIF=01-" + strings.ReplaceAll(s.MAC.String(), ":", "-"),
	}
	for _, c := range s.Consoles {
		words = append(words, "console="+c)
	}
	if s.Append != "" {
		words = append(words, s.Append)
	}
	return strings.Join(words, " ")
}

// plain keeps text from being read as script.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune("${}|&#\\\"'", r) {
			return '-'
		}
		return r
	}, text)
}
