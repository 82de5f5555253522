package device

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

const usbDir = "/sys/bus/usb/devices/"

// USB lists the USB devices, hubs among them, without those that are part of a
// controller.
func USB(ctx context.Context, h sysfs.Host) ([]hardware.USB, error) {
	devices, interfaces, err := ports(h)
	if err != nil {
		return nil, err
	}
	all := make([]hardware.USB, len(devices))
	err = each(ctx, len(devices), func(i int) { all[i] = usbDevice(h, devices[i], interfaces[devices[i]]) })
	var found []hardware.USB
	for _, d := range all {
		if d.Vendor != "" && d.Device != "" {
			found = append(found, d)
		}
	}
	return found, errors.Join(err, modules(h, nil, found))
}

// ports names the devices, and the interfaces of each: sysfs has them all in one
// directory, as 1-1.2 and 1-1.2:1.0.
func ports(h sysfs.Host) (devices []string, interfaces map[string][]string, err error) {
	names, err := h.List(usbDir)
	if err != nil {
		return nil, nil, fmt.Errorf("list USB devices: %w", err)
	}
	interfaces = map[string][]string{}
	for _, name := range names {
		device, _, isInterface := strings.Cut(name, ":")
		switch {
		case isInterface:
			interfaces[device] = append(interfaces[device], name)
		case strings.Contains(device, "-"): // not usb1, a root hub
			devices = append(devices, device)
		}
	}
	return devices, interfaces, nil
}

func usbDevice(h sysfs.Host, name string, interfaces []string) hardware.USB {
	dir := usbDir + name + "/"
	d := hardware.USB{
		ID: name, Vendor: digits(h, dir+"idVendor", 4), Device: digits(h, dir+"idProduct", 4),
		Class: class(h, dir+"bDevice"), Speed: speed(h.Text(dir + "speed")),
		Maker: words(h.Text(dir + "manufacturer")), Product: words(h.Text(dir + "product")), Serial: words(h.Text(dir + "serial")),
	}
	if bcd := digits(h, dir+"bcdDevice", 4); bcd != "" {
		d.Version = strings.TrimPrefix(bcd[:2], "0") + "." + bcd[2:]
	}
	for _, name := range interfaces {
		dir := usbDir + name + "/"
		i := hardware.USBInterface{ID: digits(h, dir+"bInterfaceNumber", 2), Class: class(h, dir+"bInterface"), Driver: h.Base(dir + "driver")}
		if i.ID != "" {
			d.Interfaces = append(d.Interfaces, i)
		}
	}
	return d
}

// class is the class, subclass and protocol of a device or an interface.
func class(h sysfs.Host, prefix string) string {
	c, s, p := digits(h, prefix+"Class", 2), digits(h, prefix+"SubClass", 2), digits(h, prefix+"Protocol", 2)
	if c == "" || s == "" || p == "" {
		return ""
	}
	return c + s + p
}

// speed is a number of Mbit/s; the kernel has 1.5 too, and "unknown".
func speed(s string) string {
	if strings.Trim(s, "0123456789.") != "" || len(s) > 8 {
		return ""
	}
	return s
}
