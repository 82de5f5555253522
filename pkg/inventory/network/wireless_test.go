package network

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/network/nl80211"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// radios is the part of /sys of a node with a Wi-Fi card that has two phys, one
// without a driver, an old one that says it is Ethernet, a modem, a USB stick for
// Bluetooth and Wi-Fi of which only Bluetooth has a driver, one for Wi-Fi alone,
// and much that is no radio.
func radios() map[string]string {
	f := map[string]string{"sys/bus/pci/x": "", "sys/bus/usb/x": ""}
	pci := func(address, class, vendor, device string, more ...string) string {
		dir := "sys/devices/pci0000:00/" + address
		under(f, dir, "subsystem", "-> sys/bus/pci", "class", "0x"+class+"\n", "vendor", "0x"+vendor+"\n", "device", "0x"+device+"\n")
		under(f, dir, more...)
		f["sys/bus/pci/devices/"+address] = "-> " + dir
		return dir
	}
	usb := func(port, vendor, device string, interfaces ...string) string {
		dir := "sys/devices/pci0000:00/0000:00:14.0/usb1/" + port
		under(f, dir, "subsystem", "-> sys/bus/usb", "idVendor", vendor+"\n", "idProduct", device+"\n")
		f["sys/bus/usb/devices/"+port] = "-> " + dir
		for i, class := range interfaces {
			name := port + ":1." + string(rune('0'+i))
			class, driver, _ := strings.Cut(class, " ")
			under(f, dir+"/"+name, "subsystem", "-> sys/bus/usb", "bInterfaceClass", class[:2]+"\n", "bInterfaceSubClass", class[2:4]+"\n", "bInterfaceProtocol", class[4:]+"\n")
			if driver != "" {
				f[dir+"/"+name+"/driver"] = "-> sys/bus/usb/drivers/" + driver
			}
			f["sys/bus/usb/devices/"+name] = "-> " + dir + "/" + name
		}
		return dir
	}
	delete(f, "sys/bus/usb/x")
	f["sys/bus/usb/drivers/x"], f["sys/bus/pci/drivers/x"] = "", ""
	delete(f, "sys/bus/pci/x")
	two := pci("0000:00:04.0", "028000", "14c3", "7915", "driver", "-> sys/bus/pci/drivers/mt7915e")
	for i, phy := range []string{"phy2", "phy10"} {
		under(f, two+"/ieee80211/"+phy, "device", "-> "+two, "macaddress", "00:0A:43:00:00:0"+string(rune('1'+i))+"\n")
		f["sys/class/ieee80211/"+phy] = "-> " + two + "/ieee80211/" + phy
		f[two+"/net/wlan"+phy[3:]+"/phy80211"] = "-> " + two + "/ieee80211/" + phy
	}
	pci("0000:00:05.0", "028000", "8086", "2725")
	pci("0000:00:06.0", "020000", "168c", "0013")
	pci("0000:00:07.0", "020000", "8086", "100e")
	pci("0000:00:08.0", "028000", "1dd8", "1002", "net/eth0/mtu", "1500\n", "driver", "-> sys/bus/pci/drivers/ionic")
	pci("0000:00:09.0", "0d4000", "17cb", "0306", "driver", "-> sys/bus/pci/drivers/mhi-pci-generic")
	pci("0000:00:10.0", "0d1100", "1217", "0001")
	usb("1-3", "0e8d", "7961", "e00101 btusb", "e00101 btusb", "ffffff")
	hci := "sys/devices/pci0000:00/0000:00:14.0/usb1/1-3/1-3:1.0"
	f[hci+"/bluetooth/hci0/device"] = "-> " + hci
	f["sys/class/bluetooth/hci0"] = "-> " + hci + "/bluetooth/hci0"
	f["sys/class/bluetooth/hci0:11"] = "-> " + hci + "/bluetooth/hci0"
	usb("1-10", "0cf3", "9271", "ffffff")
	usb("1-9", "0a12", "0001", "e00101", "e00101")
	usb("1-11", "2c7c", "0125", "ffffff option", "ffffff qmi_wwan")
	usb("1-12", "1199", "9091", "020e00", "0a0002")
	usb("1-13", "0bda", "8153", "ffff00")    // Ethernet
	usb("1-14", "0bda", "0129", "ffffff")    // card reader
	usb("1-15", "12d1", "1f01", "e00103 rn") // RNDIS
	return f
}

func TestWireless(t *testing.T) {
	f := radios()
	want := []hardware.Radio{
		{ID: "0000:00:04.0", Name: "phy2", MAC: "00:0a:43:00:00:01", Driver: "mt7915e", Bus: "pci", Address: "0000:00:04.0", Vendor: "14c3", Device: "7915", Class: "wifi"},
		{ID: "0000:00:04.0 #2", Name: "phy10", MAC: "00:0a:43:00:00:02", Driver: "mt7915e", Bus: "pci", Address: "0000:00:04.0", Vendor: "14c3", Device: "7915", Class: "wifi"},
		{ID: "0000:00:05.0", Bus: "pci", Address: "0000:00:05.0", Vendor: "8086", Device: "2725", Class: "wifi"},
		{ID: "0000:00:06.0", Bus: "pci", Address: "0000:00:06.0", Vendor: "168c", Device: "0013", Class: "wifi"},
		{ID: "0000:00:09.0", Driver: "mhi-pci-generic", Bus: "pci", Address: "0000:00:09.0", Vendor: "17cb", Device: "0306", Class: "wwan"},
		{ID: "0000:00:10.0", Bus: "pci", Address: "0000:00:10.0", Vendor: "1217", Device: "0001", Class: "bluetooth"},
		{ID: "1-3", Bus: "usb", Address: "1-3", Vendor: "0e8d", Device: "7961", Class: "wifi"},
		{ID: "1-3 #2", Name: "hci0", Driver: "btusb", Bus: "usb", Address: "1-3", Vendor: "0e8d", Device: "7961", Class: "bluetooth"},
		{ID: "1-9", Bus: "usb", Address: "1-9", Vendor: "0a12", Device: "0001", Class: "bluetooth"},
		{ID: "1-10", Bus: "usb", Address: "1-10", Vendor: "0cf3", Device: "9271", Class: "wifi"},
		{ID: "1-11", Driver: "option", Bus: "usb", Address: "1-11", Vendor: "2c7c", Device: "0125", Class: "wwan"},
		{ID: "1-12", Bus: "usb", Address: "1-12", Vendor: "1199", Device: "9091", Class: "wwan"},
	}
	h := plant(t, f)
	got, err := Wireless(context.Background(), h)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("radios (-want +got):\n%s", diff)
	}

	// With a kernel that tells.
	s := survey{host: h}
	s.tool = func(name string, buf []byte) error {
		if name != "wlan10" && name != "wlan2" {
			t.Errorf("asked %s", name)
		}
		copy(buf[68:], "fw of "+name)
		return nil
	}
	s.dump = func() ([]nl80211.Phy, error) {
		return []nl80211.Phy{{Index: 10, Name: "phy10", Modes: []string{"monitor"}, Domain: "DE", Antennas: &hardware.Antennas{TX: 3, RX: 3},
			Bands: []hardware.Band{{ID: "6 GHz"}}}, {Name: "phy77"}}, errors.New("half of it")
	}
	want[0].Firmware, want[1].Firmware = "fw of wlan2", "fw of wlan10"
	want[1].Modes, want[1].Domain, want[1].Antennas = []string{"monitor"}, "DE", &hardware.Antennas{TX: 3, RX: 3}
	want[1].Bands = []hardware.Band{{ID: "6 GHz"}}
	got, err = s.radios(context.Background())
	if err == nil || err.Error() != "half of it" {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("radios (-want +got):\n%s", diff)
	}

	// With one that tells what nobody has foreseen.
	s.dump = func() ([]nl80211.Phy, error) { panic("unforeseen") }
	got, err = s.radios(context.Background())
	if err == nil || !strings.Contains(err.Error(), "internal error: unforeseen") || len(got) != len(want) {
		t.Errorf("%d radios, error %v", len(got), err)
	}

	// With one that doesn't.
	release := make(chan struct{})
	defer close(release)
	s.dump = func() ([]nl80211.Phy, error) { <-release; return nil, nil }
	ctx, cancel := context.WithTimeout(context.Background(), 400*time.Millisecond)
	defer cancel()
	got, err = s.radios(ctx)
	if ctx.Err() != nil || err == nil || len(got) != len(want) || got[0].Firmware != "" {
		t.Errorf("%d radios, error %v, context %v", len(got), err, ctx.Err())
	}
}

func TestNoRadios(t *testing.T) {
	if got, err := Wireless(context.Background(), sysfs.Host{Root: t.TempDir()}); got != nil || err != nil {
		t.Errorf("a machine without any has %v, %v", got, err)
	}
	if _, err := Wireless(context.Background(), sysfs.Host{}); err != nil {
		t.Errorf("this machine: %v", err)
	}
}
