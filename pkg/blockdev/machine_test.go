package blockdev

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/orbit-pxe/orbit/pkg/api"
)

// tree writes files below a new root; a value that begins with "-> " is a
// symbolic link.
func tree(t *testing.T, files map[string]string) Machine {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if to, ok := strings.CutPrefix(content, "-> "); ok {
			err = os.Symlink(to, p)
		} else {
			err = os.WriteFile(p, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return Machine{Root: root}
}

// page89 is the ATA information page for a disk with this model and serial.
func page89(model, serial string) string {
	b := make([]byte, 572)
	b[1] = 0x89
	binary.BigEndian.PutUint16(b[2:], 568)
	put := func(word, words int, s string) {
		for i := range 2 * words {
			c := byte(' ')
			if i < len(s) {
				c = s[i]
			}
			b[60+2*word+i^1] = c
		}
	}
	put(27, 20, model)
	put(10, 10, serial)
	return string(b)
}

// rack is the sysfs of a machine with one disk of every kind, as Linux 6.12
// shows them, and of devices that are no disks.
func rack(t *testing.T) Machine {
	files := map[string]string{
		"proc/self/mountinfo": "20 1 8:2 / / rw - ext4 /dev/sda2 rw\n" +
			"21 20 8:18 / /srv/my\\040data rw shared:1 - ext4 /dev/sdb2 rw\n" +
			"22 20 0:40 /@ /pool rw - btrfs /dev/nvme0n1p1 rw\n" +
			"23 20 253:0 / /var rw - xfs /dev/mapper/vg0-var rw\n",
		"proc/swaps": "Filename\tType\tSize\tUsed\tPriority\n/dev/sda3 partition 1 0 -2\n",
	}
	add := func(name, dev string, size string, more map[string]string) {
		dir := "sys/devices/" + dev + "/block/" + name
		if strings.HasPrefix(dev, "virtual") {
			dir = "sys/devices/virtual/block/" + name
		}
		if strings.Contains(dev, "nvme") {
			dir = "sys/devices/" + dev + "/" + name
		}
		files["sys/block/"+name] = "-> ../../" + dir
		for k, v := range map[string]string{"size": size, "removable": "0\n", "ro": "0\n", "queue/logical_block_size": "512\n", "queue/physical_block_size": "4096\n", "queue/rotational": "0\n", "hidden": "0\n"} {
			files[dir+"/"+k] = v
		}
		for k, v := range more {
			files[dir+"/"+k] = v
		}
	}
	add("sda", "pci0000:00/0000:00:1f.2/ata10/host9/target9:0:0/9:0:0:0", "41943040\n", map[string]string{
		"dev": "8:0\n", "queue/rotational": "1\n", "device/vendor": "ATA     \n", "device/model": "QEMU HARDDISK AB\n",
		"device/wwid": "t10.ATA     QEMU HARDDISK ABCDEFGHIJK               QM00001             \n", "device/vpd_pg89": page89("QEMU HARDDISK ABCDEFGHIJK", "QM00001"),
		"sda1/partition": "1\n", "sda1/dev": "8:1\n", "sda2/partition": "2\n", "sda2/dev": "8:2\n", "sda3/partition": "3\n", "sda3/dev": "8:3\n",
	})
	add("sdb", "pci0000:00/0000:00:1f.2/ata9/host8/target8:0:0/8:0:0:0", "976773168\n", map[string]string{
		"dev": "8:16\n", "device/vendor": "ATA     \n", "device/model": "Samsung SSD 870\n", "device/wwid": "naa.5002538F00000001\n",
		"device/vpd_pg80": "\x00\x80\x00\x14S5Y1NG0N000001      ",
		"sdb2/partition":  "2\n", "sdb2/dev": "8:18\n", "sdb3/partition": "3\n", "sdb3/dev": "8:19\n", "sdb3/holders/dm-0": "",
	})
	add("nvme0n1", "pci0000:00/0000:00:04.0/nvme/nvme0", "1000215216\n", map[string]string{
		"dev": "259:0\n", "queue/logical_block_size": "4096\n", "wwid": "eui.0025385b01404a2f\n", "device/model": "SAMSUNG MZVLB512HAJQ-000L7              \n", "device/serial": "S3TNNX0K000001      \n",
		"nvme0n1p1/partition": "1\n", "nvme0n1p1/dev": "259:1\n",
	})
	add("nvme1n1", "virtual/nvme-subsystem/nvme-subsys1", "2097152\n", map[string]string{
		"nguid": "01234567-89ab-cdef-0123-456789abcdef\n", "device/model": "Multipath\n", "device/serial": "MP1\n",
	})
	add("nvme1c0n1", "pci0000:00/0000:00:05.0/nvme/nvme1", "2097152\n", map[string]string{"hidden": "1\n"})
	add("vda", "pci0000:00/0000:00:02.0/virtio1", "2097152\n", map[string]string{"serial": "disk-one", "device/vendor": "0x1af4\n"})
	add("sdc", "pci0000:00/0000:00:03.0/virtio2/host1/target1:0:0/1:0:0:0", "2097152\n", map[string]string{"device/vendor": "QEMU    \n", "device/model": "QEMU HARDDISK   \n", "device/vpd_pg80": "\x00\x80\x00\x03abc"})
	add("sdd", "pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/host7/target7:0:0/7:0:0:0", "60062500\n", map[string]string{"removable": "1\n", "device/vendor": "SanDisk \n", "device/model": "Ultra\x1b[2J        \n"})
	files["sys/devices/pci0000:00/0000:00:14.0/usb1/1-2/idVendor"] = "0781\n"
	files["sys/devices/pci0000:00/0000:00:14.0/usb1/1-2/serial"] = "4C530001\n"
	add("mmcblk0", "platform/mmc/mmc_host/mmc0/mmc0:0001", "2097152\n", map[string]string{"ro": "1\n", "device/name": "DF4016\n", "device/serial": "0x1234\n"})
	add("mmcblk0boot0", "platform/mmc/mmc_host/mmc0/mmc0:0001", "8192\n", nil)
	add("sr0", "pci0000:00/0000:00:1f.2/ata3/host2/target2:0:0/2:0:0:0", "2097152\n", nil)
	add("sde", "pci0000:00/0000:00:14.0/usb1/1-3/1-3:1.0/host6/target6:0:0/6:0:0:0", "0\n", nil) // no card in the reader
	add("loop0", "virtual", "2097152\n", map[string]string{"dev": "7:0\n", "loop/backing_file": "/srv/my disk.img\n", "loop0p1/partition": "1\n", "loop0p1/dev": "7:1\n"})
	add("zram0", "virtual", "2097152\n", nil)
	add("md0", "virtual", "2097152\n", nil)
	add("dm-0", "virtual", "2097152\n", map[string]string{"dev": "253:0\n", "dm/name": "vg0-var\n"})
	return tree(t, files)
}

func TestList(t *testing.T) {
	got, err := rack(t).List(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	disk := func(name, path string, size int64, sector int, bus, model, serial, wwn string) Disk {
		return Disk{Name: name, Disk: api.Disk{Path: path, Size: size, Sector: sector, Physical: 4096, Bus: bus, Model: model, Serial: serial, WWN: wwn}}
	}
	usb := disk("sdd", "/dev/sdd", 60062500*512, 512, "usb", "SanDisk Ultra [2J", "4C530001", "")
	usb.Removable = true
	card := disk("mmcblk0", "/dev/mmcblk0", 1<<30, 512, "mmc", "DF4016", "0x1234", "")
	card.ReadOnly = true
	sda := disk("sda", "/dev/sda", 20<<30, 512, "sata", "QEMU HARDDISK ABCDEFGHIJK", "QM00001", "")
	sda.Rotational = true
	want := []Disk{
		disk("vda", "/dev/vda", 1<<30, 512, "virtio", "", "disk-one", ""),
		disk("sdc", "/dev/sdc", 1<<30, 512, "scsi", "QEMU HARDDISK", "abc", ""),
		disk("nvme0n1", "/dev/nvme0n1", 1000215216*512, 4096, "nvme", "SAMSUNG MZVLB512HAJQ-000L7", "S3TNNX0K000001", "eui.0025385b01404a2f"),
		usb,
		disk("sdb", "/dev/sdb", 976773168*512, 512, "sata", "Samsung SSD 870", "S5Y1NG0N000001", "0x5002538F00000001"),
		sda, // ata10 comes after ata9
		card,
		disk("nvme1n1", "/dev/nvme1n1", 1<<30, 512, "nvme", "Multipath", "MP1", "eui.0123456789abcdef0123456789abcdef"),
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Disk{}, "SysPath")); diff != "" {
		t.Errorf("disks (-want +got):\n%s", diff)
	}
}

func TestListThisMachine(t *testing.T) {
	disks, err := List(context.Background())
	if err != nil {
		t.Skipf("no sysfs here: %v", err)
	}
	for _, d := range disks {
		if d.Size <= 0 || d.Sector < 512 || !strings.HasPrefix(d.SysPath, "/sys/devices/") {
			t.Errorf("odd disk %+v", d)
		}
		t.Log(d)
	}
}

func TestPick(t *testing.T) {
	disks, err := rack(t).List(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		selector, want string // name, or part of the error
	}{
		{"first", "vda"},
		{"serial=qm00001", "sda"},
		{"serial=S5Y*", "sdb"},
		{"wwn=naa.5002538f00000001", "sdb"},
		{"wwn=0025385B01404A2F", "nvme0n1"},
		{"bus=nvme,first", "nvme0n1"},
		{"first, bus=sata", "sdb"},
		{"model=*870", "sdb"},
		{"model=QEMU*K", "2 disks match \"model=QEMU*K\": /dev/sdc (scsi QEMU HARDDISK, serial abc, 1.0 GiB) and /dev/sda (sata QEMU HARDDISK ABCDEFGHIJK, serial QM00001, 20 GiB) (add a term such as serial=, or first)"},
		{"bus=nvme", "2 disks match"},
		{"name=sdd", "sdd"},
		{"bus=usb,first", "sdd"},
		{"path=/dev/sdc", "sdc"},
		{"/dev/sdc", "sdc"},
		{"size=500GB,bus=sata", "sdb"},
		{"size=500G,bus=sata", "sdb"},
		{"size=466G,bus=sata", "sdb"},
		{"size=21474836480", "sda"},
		{"size=21474836481", "no disk matches"},
		{"size>=400G,bus=sata", "sdb"},
		{"size>20G,size<600G,bus=sata", "sdb"},
		{"size<=20G,bus=sata", "sda"},
		{"size<20G,bus=sata", "no disk matches"},
		{"bus=mmc,first", "no disk matches"}, // read-only
		{"bus=mmc", "mmcblk0"},
		{"serial=nothing", "no disk matches \"serial=nothing\": this machine has /dev/vda (virtio, serial disk-one, 1.0 GiB); "},
	} {
		s, err := ParseSelector(test.selector)
		if err != nil {
			t.Errorf("%s: %v", test.selector, err)
			continue
		}
		got, err := s.Pick(disks)
		if err != nil {
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: %v\nwant %s", test.selector, err, test.want)
			}
			continue
		}
		if got.Name != test.want {
			t.Errorf("%s: picked %s, want %s", test.selector, got, test.want)
		}
	}
	s, _ := ParseSelector("first")
	_, err = s.Pick(nil)
	if none := (*NoMatchError)(nil); !errors.As(err, &none) || !strings.Contains(err.Error(), "this machine has no disks") {
		t.Errorf("no disks: %v", err)
	}
}

func TestParseSelectorRefuses(t *testing.T) {
	for selector, want := range map[string]string{
		"":            "no disk named",
		"sda":         "/dev/sda",
		"serial=":     "serial has no value",
		"colour=red":  `"colour" unknown`,
		"size>=lots":  "not understood",
		"model>=x":    "only be compared with =",
		"serial=a,,":  `"" is not a term`,
		"size=5X":     "not understood",
		"first,largo": `"largo" is not a term`,
	} {
		if _, err := ParseSelector(selector); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %s", selector, err, want)
		}
	}
}

func FuzzParseSelector(f *testing.F) {
	for _, s := range []string{"first", "/dev/sda", "serial=*a*b*,size>=1.5G", "size=5", "bus=nvme,first", "model=a=b"} {
		f.Add(s)
	}
	disks := []Disk{{Name: "sda", Disk: api.Disk{Path: "/dev/sda", Size: 1 << 40, Bus: "sata", Model: "Model One", Serial: "ab"}}}
	f.Fuzz(func(t *testing.T, s string) {
		sel, err := ParseSelector(s)
		if err != nil {
			return
		}
		sel.Pick(disks)
	})
}

func TestInUseWords(t *testing.T) {
	m := rack(t)
	for _, test := range []struct {
		path string
		want []string
	}{
		{"/dev/sda", []string{"/dev/sda2 is mounted on /", "/dev/sda3 is used for swapping"}},
		{"/dev/sda1", nil},
		{"/dev/sdb", []string{"/dev/sdb2 is mounted on /srv/my data", "/dev/sdb3 is part of /dev/dm-0 (vg0-var)", "/dev/dm-0 is mounted on /var"}},
		{"/dev/nvme0n1", []string{"/dev/nvme0n1p1 is mounted on /pool"}},
		{"/srv/my disk.img", []string{"/srv/my disk.img is behind /dev/loop0"}},
		{"/dev/vda", nil},
	} {
		uses, err := m.InUse(test.path)
		if err != nil {
			t.Errorf("%s: %v", test.path, err)
			continue
		}
		var got []string
		for _, u := range uses {
			got = append(got, u.String())
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.path, diff)
		}
	}
}
