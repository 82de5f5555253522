package device

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/device/uhd"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// SDRs lists the software-defined radios on USB and PCI, which are known by
// their ids, and those on the machine's networks that answer as USRPs do.
func SDRs(ctx context.Context, h sysfs.Host) ([]hardware.SDR, error) {
	var onNetwork []hardware.SDR
	var askErr error
	if h.Live() {
		onNetwork, askErr = neighbours(ctx, h, networks, uhd.Ask)
	}
	onUSB, usbErr := usbRadios(ctx, h)
	onPCI, pciErr := pciRadios(ctx, h)
	return identified(append(append(onUSB, onPCI...), onNetwork...)), errors.Join(usbErr, pciErr, askErr)
}

// identified gives ids: the serial number, or the place where that says nothing
// or is another radio's too.
func identified(found []hardware.SDR) []hardware.SDR {
	given, ids := map[string]int{}, map[string]int{}
	for _, r := range found {
		given[r.Serial]++
	}
	for i := range found {
		r := &found[i]
		// Sticks come with the number 00000001.
		if n := strings.TrimLeft(r.Serial, "0"); n != "" && n != "1" && given[r.Serial] == 1 {
			r.ID = r.Serial
		} else if r.ID == "" {
			r.ID = r.Bus + " " + r.Address
		}
		r.ID = distinct(ids, r.ID)
	}
	return found
}

func usbRadios(ctx context.Context, h sysfs.Host) (found []hardware.SDR, err error) {
	devices, _, err := ports(h)
	if err != nil {
		return nil, err
	}
	all := make([]hardware.SDR, len(devices))
	err = each(ctx, len(devices), func(i int) {
		dir := usbDir + devices[i] + "/"
		vendor, device := digits(h, dir+"idVendor", 4), digits(h, dir+"idProduct", 4)
		if kind := usbRadio(vendor, device); kind != "" {
			all[i] = hardware.SDR{
				Kind: kind, Bus: "usb", Address: devices[i], Vendor: vendor, Device: device,
				Serial: words(h.Text(dir + "serial")), Product: words(h.Text(dir + "product")),
			}
		}
	})
	for _, r := range all {
		if r.Kind != "" {
			found = append(found, r)
		}
	}
	return found, err
}

// usbRadio names a radio by the ids of its USB device, as the radios' own
// drivers know them. Some share ids with their siblings.
func usbRadio(vendor, device string) string {
	switch vendor + ":" + device {
	case "fffe:0002":
		return "USRP1"
	case "2500:0001", "2500:0002":
		return "USRP B100"
	case "2500:0020":
		return "USRP B200/B210"
	case "3923:7813":
		return "USRP B200"
	case "3923:7814":
		return "USRP B210"
	case "2500:0021":
		return "USRP B200mini"
	case "2500:0022":
		return "USRP B205mini"
	case "2500:0023":
		return "USRP B206mini"
	case "2cf0:5246", "1d50:6066":
		return "bladeRF"
	case "2cf0:5250":
		return "bladeRF 2.0"
	case "1d50:6089":
		return "HackRF One"
	case "1d50:604b":
		return "HackRF Jawbreaker"
	case "1d50:cc15":
		return "rad1o"
	case "1d50:6108":
		return "LimeSDR-USB"
	case "0403:601f":
		return "LimeSDR Mini"
	case "0bda:2832", "0bda:2838":
		return "RTL-SDR"
	case "1d50:60a1":
		return "Airspy"
	case "03eb:800c":
		return "Airspy HF+"
	case "0456:b673":
		return "PlutoSDR"
	}
	if vendor == "1df7" { // makes nothing else
		return "SDRplay RSP"
	}
	return ""
}

func pciRadios(ctx context.Context, h sysfs.Host) (found []hardware.SDR, err error) {
	names, err := functions(h)
	if err != nil {
		return nil, err
	}
	all := make([]hardware.SDR, len(names))
	err = each(ctx, len(names), func(i int) {
		dir := pciDir + names[i] + "/"
		if digits(h, dir+"vendor", 4) == "1093" && digits(h, dir+"device", 4) == "c4c4" {
			board, _ := strconv.ParseUint(digits(h, dir+"subsystem_device", 4), 16, 16)
			all[i] = hardware.SDR{Kind: uhd.Board(uint16(board)), Bus: "pci", Address: names[i], Vendor: "1093", Device: "c4c4"}
		}
	})
	for _, r := range all {
		if r.Kind != "" {
			found = append(found, r)
		}
	}
	return found, err
}
