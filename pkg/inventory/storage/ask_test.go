package storage

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/inventory/storage/ata"
	"github.com/orbit-pxe/orbit/pkg/inventory/storage/scsi"
)

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
