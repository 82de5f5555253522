package device

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/hardware/modalias"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// modules tells what would drive the devices without drivers, if the modules of
// this kernel are there to look at.
func modules(h sysfs.Host, pci []hardware.PCI, usb []hardware.USB) error {
	release := h.Text("/proc/sys/kernel/osrelease")
	if release == "" || strings.Contains(release, "/") {
		return nil
	}
	f, err := os.Open(h.Path("/lib/modules/" + release + "/modules.alias"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		defer f.Close()
		err = modalias.Fill(f, pci, usb)
	}
	if err != nil {
		return fmt.Errorf("find modules for devices without drivers: %w", err)
	}
	return nil
}
