package device

import (
	"strconv"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// place says where a device is attached, by its path in sysfs without links, in
// names that don't depend on the order in which the kernel found things:
// "0000:00:1f.2 ata 1", "1-1.2" of USB, "coretemp.0". Bus numbers of SCSI and
// I2C do depend on it.
func place(h sysfs.Host, path string) string {
	parts := strings.Split(path, "/")
	where, usb := "", false
	for i, name := range parts {
		switch {
		case isPCI(name):
			where = name
		case strings.HasPrefix(name, "usb") && number(name[3:]):
			usb = true
		case usb && strings.Contains(name, "-") && !strings.Contains(name, ":"):
			where = name
		case where == "" || usb:
		case strings.HasPrefix(name, "ata") && number(name[3:]):
			port := h.Text(strings.Join(parts[:i+1], "/") + "/ata_port/" + name + "/port_no")
			if !number(port) {
				port = name[3:]
			}
			return where + " ata " + port
		case scsi(name) != "":
			where += " " + scsi(name)
		case i2c(name) != "":
			where += " i2c " + i2c(name)
		}
	}
	if last := parts[len(parts)-1]; where == "" && !strings.Contains(path, "/virtual/") {
		return last
	}
	return where
}

// isPCI tells an address: "0000:00:1f.2". A domain can have more digits.
func isPCI(name string) bool {
	f := strings.Split(name, ":")
	return len(f) == 3 && len(f[0]) >= 4 && len(f[1]) == 2 && len(f[2]) == 4 && f[2][2] == '.' &&
		hexadecimal(f[0]+f[1]+f[2][:2]+f[2][3:])
}

// scsi is channel, target and unit of a SCSI address, without the host's number.
func scsi(name string) string {
	f := strings.Split(name, ":")
	if len(f) != 4 || !number(f[0]) || !number(f[1]) || !number(f[2]) || !number(f[3]) {
		return ""
	}
	return strings.Join(f[1:], ":")
}

// i2c is the address on the bus of a client: 4c of "3-004c".
func i2c(name string) string {
	bus, address, ok := strings.Cut(name, "-")
	if !ok || !number(bus) || len(address) != 4 || !hexadecimal(address) {
		return ""
	}
	return strings.TrimPrefix(address, "00")
}

func number(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func hexadecimal(s string) bool { return s != "" && strings.Trim(s, "0123456789abcdef") == "" }

// driver is the driver of a device or of the nearest one above it that has a
// real one: serial ports have devices of their own between.
func driver(h sysfs.Host, path string) string {
	for strings.Count(path, "/") > 2 { // /sys/devices
		if name := h.Base(path + "/driver"); name != "" && name != "port" && name != "ctrl" {
			return name
		}
		path = path[:strings.LastIndexByte(path, '/')]
	}
	return ""
}

// distinct makes an id of one that may have been given out before.
func distinct(given map[string]int, id string) string {
	given[id]++
	if n := given[id]; n > 1 {
		return id + " #" + strconv.Itoa(n)
	}
	return id
}
