package device

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

const ttyDir = "/sys/class/tty/"

// SerialPorts lists the UARTs that are really there, and serial ports on USB.
func SerialPorts(ctx context.Context, h sysfs.Host) ([]hardware.SerialPort, error) {
	names, err := h.List(ttyDir)
	if err != nil {
		return nil, fmt.Errorf("list terminals: %w", err)
	}
	consoles := strings.Fields(h.Text(ttyDir + "console/active"))
	all := make([]hardware.SerialPort, len(names))
	err = each(ctx, len(names), func(i int) {
		all[i] = serialPort(h, names[i])
		all[i].Console = slices.Contains(consoles, names[i])
	})
	var found []hardware.SerialPort
	for _, p := range all {
		if p.ID != "" {
			found = append(found, p)
		}
	}
	sort.SliceStable(found, func(i, j int) bool {
		if c := sysfs.Compare(found[i].ID, found[j].ID); c != 0 {
			return c < 0
		}
		return sysfs.Compare(found[i].Address, found[j].Address) < 0
	})
	given := map[string]int{}
	for i := range found {
		found[i].ID = distinct(given, found[i].ID)
	}
	return found, err
}

// serialPort has no id if a terminal isn't one.
func serialPort(h sysfs.Host, name string) hardware.SerialPort {
	dir := ttyDir + name + "/"
	if target, _ := os.Readlink(h.Path(ttyDir + name)); strings.Contains(target, "/virtual/") { // there are dozens
		return hardware.SerialPort{}
	}
	kind, ok := h.Int(dir + "type")
	if ok && kind == 0 { // a place for a port
		return hardware.SerialPort{}
	}
	path := h.Real(dir + "device")
	if path == "" {
		return hardware.SerialPort{}
	}
	p := hardware.SerialPort{Name: name, Driver: driver(h, path)}
	if !ok { // not of the kernel's serial core
		p.ID = usbInterface(path)
		return p
	}
	p.Type = uarts(kind)
	address, _ := h.Int(dir + "iomem_base")
	if port, _ := h.Int(dir + "port"); address == 0 {
		address = port
	}
	if address > 0 {
		p.Address = "0x" + strconv.FormatInt(address, 16)
	}
	if p.ID = place(h, path); !isPCI(p.ID) {
		// The kernel may give others to devices on PCI at every boot.
		if irq, ok := h.Int(dir + "irq"); ok && irq > 0 {
			p.IRQ = int(irq)
		}
		if p.Address != "" {
			p.ID = p.Address
		}
	}
	return p
}

// usbInterface is the interface of a device in whose directory a path is, like
// "1-1.2:1.0".
func usbInterface(path string) (last string) {
	usb := false
	for _, name := range strings.Split(path, "/") {
		usb = usb || strings.HasPrefix(name, "usb") && number(name[3:])
		if usb && strings.Contains(name, "-") && strings.Contains(name, ":") {
			last = name
		}
	}
	return last
}

// uarts names the types of include/uapi/linux/serial.h and serial_core.h that
// are met on machines that boot from the network.
func uarts(kind int64) string {
	switch kind {
	case 1:
		return "8250"
	case 2:
		return "16450"
	case 3:
		return "16550"
	case 4, 14:
		return "16550A"
	case 6:
		return "16650"
	case 7:
		return "16650V2"
	case 8:
		return "16750"
	case 10:
		return "16C950"
	case 11:
		return "16654"
	case 12:
		return "16850"
	case 21:
		return "XR17D15X"
	case 24:
		return "XR17V35X"
	case 32:
		return "PL011"
	}
	return ""
}
