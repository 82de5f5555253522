package network

import (
	"fmt"
	"slices"
	"strings"
)

// Classes of radios.
const (
	wifi      = "wifi"
	bluetooth = "bluetooth"
	wwan      = "wwan"
)

// cards are the radios among PCI functions.
func (s survey) cards() ([]*radio, error) {
	const dir = "/sys/bus/pci/devices/"
	names, err := s.host.List(dir)
	if err != nil {
		return nil, fmt.Errorf("list PCI devices: %w", err)
	}
	var all []*radio
	for _, name := range names {
		class := cardClass(s.host.Hex(dir+name+"/class"), s.digits(dir+name+"/vendor"))
		if class == "" {
			continue
		}
		p, ok := placeOf(s.host, dir+name)
		if !ok || class == wifi && s.wired(p.path) {
			continue
		}
		r := s.at(p, class)
		r.Driver = s.host.Base(p.path + "/driver")
		all = append(all, r)
	}
	return all, nil
}

// wired tells that a device's driver made an interface of it that is not one of
// cfg80211's: then its class means something else.
func (s survey) wired(path string) bool {
	names, _ := s.host.List(path + "/net")
	return slices.ContainsFunc(names, func(name string) bool { return !s.host.Has(path + "/net/" + name + "/phy80211") })
}

// cardClass tells what kind of radio a PCI function is, by its class and vendor,
// "" if it is none.
func cardClass(class, vendor string) string {
	if len(class) != 6 {
		return ""
	}
	switch class[:4] {
	case "0280", "0d20", "0d21": // network controllers that are no Ethernet's, IEEE 802.11a and b
		return wifi
	case "0d11":
		return bluetooth
	case "0d40", "0d41": // cellular modems
		return wwan
	case "0200": // some say Ethernet: Atheros, Ralink, and Intersil make nothing else
		if vendor == "168c" || vendor == "1814" || vendor == "1260" {
			return wifi
		}
	}
	return ""
}

// sticks are the radios among USB devices.
func (s survey) sticks() ([]*radio, error) {
	const dir = "/sys/bus/usb/devices/"
	names, err := s.host.List(dir)
	if err != nil {
		return nil, fmt.Errorf("list USB devices: %w", err)
	}
	interfaces := map[string][]string{} // their names, by device
	for _, name := range names {
		if device, _, ok := strings.Cut(name, ":"); ok {
			interfaces[device] = append(interfaces[device], name)
		}
	}
	var all []*radio
	for _, name := range names {
		p, ok := placeOf(s.host, dir+name)
		if !ok || strings.Contains(name, ":") {
			continue
		}
		var classes, drivers []string
		for _, i := range interfaces[name] {
			i = dir + i
			classes = append(classes, s.host.Hex(i+"/bInterfaceClass")+s.host.Hex(i+"/bInterfaceSubClass")+s.host.Hex(i+"/bInterfaceProtocol"))
			drivers = append(drivers, s.host.Base(i+"/driver"))
		}
		ids := s.at(p, "")
		for _, kind := range stickClasses(ids.Vendor, ids.Device, classes, drivers) {
			r := s.at(p, kind)
			for i, class := range classes {
				if (class == bluetoothClass) == (r.Class == bluetooth) && drivers[i] != "" {
					r.Driver = drivers[i]
					break
				}
			}
			all = append(all, r)
		}
	}
	return all, nil
}

const bluetoothClass = "e00101" // of USB interfaces

// stickClasses tells what kinds of radios a USB device is, by its ids, the
// classes of its interfaces (six digits) and their drivers.
func stickClasses(vendor, device string, classes, drivers []string) (kinds []string) {
	if sticks(vendor, device) && slices.ContainsFunc(classes, func(c string) bool { return c != bluetoothClass }) {
		kinds = append(kinds, wifi)
	}
	if slices.Contains(classes, bluetoothClass) {
		kinds = append(kinds, bluetooth)
	}
	modem := func(class string) bool { return strings.HasPrefix(class, "020e") } // MBIM
	if slices.ContainsFunc(classes, modem) || slices.Contains(drivers, "qmi_wwan") || slices.Contains(drivers, "sierra_net") {
		kinds = append(kinds, wwan)
	}
	return kinds
}

// sticks tells the usual USB devices for Wi-Fi, which have no class of their
// own: by vendor, the beginnings of product numbers.
func sticks(vendor, device string) bool {
	products := ""
	switch vendor {
	case "148f", "7392": // Ralink, Edimax
		return true
	case "0cf3": // Atheros
		products = "0001 0002 10 20ff 701 9 b00"
	case "0ace": // ZyDAS
		products = "12 20 a2 b2"
	case "0bda": // Realtek
		products = "0179 018a 081 082 1724 8170 817 8186 8187 8189 818a 818b 818c 819 8812 8813 881 885 8832 8852 a81 a85 b7 b81 b82 b83 b85 c81 c82 c83 c85 d72 f179 f192"
	case "0e8d": // MediaTek
		products = "760 761 7630 7632 7650 766 7902 7922 7925 7961"
	case "0a5c": // Broadcom
		products = "bd"
	case "1286": // Marvell
		products = "2001 204 2052"
	case "168c", "13d3": // Atheros, AzureWave
		products = "0001 326 327 328 33"
	case "2357": // TP-Link
		products = "010 011 012 013 014"
	case "2001", "07d1": // D-Link
		products = "33 370 3a0 3a1 3c03 3c04 3c06 3c07 3c09 3c0a 3c0b 3c0d 3c0e 3c0f 3c1 3c2 3d0"
	case "0846": // Netgear
		products = "42 6100 6a00 90 f001"
	case "0b05": // Asus
		products = "1723 1724 1731 1732 1742 1760 1761 1784 1790 179d 17ab 17ad 17ba 17d1 17d3 17db 17e8 17eb 180b 1833 1841 184c 1853 1870 1874 18f0 19aa"
	case "20f4": // TRENDnet
		products = "624d 648b 664b 724a 804b 805b 806b 808a"
	case "13b1": // Linksys
		products = "000d 0011 0020 0023 002f 0031 003e 003f 0042 0043 0045"
	case "0411": // Buffalo
		products = "00d8 00d9 00da 00e8 0116 0119 012e 0148 0150 0158 015d 016f 01a2 01ee 0241 0253"
	case "0df6": // Sitecom
		products = "000d 0017 0024 0027 0028 0029 002b 002c 002d 002f 003 004 0050 0051 0052 0053 005c 005f 006 0070 0071 0075 0076 0077 0078 0079 907 9712"
	}
	for p := range strings.FieldsSeq(products) {
		if strings.HasPrefix(device, p) {
			return true
		}
	}
	return false
}
