package storage

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/storage/ata"
	"github.com/orbit-pxe/orbit/pkg/inventory/storage/nvme"
	"github.com/orbit-pxe/orbit/pkg/inventory/storage/scsi"
)

func TestHealthNVMe(t *testing.T) {
	s := newScript()
	log := file(t, "nvme/testdata/qemu.health")
	log[0], log[5] = 4, 99
	controller := file(t, "nvme/testdata/qemu.controller")
	controller[256] |= 1
	copy(controller[64:], "NEWFW   ")
	discovery := make([]byte, 64)
	discovery[3] = 60
	copy(discovery[48:], "\x00\x02\x10\x0c\x0f")
	s.answers[fmt.Sprintf("02 %x", nvme.HealthLog)] = log
	s.answers["06 1"] = controller
	s.answers["82 1000100"] = discovery
	disks, err := run(t, rack(), map[string]device{"nvme0n1": s})
	if err != nil {
		t.Fatal(err)
	}
	d := only(t, disks, "nvme0n1")
	no, zero, read := false, int64(0), int64(512000)
	temperature, wear, spare := 50, 99, 0
	want := &hardware.DiskReadings{Healthy: &no, Warnings: []string{"reliability degraded"}, Temperature: &temperature, Wear: &wear, Spare: &spare,
		PowerOnHours: &zero, PowerCycles: &zero, UnsafeStops: &zero, BytesRead: &read, BytesWritten: &zero, MediaErrors: &zero}
	if diff := cmp.Diff(want, d.Readings); diff != "" {
		t.Errorf("readings (-want +got):\n%s", diff)
	}
	if d.SED != "locked" || d.Firmware != "NEWFW" {
		t.Errorf("SED %q, firmware %q", d.SED, d.Firmware)
	}
	delete(s.answers, "02 7f0002")
	if _, err = run(t, rack(), map[string]device{"nvme0n1": s}); err == nil || err.Error() != "nvme0n1: ask for NVMe health log: NVMe status 002h" {
		t.Errorf("error %v", err)
	}
}

// words of a disk with SMART, logs and TCG.
var words = map[int]uint16{48: 1<<14 | 1, 82: 1, 83: 1 << 14, 85: 1, 84: 1<<14 | 1<<5, 217: 1, 128: 1}

func TestHealthATA(t *testing.T) {
	s := newScript()
	s.registers(ata.CheckPowerMode(), 0xff, 0, 0)
	s.ata(ata.IdentifyDevice(), identity("Samsung SSD 870 EVO 500GB", "S5Y1NG0N000001", "SVT02B6Q", words))
	data, limits := smart(attribute{5, 100, 10, 3}, attribute{9, 99, 0, 1234}, attribute{12, 99, 0, 56}, attribute{177, 93, 0, 77}, attribute{190, 70, 0, 30}, attribute{199, 100, 0, 2}, attribute{235, 99, 0, 9}, attribute{198, 100, 0, 4})
	s.ata(ata.ReadData(), data)
	s.ata(ata.ReadThresholds(), limits)
	s.registers(ata.ReturnStatus(), 0, 0x4f, 0xc2)
	directory := make([]byte, 512)
	directory[2*ata.LogStatistics] = 20
	s.ata(ata.ReadLog(ata.LogDirectory, 1), directory)
	log := make([]byte, 8*512)
	log[512], log[514] = 1, 1
	binary.LittleEndian.PutUint64(log[512+24:], 1000|0xc0<<56)
	s.ata(ata.ReadLog(ata.LogStatistics, 8), log)

	disks, err := run(t, rack(), map[string]device{"sda": s})
	if err != nil {
		t.Fatal(err)
	}
	d := only(t, disks, "sda")
	yes := true
	i := func(n int) *int { return &n }
	c := func(n int64) *int64 { return &n }
	want := &hardware.DiskReadings{Healthy: &yes, Temperature: i(30), Wear: i(7), PowerOnHours: c(1234), PowerCycles: c(56), UnsafeStops: c(9),
		BytesWritten: c(512000), Reallocated: c(3), Uncorrectable: c(4), CRCErrors: c(2)}
	if diff := cmp.Diff(want, d.Readings); diff != "" {
		t.Errorf("readings (-want +got):\n%s", diff)
	}
	if d.SED != "supported" || d.Security != "disabled" || d.Firmware != "SVT02B6Q" { // which is later than what sysfs has
		t.Errorf("%+v", d)
	}

	// One that expects to die.
	data, limits = smart(attribute{5, 9, 10, 999})
	s.ata(ata.ReadData(), data)
	s.ata(ata.ReadThresholds(), limits)
	s.registers(ata.ReturnStatus(), 0, 0xf4, 0x2c)
	disks, err = run(t, rack(), map[string]device{"sda": s})
	if r := only(t, disks, "sda").Readings; err != nil || *r.Healthy || cmp.Diff(r.Warnings, []string{"attribute 5 is 9, threshold 10"}) != "" {
		t.Errorf("%+v, %v", r, err)
	}

	// And one behind a bridge that loses registers.
	delete(s.sense, cdb(ata.ReturnStatus().CDB()))
	disks, err = run(t, rack(), map[string]device{"sda": s})
	if r := only(t, disks, "sda").Readings; err != nil || *r.Healthy {
		t.Errorf("%+v, %v", r, err)
	}
	s.ata(ata.ReadData(), data[:511])
	if _, err = run(t, rack(), map[string]device{"sda": s}); err == nil || err.Error() != "sda: read SMART data: answer is too short" {
		t.Errorf("error %v", err)
	}
}

func TestHealthSCSI(t *testing.T) {
	s := newScript()
	s.answers[cdb(scsi.RequestSense())] = []byte{0x72, 0, 0, 0, 0, 0, 0, 0}
	page := func(page byte, parameters ...any) {
		s.answers[cdb(scsi.LogSense(page, logSize))] = logPageOf(page, parameters...)
	}
	s.answers[cdb(scsi.LogSense(0, logSize))] = []byte{0, 0, 0, 10, 0, 2, 3, 5, 0x0d, 0x0e, 0x11, 0x15, 0x18, 0x2f}
	page(scsi.PageExceptions, 0, "\x00\x00\x1e")
	page(scsi.PageTemperature, 0, "\x00\x1f")
	page(scsi.PageStartStop, 4, "\x00\x00\x00\x4d")
	page(scsi.PageSolidState, 1, "\x00\x00\x00\x07")
	page(scsi.PageBackground, 0, "\x00\x01\x00\x00")
	page(scsi.PageReads, 5, "\x00\x00\x01\x00\x00\x00\x00\x00", 6, "\x00\x02")
	page(scsi.PageWrites, 5, "\x00\x00\x02\x00\x00\x00\x00\x00", 6, "\x00\x01")
	page(scsi.PageVerify, 6, "\x00")
	s.answers[cdb(scsi.GrownDefects())] = []byte{0, 0x0d, 0, 16}
	disks, err := run(t, rack(), map[string]device{"sdc": s})
	if err != nil {
		t.Fatal(err)
	}
	d := only(t, disks, "sdc")
	yes := true
	i := func(n int) *int { return &n }
	c := func(n int64) *int64 { return &n }
	want := &hardware.DiskReadings{Healthy: &yes, Temperature: i(30), Wear: i(7), PowerOnHours: c(65536 / 60), PowerCycles: c(77),
		BytesRead: c(1 << 40), BytesWritten: c(2 << 40), MediaErrors: c(3), Reallocated: c(2)}
	if diff := cmp.Diff(want, d.Readings); diff != "" {
		t.Errorf("readings (-want +got):\n%s", diff)
	}
	if d.SED != "none" {
		t.Errorf("SED %q", d.SED)
	}
	s.answers[cdb(scsi.LogSense(scsi.PageReads, logSize))] = []byte{3, 0, 0, 100}
	page(scsi.PageExceptions, 0, "\x5d\x10\x1e")
	disks, err = run(t, rack(), map[string]device{"sdc": s})
	if r := only(t, disks, "sdc").Readings; err == nil || err.Error() != "sdc: read log page 03h: answer is too short" || *r.Healthy || r.Warnings[0] != "failure predicted" || *r.PowerCycles != 77 {
		t.Errorf("%+v, %v", r, err)
	}
}

// A bridge is asked for nothing that is rare.
func TestBridgeBits(t *testing.T) {
	m := rack()
	m["sys/devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1.4/2-1.4:1.0/host7/target7:0:0/7:0:0:0/block/sdg/removable"] = "0\n"
	s := newScript()
	s.registers(ata.CheckPowerMode(), 0xff, 0, 0)
	s.ata(ata.IdentifyDevice(), identity("Samsung SSD 870 EVO 500GB", "S5Y1NG0N000001", "SVT02B6Q", words))
	data, limits := smart(attribute{9, 99, 0, 1234})
	s.ata(ata.ReadData(), data)
	s.ata(ata.ReadThresholds(), limits)
	s.registers(ata.ReturnStatus(), 0, 0x4f, 0xc2)
	disks, err := run(t, m, map[string]device{"sdg": s})
	if d := only(t, disks, "sdg"); err != nil || d.Readings == nil || *d.Readings.PowerOnHours != 1234 {
		t.Errorf("%+v, %v", d, err)
	}
	for _, command := range s.asked {
		if len(command) > 4 && command[:2] == "85" && command[3]&1 != 0 {
			t.Errorf("command %s has 48 bits", command)
		}
	}
}
