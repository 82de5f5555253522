package storage

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/storage/ata"
	"github.com/orbit-pxe/orbit/pkg/inventory/storage/nvme"
	"github.com/orbit-pxe/orbit/pkg/inventory/storage/scsi"
)

// script is a disk that answers what it is told to, and refuses the rest. It
// keeps what it was asked.
type script struct {
	answers map[string][]byte // by command in hexadecimal digits
	sense   map[string]string // for commands without data
	content []byte

	mu    sync.Mutex
	asked []string
}

func (s *script) Close() error { return nil }

func (s *script) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, what)
}

func (s *script) ReadAt(b []byte, off int64) (int, error) {
	s.note("read")
	if off >= int64(len(s.content)) {
		return 0, io.EOF
	}
	n := copy(b, s.content[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (s *script) admin(opcode byte, namespace, dword10, dword11 uint32, data []byte) error {
	what := fmt.Sprintf("%02x %x", opcode, dword10)
	s.note(what)
	b, ok := s.answers[what]
	if !ok {
		return errors.New("NVMe status 002h")
	}
	copy(data, b)
	return nil
}

func (s *script) scsi(command, data []byte) (int, []byte, error) {
	what := hex.EncodeToString(command)
	s.note(what)
	if sense, ok := s.sense[what]; ok {
		b, _ := hex.DecodeString(sense)
		return 0, b, nil
	}
	b, ok := s.answers[what]
	if !ok {
		return 0, nil, scsi.Sense{Key: scsi.IllegalRequest, ASC: 0x20}
	}
	return copy(data, b), nil, nil
}

func cdb(b []byte) string { return hex.EncodeToString(b) }

func (s *script) ata(c ata.Command, answer []byte) { s.answers[cdb(c.CDB())] = answer }

// registers has a command without data answered by count, middle and high
// register.
func (s *script) registers(c ata.Command, count, mid, high byte) {
	s.sense[cdb(c.CDB())] = fmt.Sprintf("7201001d0000000e090c000000%02x000000%02x00%02x0050", count, mid, high)
}

func newScript() *script { return &script{answers: map[string][]byte{}, sense: map[string]string{}} }

// attribute is one in SMART data.
type attribute struct {
	id, value, threshold byte
	raw                  uint32
}

// smart makes SMART data and thresholds.
func smart(list ...attribute) (data, limits []byte) {
	data, limits = make([]byte, 512), make([]byte, 512)
	for i, a := range list {
		d := data[2+12*i:]
		d[0], d[1], d[3], d[4] = a.id, 1, a.value, a.value
		binary.LittleEndian.PutUint32(d[5:], a.raw)
		limits[2+12*i], limits[3+12*i] = a.id, a.threshold
	}
	seal(data, 0)
	seal(limits, 0)
	return data, limits
}

// file reads what a decoder's tests have recorded.
func file(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func logPageOf(page byte, parameters ...any) []byte {
	b := []byte{page, 0, 0, 0}
	for i := 0; i < len(parameters); i += 2 {
		data := parameters[i+1].(string)
		b = binary.BigEndian.AppendUint16(b, uint16(parameters[i].(int)))
		b = append(append(b, 3, byte(len(data))), data...)
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)-4))
	return b
}

// run asks the disks of a machine, each by its script.
func run(t *testing.T, m machine, scripts map[string]device) ([]hardware.Disk, error) {
	t.Helper()
	c := collector{tree(t, m), func(path string) (device, error) {
		s, ok := scripts[filepath.Base(path)]
		if !ok {
			return nil, fs.ErrNotExist
		}
		return s, nil
	}}
	return c.disks(context.Background())
}

func only(t *testing.T, disks []hardware.Disk, name string) hardware.Disk {
	t.Helper()
	for _, d := range disks {
		if d.Name == name {
			return d
		}
	}
	t.Fatalf("no disk %s in %v", name, disks)
	return hardware.Disk{}
}

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

// TestAsleep has disks that must not be woken: nothing but their state is asked.
func TestAsleep(t *testing.T) {
	sata, sas := newScript(), newScript()
	sata.registers(ata.CheckPowerMode(), 0, 0, 0)
	sas.answers[cdb(scsi.RequestSense())] = []byte{0x72, 0, 0x5e, 2, 0, 0, 0, 0}
	off := newScript()
	m := rack()
	m["sys/devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1.4/2-1.4:1.0/host7/target7:0:0/7:0:0:0/power/runtime_status"] = "suspended\n"
	disks, err := run(t, m, map[string]device{"sda": sata, "sdc": sas, "sdg": off})
	why := ": it sleeps and was not woken: health and contents are not known"
	if err == nil || err.Error() != "sdc"+why+"\nsdg"+why+"\nsda"+why {
		t.Errorf("error %v", err)
	}
	if len(disks) != 13 || only(t, disks, "sda").SED != "none" || only(t, disks, "sda").Readings != nil {
		t.Errorf("%+v", disks)
	}
	got := [][]string{sata.asked, sas.asked, off.asked}
	if diff := cmp.Diff([][]string{{cdb(ata.CheckPowerMode().CDB())}, {cdb(scsi.RequestSense())}, nil}, got); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
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

// TestRefused has disks that answer no question, as virtual ones do: that is no
// error, and no answer either.
func TestRefused(t *testing.T) {
	disks, err := run(t, rack(), map[string]device{"sdc": newScript(), "sdf": newScript(), "sdg": newScript(), "vda": newScript(), "mmcblk1": newScript()})
	if err != nil {
		t.Error(err)
	}
	for _, name := range []string{"sdc", "sdf", "sdg", "vda", "mmcblk1"} {
		if d := only(t, disks, name); d.Readings != nil || d.SED != "" && name != "sdc" {
			t.Errorf("%+v", d)
		}
	}
}

// TestBridge has a disk behind a USB bridge that passes questions.
func TestBridge(t *testing.T) {
	m := rack()
	m["sys/devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1.4/2-1.4:1.0/host7/target7:0:0/7:0:0:0/block/sdg/removable"] = "0\n"
	s := newScript()
	s.ata(ata.IdentifyDevice(), identity("WDC WD40EFRX", "WD-1", "82.00A82", map[int]uint16{217: 5400}))
	disks, err := run(t, m, map[string]device{"sdg": s})
	d := only(t, disks, "sdg")
	if err != nil || d.RPM != 5400 || d.Firmware != "82.00A82" || d.Model != "Ultra" || d.SED != "none" {
		t.Errorf("%+v, %v", d, err)
	}
	disks, err = run(t, m, map[string]device{"sdg": newScript()})
	if d := only(t, disks, "sdg"); err != nil || d.RPM != 0 || d.SED != "" {
		t.Errorf("%+v, %v", d, err)
	}
}

// hung is a disk that does not answer before the test ends.
type hung struct {
	*script
	until chan struct{}
}

func (h hung) ReadAt([]byte, int64) (int, error) { <-h.until; return 0, io.EOF }

// TestHang has one disk that does not read, though it tells its health, and
// others that do.
func TestHang(t *testing.T) {
	t.Parallel()
	until := make(chan struct{})
	defer close(until)
	sick := hung{newScript(), until}
	sick.ata(ata.IdentifyDevice(), identity("Sick", "1", "NEW", map[int]uint16{217: 1}))
	good := newScript()
	good.content = bytes.Repeat([]byte{0}, 1<<20)
	copy(good.content, "XFSB")
	c := collector{tree(t, rack()), func(path string) (device, error) {
		switch path {
		case "/dev/sda":
			return sick, nil
		case "/dev/vda":
			return good, nil
		}
		return nil, fs.ErrNotExist
	}}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	disks, err := c.disks(ctx)
	if ctx.Err() != nil {
		t.Error("it took all the time there was")
	}
	if err == nil || !strings.HasPrefix(err.Error(), "sda: no answer in time") || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %v", err)
	}
	if d := only(t, disks, "sda"); d.Firmware != "NEW" || d.Link != "6.0 Gbps" {
		t.Errorf("%+v", d)
	}
	if d := only(t, disks, "vda"); d.Filesystem == nil || d.Filesystem.Type != "xfs" {
		t.Errorf("%+v", d)
	}
}

// slow is a disk that reads its partition table and nothing else.
type slow struct{ hung }

func (s slow) ReadAt(b []byte, off int64) (int, error) {
	if off == 0 && len(b) == 512 {
		return s.script.ReadAt(b, off)
	}
	return s.hung.ReadAt(b, off)
}

// TestSlow keeps the partitions of a disk that takes too long over what is on
// them.
func TestSlow(t *testing.T) {
	t.Parallel()
	until := make(chan struct{})
	defer close(until)
	s := slow{hung{newScript(), until}}
	s.content = make([]byte, 512)
	copy(s.content[446:], "\x00\x00\x00\x00\x83\x00\x00\x00\x00\x08\x00\x00\x00\x08\x00\x00")
	s.content[510], s.content[511] = 0x55, 0xaa
	c := collector{tree(t, rack()), func(path string) (device, error) {
		if path == "/dev/vda" {
			return s, nil
		}
		return nil, fs.ErrNotExist
	}}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	disks, err := c.disks(ctx)
	if d := only(t, disks, "vda"); err == nil || d.Table != "mbr" || len(d.Partitions) != 1 || d.Partitions[0].Size != mib {
		t.Errorf("%+v, %v", d, err)
	}
}

// lying is a disk whose answer makes someone panic.
type lying struct{ *script }

func (lying) ReadAt([]byte, int64) (int, error) { panic("that cannot be") }

// TestPanic keeps what else is known.
func TestPanic(t *testing.T) {
	disks, err := run(t, rack(), map[string]device{"vda": lying{newScript()}})
	if err == nil || err.Error() != "vda: internal error: that cannot be" || len(disks) != 13 {
		t.Errorf("%d disks, error %v", len(disks), err)
	}
}

// crowd is a disk that answers when all others are being asked too.
type crowd struct {
	*script
	all  *sync.WaitGroup
	once sync.Once
}

func (c *crowd) ReadAt([]byte, int64) (int, error) {
	c.once.Do(c.all.Done)
	c.all.Wait()
	return 0, io.EOF
}

// TestCrowd has 60 disks: all are asked at once.
func TestCrowd(t *testing.T) {
	m, scripts := machine{}, map[string]device{}
	var all sync.WaitGroup
	for i := range 60 {
		name := fmt.Sprintf("vd%c%c", 'a'+i/26, 'a'+i%26)
		m.disk(name, fmt.Sprintf("pci0000:00/0000:00:%02x.0/virtio%d", i, i), "2048", map[string]string{"serial": fmt.Sprint("serial-", i)})
		scripts[name] = &crowd{script: newScript(), all: &all}
		all.Add(1)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c := collector{tree(t, m), func(path string) (device, error) { return scripts[filepath.Base(path)], nil }}
	disks, err := c.disks(ctx)
	if err != nil || len(disks) != 60 {
		t.Errorf("%d disks, %v", len(disks), err)
	}
	for i, d := range disks {
		if want := fmt.Sprintf("serial-%d", i); d.ID != want {
			t.Errorf("disk %d is %s", i, d.ID)
		}
	}
}

// TestDenied has no permission, which is said once.
func TestDenied(t *testing.T) {
	c := collector{tree(t, rack()), func(path string) (device, error) {
		switch path {
		case "/dev/sda":
			return nil, fmt.Errorf("open %s: %w", path, unix.ENOMEDIUM)
		case "/dev/sdb":
			return nil, fmt.Errorf("open %s: %w", path, unix.EIO)
		}
		return nil, fmt.Errorf("open %s: %w", path, unix.EACCES)
	}}
	disks, err := c.disks(context.Background())
	want := "sdb: open /dev/sdb: input/output error\nnot permitted to ask 11 of the disks: health and contents are not known ("
	if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Count(err.Error(), "\n") != 1 || len(disks) != 13 {
		t.Errorf("%d disks, error %v", len(disks), err)
	}
}
