package device

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/device/uhd"
)

// bench has radios: two sticks that can't be told apart, others, and what is none.
const bench = `
/sys/bus/usb/devices/1-1
+idVendor = 0bda
+idProduct = 2838
+product = RTL2838UHIDIR
+serial = 00000001
/sys/bus/usb/devices/1-2
+idVendor = 0bda
+idProduct = 2838
+product = RTL2838UHIDIR
+serial = 00000002
/sys/bus/usb/devices/1-10
+idVendor = 0bda
+idProduct = 2838
+product = RTL2838UHIDIR
+serial = 00000002
/sys/bus/usb/devices/2-1
+idVendor = 2500
+idProduct = 0020
+product = USRP B200
+serial = 30AD2F1
/sys/bus/usb/devices/2-2
+idVendor = 1df7
+idProduct = 3020
/sys/bus/usb/devices/2-3
+idVendor = 046d
+idProduct = c31c
/sys/bus/pci/devices/0000:05:00.0
+class = 0x118000
+vendor = 0x1093
+device = 0xc4c4
+subsystem_vendor = 0x1093
+subsystem_device = 0x7861
/sys/bus/pci/devices/0000:06:00.0
+class = 0x118000
+vendor = 0x1093
+device = 0xc4c5
`

func TestSDRs(t *testing.T) {
	got, err := SDRs(context.Background(), tree(t, bench))
	want := []hardware.SDR{
		{ID: "usb 1-1", Kind: "RTL-SDR", Bus: "usb", Address: "1-1", Serial: "00000001", Vendor: "0bda", Device: "2838", Product: "RTL2838UHIDIR"},
		{ID: "usb 1-2", Kind: "RTL-SDR", Bus: "usb", Address: "1-2", Serial: "00000002", Vendor: "0bda", Device: "2838", Product: "RTL2838UHIDIR"},
		{ID: "usb 1-10", Kind: "RTL-SDR", Bus: "usb", Address: "1-10", Serial: "00000002", Vendor: "0bda", Device: "2838", Product: "RTL2838UHIDIR"},
		{ID: "30AD2F1", Kind: "USRP B200/B210", Bus: "usb", Address: "2-1", Serial: "30AD2F1", Vendor: "2500", Device: "0020", Product: "USRP B200"},
		{ID: "usb 2-2", Kind: "SDRplay RSP", Bus: "usb", Address: "2-2", Vendor: "1df7", Device: "3020"},
		{ID: "pci 0000:05:00.0", Kind: "USRP X300", Bus: "pci", Address: "0000:05:00.0", Vendor: "1093", Device: "c4c4"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if got, err := SDRs(context.Background(), tree(t)); got != nil || err != nil {
		t.Errorf("a machine without radios: %v, %v", got, err)
	}
}

func TestNeighbours(t *testing.T) {
	h := tree(t, `/proc/net/arp = IP address       HW type     Flags       HW address            Mask     Device\n10.1.0.9         0x1         0x2         00:80:2f:0a:0b:0c     *        eth0\n10.1.0.11         0x1         0x2         00:80:2f:0a:0b:0c     *        eth0\n10.1.0.8         0x1         0x0         00:00:00:00:00:00     *        eth0`)
	a, b := network{netip.MustParsePrefix("10.1.0.2/24"), "52:54:00:00:00:01"}, network{netip.MustParsePrefix("10.2.0.2/24"), "52:54:00:00:00:02"}
	ask := func(ctx context.Context, p netip.Prefix, bound time.Duration) ([]uhd.Radio, error) {
		if bound > answerTime {
			t.Errorf("asked for %v", bound)
		}
		if p == b.Prefix {
			return []uhd.Radio{{Kind: "USRP N310", Address: netip.MustParseAddr("10.2.0.5"), Serial: "31A0B1C"}}, errors.New("network is down")
		}
		return []uhd.Radio{
			{Kind: "USRP X310", Address: netip.MustParseAddr("10.1.0.5"), Serial: "30F0A1B", Name: "roof\x1b[0m"},
			{Kind: "USRP N310", Address: netip.MustParseAddr("10.1.0.6"), Serial: "31A0B1C"},
			{Kind: "USRP2/N200 series", Address: netip.MustParseAddr("10.1.0.8")},
			{Kind: "USRP2/N200 series", Address: netip.MustParseAddr("10.1.0.9")},
			{Kind: "USRP2/N200 series", Address: netip.MustParseAddr("10.1.0.11")}, // the same radio
			{Kind: "USRP \x1b[31m", Address: netip.MustParseAddr("10.1.0.10"), Serial: strings.Repeat("ab", 500)},
		}, nil
	}
	found, err := neighbours(context.Background(), h, func() ([]network, error) { return []network{a, b}, nil }, ask)
	if err == nil || !strings.Contains(err.Error(), "network is down") {
		t.Errorf("error: %v", err)
	}
	long := strings.Repeat("ab", longest/2)
	want := []hardware.SDR{
		{ID: "30F0A1B", Kind: "USRP X310", Bus: "network", Address: "10.1.0.5", Serial: "30F0A1B", Product: "roof [0m", NIC: a.mac},
		{ID: "31A0B1C", Kind: "USRP N310", Bus: "network", Address: "10.1.0.6", Serial: "31A0B1C", NIC: a.mac},
		{ID: "network 10.1.0.8", Kind: "USRP2/N200 series", Bus: "network", Address: "10.1.0.8", NIC: a.mac},
		{ID: "network 00:80:2f:0a:0b:0c", Kind: "USRP2/N200 series", Bus: "network", Address: "10.1.0.9", NIC: a.mac},
		{ID: "network 00:80:2f:0a:0b:0c #2", Kind: "USRP2/N200 series", Bus: "network", Address: "10.1.0.11", NIC: a.mac},
		{ID: long, Kind: "USRP [31m", Bus: "network", Address: "10.1.0.10", Serial: long, NIC: a.mac},
	}
	if diff := cmp.Diff(want, identified(found)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if found, err := neighbours(context.Background(), h, func() ([]network, error) { return nil, errors.New("none") }, ask); found != nil || err == nil {
		t.Errorf("without networks: %v, %v", found, err)
	}
}
