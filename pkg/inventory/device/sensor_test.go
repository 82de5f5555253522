package device

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/hardware"
)

const chips = `
/sys/devices/platform/coretemp.0
+driver -> /sys/bus/platform/drivers/coretemp
/sys/devices/platform/coretemp.0/hwmon/hwmon3
+device -> /sys/devices/platform/coretemp.0
+name = coretemp
+temp1_input = 41000
+temp1_label = Package id 0
+temp1_max = 82000
+temp1_crit = 92000
+temp1_crit_alarm = 0
+temp10_input = 39500
+temp10_label = Core 8
+temp10_max = 0
+temp10_max_alarm = 1
/sys/devices/pci0000:00/0000:00:04.0/nvme/nvme0
+model = X
/sys/devices/pci0000:00/0000:00:04.0/nvme/nvme0/hwmon1
+device -> /sys/devices/pci0000:00/0000:00:04.0/nvme/nvme0
+name = nvme
+temp1_input = 38850
+temp1_label = Composite
+temp1_max = 81850
+temp1_crit = 84850
+temp1_alarm = 0
+temp2_input = 38850
+temp2_max = 65261850
+temp2_min = -273150
/sys/devices/pci0000:00/0000:00:1f.2/ata3/ata_port/ata3
+port_no = 2
/sys/devices/pci0000:00/0000:00:1f.2/ata3/host2/target2:0:0/2:0:0:0/hwmon/hwmon4
+device -> /sys/devices/pci0000:00/0000:00:1f.2/ata3/host2/target2:0:0/2:0:0:0
+name = drivetemp
+temp1_input = broken
+temp1_max = 55000
+temp2_input = 34000
/sys/devices/platform/nct6775.656/hwmon/hwmon5
+device -> /sys/devices/platform/nct6775.656
+name = nct6779
+fan1_input = 1134
+fan1_alarm = 1
+fan1_min = 0
+in0_input = 1016
+in0_max = 1744
+in0_beep = 0
+intrusion0_alarm = 1
+curr1_input = 2500
+power1_average = 104500000
+power2_input = 55125000
+power2_average = 1
+pwm1 = 128
+temp_input = 5
+tempx_input = 5
# An old driver.
/sys/devices/platform/old.1
+fan2_input = 700
/sys/devices/platform/old.1/hwmon/hwmon6
+device -> /sys/devices/platform/old.1
+name = old
# Two chips at one place.
/sys/devices/pci0000:00/0000:00:1f.4/i2c-7/7-004c
+modalias = x
/sys/devices/pci0000:00/0000:00:1f.4/i2c-7/7-004c/hwmon/hwmon7
+device -> /sys/devices/pci0000:00/0000:00:1f.4/i2c-7/7-004c
+name = lm90
+temp1_input = 31000
/sys/devices/pci0000:00/0000:00:1f.4/i2c-8/8-004c/hwmon/hwmon8
+device -> /sys/devices/pci0000:00/0000:00:1f.4/i2c-8/8-004c
+name = lm90
+temp1_input = 32000
# What thermal zones have beside.
/sys/devices/virtual/thermal/thermal_zone0/hwmon0
+name = acpitz
+temp1_input = 27800
+device -> /sys/devices/virtual/thermal/thermal_zone0
/sys/devices/virtual/thermal/thermal_zone0
+type = acpitz
+temp = 27800
+trip_point_0_type = critical
+trip_point_0_temp = 119000
+trip_point_1_type = hot
+trip_point_1_temp = 100000
+trip_point_2_type = active
+device -> /sys/devices/LNXSYSTM:00/LNXSYBUS:01/LNXTHERM:00
/sys/devices/LNXSYSTM:00/LNXSYBUS:01/LNXTHERM:00
+path = \_TZ_.THRM
/sys/devices/virtual/thermal/thermal_zone1
+type = nvme
+temp = 1
/sys/devices/virtual/thermal/thermal_zone2
+type = x86_pkg_temp
+temp = garbage
/sys/devices/virtual/thermal/cooling_device0
+type = Processor
/sys/class/hwmon
+hwmon0 -> /sys/devices/virtual/thermal/thermal_zone0/hwmon0
+hwmon1 -> /sys/devices/pci0000:00/0000:00:04.0/nvme/nvme0/hwmon1
+hwmon3 -> /sys/devices/platform/coretemp.0/hwmon/hwmon3
+hwmon4 -> /sys/devices/pci0000:00/0000:00:1f.2/ata3/host2/target2:0:0/2:0:0:0/hwmon/hwmon4
+hwmon5 -> /sys/devices/platform/nct6775.656/hwmon/hwmon5
+hwmon6 -> /sys/devices/platform/old.1/hwmon/hwmon6
+hwmon7 -> /sys/devices/pci0000:00/0000:00:1f.4/i2c-7/7-004c/hwmon/hwmon7
+hwmon8 -> /sys/devices/pci0000:00/0000:00:1f.4/i2c-8/8-004c/hwmon/hwmon8
/sys/class/thermal
+thermal_zone0 -> /sys/devices/virtual/thermal/thermal_zone0
+thermal_zone1 -> /sys/devices/virtual/thermal/thermal_zone1
+thermal_zone2 -> /sys/devices/virtual/thermal/thermal_zone2
+cooling_device0 -> /sys/devices/virtual/thermal/cooling_device0
`

func reading(v float64) *hardware.SensorReadings { return &hardware.SensorReadings{Value: v} }

func alarm(v float64) *hardware.SensorReadings {
	return &hardware.SensorReadings{Value: v, Alarm: true}
}

func sensors() []hardware.Sensor {
	return []hardware.Sensor{
		{ID: "acpitz _TZ_.THRM temp", Chip: "acpitz", Kind: "temperature", Max: ptr(100.0), Crit: ptr(119.0), Readings: reading(27.8)},
		{ID: "coretemp coretemp.0 temp1", Chip: "coretemp", Kind: "temperature", Name: "Package id 0", Max: ptr(82.0), Crit: ptr(92.0), Readings: reading(41)},
		{ID: "coretemp coretemp.0 temp10", Chip: "coretemp", Kind: "temperature", Name: "Core 8", Readings: alarm(39.5)},
		{ID: "drivetemp 0000:00:1f.2 ata 2 temp1", Chip: "drivetemp", Kind: "temperature", Max: ptr(55.0)},
		{ID: "drivetemp 0000:00:1f.2 ata 2 temp2", Chip: "drivetemp", Kind: "temperature"}, // nobody wakes the disk
		{ID: "lm90 0000:00:1f.4 i2c 4c temp1", Chip: "lm90", Kind: "temperature", Readings: reading(31)},
		{ID: "lm90 0000:00:1f.4 i2c 4c temp1 #2", Chip: "lm90", Kind: "temperature", Readings: reading(32)},
		{ID: "nct6779 nct6775.656 curr1", Chip: "nct6779", Kind: "current", Readings: reading(2.5)},
		{ID: "nct6779 nct6775.656 fan1", Chip: "nct6779", Kind: "fan", Readings: alarm(1134)},
		{ID: "nct6779 nct6775.656 in0", Chip: "nct6779", Kind: "voltage", Max: ptr(1.744), Readings: reading(1.016)},
		{ID: "nct6779 nct6775.656 power1", Chip: "nct6779", Kind: "power", Readings: reading(104.5)},
		{ID: "nct6779 nct6775.656 power2", Chip: "nct6779", Kind: "power", Readings: reading(55.125)},
		{ID: "nvme 0000:00:04.0 temp1", Chip: "nvme", Kind: "temperature", Name: "Composite", Max: ptr(81.85), Crit: ptr(84.85), Readings: reading(38.85)},
		{ID: "nvme 0000:00:04.0 temp2", Chip: "nvme", Kind: "temperature", Readings: reading(38.85)},
		{ID: "old old.1 fan2", Chip: "old", Kind: "fan", Readings: reading(700)},
		{ID: "x86_pkg_temp temp", Chip: "x86_pkg_temp", Kind: "temperature"},
	}
}

func TestSensors(t *testing.T) {
	got, err := Sensors(context.Background(), tree(t, chips))
	if diff := cmp.Diff(sensors(), got); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if got, err := Sensors(context.Background(), tree(t)); got != nil || err != nil {
		t.Errorf("a machine without sensors: %v, %v", got, err)
	}
}

// A sensor that never answers costs its own reading and those after it on its
// chip, and not the facts.
func TestSensorBlocks(t *testing.T) {
	h := tree(t, chips)
	stuck := h.Path("/sys/class/hwmon/hwmon1/temp1_input")
	if err := os.Remove(stuck); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(stuck, 0o600); err != nil {
		t.Skip("no named pipes here: ", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	got, err := Sensors(ctx, h)
	if err != nil || ctx.Err() != nil {
		t.Fatal(err, ctx.Err())
	}
	want := sensors()
	for i := range want {
		if want[i].Chip == "nvme" {
			want[i].Readings = nil
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	// Let the one that was left behind go.
	if f, err := os.OpenFile(stuck, os.O_WRONLY|unix.O_NONBLOCK, 0); err == nil {
		f.Close()
	}
}

func TestPlace(t *testing.T) {
	h := tree(t, `
/sys/devices/pci0000:00/0000:00:1f.2/ata3/ata_port/ata3
+port_no = 2
`)
	for path, want := range map[string]string{
		"": "",
		"/sys/devices/virtual/thermal/thermal_zone0":                                                               "",
		"/sys/devices/platform/coretemp.1":                                                                         "coretemp.1",
		"/sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0/nvme/nvme3":                                             "0000:01:00.0",
		"/sys/devices/pci0000:e0/pci10000:e0/10000:e0:01.0/10000:e1:00.0/nvme/nvme0":                               "10000:e1:00.0",
		"/sys/devices/pci0000:00/0000:00:1f.2/ata3/host2/target2:0:0/2:0:0:0":                                      "0000:00:1f.2 ata 2",
		"/sys/devices/pci0000:00/0000:00:1f.5/ata9/host8":                                                          "0000:00:1f.5 ata 9",
		"/sys/devices/pci0000:00/0000:00:02.2/0000:02:00.0/host0/port-0:1/end_device-0:1/target0:0:3/0:0:3:0":      "0000:02:00.0 0:3:0",
		"/sys/devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4.2/1-4.2:1.0/host6/target6:0:0/6:0:0:0":                  "1-4.2",
		"/sys/devices/pci0000:00/0000:00:1f.4/i2c-0/0-002d":                                                        "0000:00:1f.4 i2c 2d",
		"/sys/devices/LNXSYSTM:00/LNXSYBUS:00/ACPI000D:00":                                                         "ACPI000D:00",
		"/sys/devices/pci0000:00/0000:00:1c.0/0000:03:00.0/mdio_bus/r8169-0-300/r8169-0-300:00/hwmon/hwmon2/extra": "0000:03:00.0",
	} {
		if got := place(h, path); got != want {
			t.Errorf("place(%q) = %q, want %q", filepath.Base(path), got, want)
		}
	}
}
