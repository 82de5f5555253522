package manage

import (
	"context"
	"time"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/smbios"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// Firmware tells what started this system, and whether it insists on signatures.
func Firmware(ctx context.Context, h sysfs.Host) (*hardware.Firmware, error) {
	t, err := smbios.Read(h)
	if t.BIOS != (smbios.BIOS{}) {
		err = nil // the fault is elsewhere in the table
	}
	f := &hardware.Firmware{
		Mode: "bios", Vendor: t.BIOS.Vendor, Version: t.BIOS.Version, Date: day(t.BIOS.Date), Release: t.BIOS.Release, SMBIOS: t.Version(),
	}
	if h.Has("/sys/firmware/efi") {
		f.Mode = "uefi"
		f.SecureBoot, f.SetupMode = variable(h, "SecureBoot"), variable(h, "SetupMode")
		if f.SecureBoot == nil {
			f.SecureBoot = stubSecureBoot(h)
		}
	}
	return f, err
}

// day is a date as YYYY-MM-DD where it is one, else as it stands. SMBIOS wants
// MM/DD/YYYY; old firmware has two digits for the year.
func day(text string) string {
	for _, layout := range []string{"1/2/2006", "1/2/06", "2006-1-2", "2006/1/2", "20060102"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.Format(time.DateOnly)
		}
	}
	return text
}

// variable is one of UEFI's global variables that are a byte, 0 or 1 (UEFI 2.10,
// section 3.3). Linux shows four bytes of attributes before it.
func variable(h sysfs.Host, name string) *bool {
	b, err := h.Bytes("/sys/firmware/efi/efivars/" + name + "-8be4df61-93ca-11d2-aa0d-00e098032b8c")
	if err != nil || len(b) != 5 || b[4] > 1 {
		return nil
	}
	on := b[4] == 1
	return &on
}

// stubSecureBoot is what the kernel's EFI stub saw, for systems without
// efivarfs: byte 0x1ec of struct boot_params, 2 for off, 3 for on.
func stubSecureBoot(h sysfs.Host) *bool {
	const at, off, on = 0x1ec, 2, 3
	b, err := h.Bytes("/sys/kernel/boot_params/data")
	if err != nil || len(b) <= at || b[at] != off && b[at] != on {
		return nil
	}
	enabled := b[at] == on
	return &enabled
}
