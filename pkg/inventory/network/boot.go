package network

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/bootparam"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// Boot is the MAC address of the interface this boot came by, "" if it came by
// none or nobody told: by BOOTIF= on the kernel's command line, else the one of
// which UEFI tells that it booted, else the one of an iSCSI boot.
func Boot(h sysfs.Host) string {
	p, _ := bootparam.Parse(h.Text("/proc/cmdline")) // errors are for words of others
	if p.BootMAC != "" {
		return p.BootMAC
	}
	if mac := bootEFI(h); mac != "" {
		return mac
	}
	return bootISCSI(h)
}

// bootEFI reads the variable BootCurrent, the number of the load option that the
// firmware took, and that option (UEFI 2.10, 3.3). Variables begin with four
// bytes of attributes.
func bootEFI(h sysfs.Host) string {
	const dir, global = "/sys/firmware/efi/efivars/", "-8be4df61-93ca-11d2-aa0d-00e098032b8c"
	current, err := h.Bytes(dir + "BootCurrent" + global)
	if err != nil || len(current) < 6 {
		return ""
	}
	option, err := h.Bytes(fmt.Sprintf("%sBoot%04X%s", dir, binary.LittleEndian.Uint16(current[4:]), global))
	if err != nil || len(option) < 4 {
		return ""
	}
	return loadOptionMAC(option[4:])
}

// loadOptionMAC finds the MAC address in the device path of a load option
// (EFI_LOAD_OPTION, UEFI 2.10, 3.1.3): attributes (4), length of the paths (2),
// description in UTF-16 that ends with a zero, paths. A path is a row of nodes:
// type (1), subtype (1), length of all of it (2), value.
func loadOptionMAC(b []byte) string {
	if len(b) < 6 {
		return ""
	}
	size := int(binary.LittleEndian.Uint16(b[4:]))
	for b = b[6:]; len(b) >= 2; {
		end := b[0] == 0 && b[1] == 0
		if b = b[2:]; end {
			break
		}
	}
	for b = b[:min(size, len(b))]; len(b) >= 4; {
		const messaging, address, end = 3, 11, 0x7f
		n := int(binary.LittleEndian.Uint16(b[2:]))
		if n < 4 || n > len(b) || b[0] == end {
			return ""
		}
		if b[0] == messaging && b[1] == address && n >= 4+6 {
			return mac(b[4:10])
		}
		b = b[n:]
	}
	return ""
}

// bootISCSI finds the interface that the iSCSI boot firmware table calls used.
func bootISCSI(h sysfs.Host) string {
	const dir, used = "/sys/firmware/ibft/", 2 // bit of flags: firmware boot selected
	names, _ := h.List(dir)
	for _, name := range names {
		if flags, ok := h.Int(dir + name + "/flags"); ok && flags&used != 0 && strings.HasPrefix(name, "ethernet") {
			return mac(parseMAC(h.Text(dir + name + "/mac")))
		}
	}
	return ""
}
