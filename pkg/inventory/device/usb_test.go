package device

import (
	"context"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/hardware"
)

const laptopUSB = `
/sys/devices/pci0000:00/0000:00:14.0/usb1
+idVendor = 1d6b
+idProduct = 0002
/sys/devices/pci0000:00/0000:00:14.0/usb1/1-0:1.0
+bInterfaceNumber = 00
+bInterfaceClass = 09
+bInterfaceSubClass = 00
+bInterfaceProtocol = 00
/sys/devices/pci0000:00/0000:00:14.0/usb1/1-4
+idVendor = 05e3
+idProduct = 0610
+bcdDevice = 6654
+bDeviceClass = 09
+bDeviceSubClass = 00
+bDeviceProtocol = 02
+speed = 480
+product = USB2.1 Hub
/sys/devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4:1.0
+bInterfaceNumber = 00
+bInterfaceClass = 09
+bInterfaceSubClass = 00
+bInterfaceProtocol = 01
+driver -> /sys/bus/usb/drivers/hub
/sys/devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4.10
+idVendor = 0bda
+idProduct = 2838
+bcdDevice = 0100
+bDeviceClass = 00
+bDeviceSubClass = 00
+bDeviceProtocol = 00
+speed = 480
+manufacturer = \e[31mRealtek\e[0m
+product = RTL2838UHIDIR\n\xff evil
+serial = 00000001
/sys/devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4.10/1-4.10:1.0
+bInterfaceNumber = 00
+bInterfaceClass = ff
+bInterfaceSubClass = ff
+bInterfaceProtocol = ff
/sys/devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4.10/1-4.10:1.1
+bInterfaceNumber = 01
+bInterfaceClass = ff
+bInterfaceSubClass = ff
+bInterfaceProtocol = ff
/sys/devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4.2
+idVendor = 046d
+idProduct = c31c
+bcdDevice = 6402
+bDeviceClass = 00
+bDeviceSubClass = 00
+bDeviceProtocol = 00
+speed = 1.5
+manufacturer = Logitech
+product = USB Keyboard
+serial = 0
/sys/devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4.2/1-4.2:1.0
+bInterfaceNumber = 00
+bInterfaceClass = 03
+bInterfaceSubClass = 01
+bInterfaceProtocol = 01
+driver -> /sys/bus/usb/drivers/usbhid
# Gone, but for its name.
/sys/devices/pci0000:00/0000:00:14.0/usb1/1-5
+authorized = 0
/sys/bus/usb/devices
+usb1 -> /sys/devices/pci0000:00/0000:00:14.0/usb1
+1-0:1.0 -> /sys/devices/pci0000:00/0000:00:14.0/usb1/1-0:1.0
+1-4 -> /sys/devices/pci0000:00/0000:00:14.0/usb1/1-4
+1-4:1.0 -> /sys/devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4:1.0
+1-4.10 -> /sys/devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4.10
+1-4.10:1.0 -> /sys/devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4.10/1-4.10:1.0
+1-4.10:1.1 -> /sys/devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4.10/1-4.10:1.1
+1-4.2 -> /sys/devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4.2
+1-4.2:1.0 -> /sys/devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4.2/1-4.2:1.0
+1-5 -> /sys/devices/pci0000:00/0000:00:14.0/usb1/1-5
/proc/sys/kernel/osrelease = 6.12.1-test
/lib/modules/6.12.1-test/modules.alias = alias usb:v0BDAp2838d*dc*dsc*dp*ic*isc*ip*in00* dvb_usb_rtl28xxu
`

func TestUSB(t *testing.T) {
	got, err := USB(context.Background(), tree(t, laptopUSB))
	if err != nil {
		t.Fatal(err)
	}
	want := []hardware.USB{
		{ID: "1-4", Vendor: "05e3", Device: "0610", Version: "66.54", Class: "090002", Product: "USB2.1 Hub", Speed: "480",
			Interfaces: []hardware.USBInterface{{ID: "00", Class: "090001", Driver: "hub"}}},
		{ID: "1-4.2", Vendor: "046d", Device: "c31c", Version: "64.02", Class: "000000", Maker: "Logitech", Product: "USB Keyboard", Speed: "1.5",
			Interfaces: []hardware.USBInterface{{ID: "00", Class: "030101", Driver: "usbhid"}}},
		{ID: "1-4.10", Vendor: "0bda", Device: "2838", Version: "1.00", Class: "000000", Maker: "[31mRealtek [0m", Product: "RTL2838UHIDIR evil", Serial: "00000001", Speed: "480",
			Interfaces: []hardware.USBInterface{{ID: "00", Class: "ffffff", Module: "dvb_usb_rtl28xxu"}, {ID: "01", Class: "ffffff"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got, err := USB(context.Background(), tree(t)); got != nil || err != nil {
		t.Errorf("a machine without USB: %v, %v", got, err)
	}
}

func TestWords(t *testing.T) {
	for in, want := range map[string]string{
		"":                                     "",
		" a  b ":                               "a b",
		"a\x00b\x07\nc":                        "a b c",
		"\x1b]0;title\x07Disk":                 "]0;title Disk",
		"Gerät №1 日本":                          "Gerät №1 日本",
		"bad \xff\xfe utf\xc3":                 "bad utf",
		"left\u202eright\u200b\ufeff\u2028end": "left right end",
		"To Be Filled By O.E.M.":               "",
		"None":                                 "",
		strings.Repeat("xy", 500):              strings.Repeat("xy", longest/2),
		strings.Repeat("é ", 500):              strings.TrimSpace(strings.Repeat("é ", longest/2)),
	} {
		if got := words(in); got != want {
			t.Errorf("words(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzWords(f *testing.F) {
	f.Add("a\x00b \x1b[0m\u202e\xff")
	f.Fuzz(func(t *testing.T, s string) {
		got := words(s)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > longest || strings.TrimSpace(got) != got {
			t.Errorf("words(%q) = %q", s, got)
		}
		for _, r := range got {
			if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u202e' || r == '\u2028' {
				t.Errorf("words(%q) = %q has %U", s, got, r)
			}
		}
		if again := words(got); again != got {
			t.Errorf("words(%q) = %q, and of that %q", s, got, again)
		}
	})
}
