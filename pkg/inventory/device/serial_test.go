package device

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/hardware"
)

const ports1 = `
# On the board; by kernels since 6.5 a port has devices of its own.
/sys/devices/pnp0/00:05
+driver -> /sys/bus/pnp/drivers/serial
/sys/devices/pnp0/00:05/00:05:0
+driver -> /sys/bus/serial-base/drivers/ctrl
/sys/devices/pnp0/00:05/00:05:0/00:05:0.0
+driver -> /sys/bus/serial-base/drivers/port
/sys/devices/pnp0/00:05/00:05:0/00:05:0.0/tty/ttyS0
+device -> /sys/devices/pnp0/00:05/00:05:0/00:05:0.0
+type = 4
+port = 0x3F8
+iomem_base = 0x0
+irq = 4
# A place for one.
/sys/devices/platform/serial8250/tty/ttyS1
+device -> /sys/devices/platform/serial8250
+type = 0
+port = 0x2F8
+iomem_base = 0x0
+irq = 3
# A card with two, the second of which came first.
/sys/devices/pci0000:00/0000:00:1c.0/0000:04:00.0
+driver -> /sys/bus/pci/drivers/exar_serial
/sys/devices/pci0000:00/0000:00:1c.0/0000:04:00.0/tty/ttyS4
+device -> /sys/devices/pci0000:00/0000:00:1c.0/0000:04:00.0
+type = 24
+port = 0x0
+iomem_base = 0xDF000400
+irq = 30
/sys/devices/pci0000:00/0000:00:1c.0/0000:04:00.0/tty/ttyS5
+device -> /sys/devices/pci0000:00/0000:00:1c.0/0000:04:00.0
+type = 24
+port = 0x0
+iomem_base = 0xDF000000
+irq = 30
# USB, with and without a serial core of its own.
/sys/devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4.3/1-4.3:1.0/ttyUSB0
+driver -> /sys/bus/usb-serial/drivers/ftdi_sio
/sys/devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4.3/1-4.3:1.0/ttyUSB0/tty/ttyUSB0
+device -> /sys/devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4.3/1-4.3:1.0/ttyUSB0
/sys/devices/pci0000:00/0000:00:14.0/usb1/1-5/1-5:1.0
+driver -> /sys/bus/usb/drivers/cdc_acm
/sys/devices/pci0000:00/0000:00:14.0/usb1/1-5/1-5:1.0/tty/ttyACM0
+device -> /sys/devices/pci0000:00/0000:00:14.0/usb1/1-5/1-5:1.0
/sys/devices/virtual/tty/tty1
+dev = 4:1
/sys/devices/virtual/tty/console
+active = tty0 ttyS0
# A console of a hypervisor is none.
/sys/devices/pci0000:00/0000:00:08.0/virtio3/virtio-ports/vport3p0
+dev = 1
/sys/devices/pci0000:00/0000:00:08.0/virtio3/tty/hvc0
+device -> /sys/devices/pci0000:00/0000:00:08.0/virtio3
/sys/class/tty
+ttyS0 -> /sys/devices/pnp0/00:05/00:05:0/00:05:0.0/tty/ttyS0
+ttyS1 -> /sys/devices/platform/serial8250/tty/ttyS1
+ttyS4 -> /sys/devices/pci0000:00/0000:00:1c.0/0000:04:00.0/tty/ttyS4
+ttyS5 -> /sys/devices/pci0000:00/0000:00:1c.0/0000:04:00.0/tty/ttyS5
+ttyUSB0 -> /sys/devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4.3/1-4.3:1.0/ttyUSB0/tty/ttyUSB0
+ttyACM0 -> /sys/devices/pci0000:00/0000:00:14.0/usb1/1-5/1-5:1.0/tty/ttyACM0
+tty1 -> /sys/devices/virtual/tty/tty1
+console -> /sys/devices/virtual/tty/console
+hvc0 -> /sys/devices/pci0000:00/0000:00:08.0/virtio3/tty/hvc0
`

func TestSerialPorts(t *testing.T) {
	got, err := SerialPorts(context.Background(), tree(t, ports1))
	want := []hardware.SerialPort{
		{ID: "0x3f8", Name: "ttyS0", Type: "16550A", Address: "0x3f8", IRQ: 4, Driver: "serial", Console: true},
		{ID: "1-4.3:1.0", Name: "ttyUSB0", Driver: "ftdi_sio"},
		{ID: "1-5:1.0", Name: "ttyACM0", Driver: "cdc_acm"},
		{ID: "0000:04:00.0", Name: "ttyS5", Type: "XR17V35X", Address: "0xdf000000", Driver: "exar_serial"},
		{ID: "0000:04:00.0 #2", Name: "ttyS4", Type: "XR17V35X", Address: "0xdf000400", Driver: "exar_serial"},
	}
	if diff := cmp.Diff(want, got, cmp.Transformer("byID", func(all []hardware.SerialPort) map[string]hardware.SerialPort {
		m := map[string]hardware.SerialPort{}
		for _, p := range all {
			m[p.ID] = p
		}
		return m
	})); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if got, err := SerialPorts(context.Background(), tree(t)); got != nil || err != nil {
		t.Errorf("a machine without terminals: %v, %v", got, err)
	}
}

func TestWatchdogs(t *testing.T) {
	h := tree(t, `
/sys/devices/pci0000:00/0000:00:1f.0/iTCO_wdt.1.auto
+driver -> /sys/bus/platform/drivers/iTCO_wdt
/sys/devices/pci0000:00/0000:00:1f.0/iTCO_wdt.1.auto/watchdog/watchdog1
+device -> /sys/devices/pci0000:00/0000:00:1f.0/iTCO_wdt.1.auto
+identity = iTCO_wdt
+nowayout = 1
+state = active
+timeout = 30
+bootstatus = 32
/sys/devices/virtual/watchdog/watchdog0
+identity = Software Watchdog
+nowayout = 0
+state = inactive
+timeout = 60
+bootstatus = 0
/sys/devices/virtual/watchdog/watchdog2
+identity = Software Watchdog
+state = inactive
# Without CONFIG_WATCHDOG_SYSFS.
/sys/devices/platform/wdat_wdt
+driver -> /sys/bus/platform/drivers/wdat_wdt
/sys/devices/platform/wdat_wdt/watchdog/watchdog3
+device -> /sys/devices/platform/wdat_wdt
/sys/devices/virtual/watchdog/watchdog4
+dev = 10:1
/sys/class/watchdog
+watchdog0 -> /sys/devices/virtual/watchdog/watchdog0
+watchdog1 -> /sys/devices/pci0000:00/0000:00:1f.0/iTCO_wdt.1.auto/watchdog/watchdog1
+watchdog2 -> /sys/devices/virtual/watchdog/watchdog2
+watchdog3 -> /sys/devices/platform/wdat_wdt/watchdog/watchdog3
+watchdog4 -> /sys/devices/virtual/watchdog/watchdog4
`)
	got, err := Watchdogs(context.Background(), h)
	want := []hardware.Watchdog{
		{ID: "Software Watchdog", Name: "watchdog0", Identity: "Software Watchdog", Readings: &hardware.WatchdogReadings{Timeout: 60}},
		{ID: "Software Watchdog #2", Name: "watchdog2", Identity: "Software Watchdog", Readings: &hardware.WatchdogReadings{}},
		{ID: "iTCO_wdt", Name: "watchdog1", Identity: "iTCO_wdt", Driver: "iTCO_wdt", NoWayOut: true,
			Readings: &hardware.WatchdogReadings{Active: true, Timeout: 30, Caused: true}},
		{ID: "watchdog4", Name: "watchdog4"},
		{ID: "wdat_wdt", Name: "watchdog3", Driver: "wdat_wdt"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if got, err := Watchdogs(context.Background(), tree(t)); got != nil || err != nil {
		t.Errorf("a machine without watchdogs: %v, %v", got, err)
	}
}
