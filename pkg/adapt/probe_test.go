package adapt

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

// TestProbe compares with what blkid and the size of the volume say.
func TestProbe(t *testing.T) {
	for kind, label := range map[string]string{"ext4": "root", "ext2": "root", "xfs": "root", "btrfs": "root", "vfat": "ESP", "swap": "swap"} {
		t.Run(kind, func(t *testing.T) {
			vol := volumeOf(t, kind, nil)
			f, size := maptest.Open(t, vol)
			got, err := probe(f)
			if err != nil {
				t.Fatal(err)
			}
			blkid := func(tag string) string {
				return strings.TrimSpace(maptest.Tool(t, "blkid", "-p", "-o", "value", "-s", tag, vol))
			}
			want := volume{Kind: strings.Replace(kind, "ext2", "ext4", 1), UUID: blkid("UUID"), Label: label, Covers: size, Block: got.Block}
			if kind == "btrfs" {
				want.Device = 1
			}
			if kind == "vfat" {
				want.Covers = 0
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("volume (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzProbe(f *testing.F) {
	f.Add(uint32(0), []byte("XFSB\x00\x00\x10\x00\x00\x00\x00\x00\x00\x01\x00\x00"))
	f.Add(uint32(0x400), append(make([]byte, 0x38), "\x53\xef"...))
	f.Add(uint32(0x10040), append([]byte("_BHRfS_M"), make([]byte, 0x100)...))
	f.Add(uint32(1024), append([]byte("\x01\x00\x00\x00\xff\xff\xff\xff"), make([]byte, 100)...))
	f.Add(uint32(4086), []byte("SWAPSPACE2"))
	f.Add(uint32(510), []byte("\x55\xaa"))
	f.Fuzz(func(t *testing.T, off uint32, b []byte) {
		// A swap area if b is nowhere else, to have more than one thing there.
		disk := make([]byte, probeSize)
		copy(disk[4086:], "SWAPSPACE2")
		copy(disk[off%probeSize:], b)
		v, err := probe(bytes.NewReader(disk))
		if err != nil {
			t.Fatal(err)
		}
		p := &part{volume: v}
		if n := v.target(1 << 40); v.Covers < 0 || v.Block < 0 || n < 0 || n > 1<<40 {
			t.Errorf("%+v, target %d, %v", v, n, p.growable())
		}
	})
}

func TestParseFstab(t *testing.T) {
	text := `# comment
UUID=a-b / ext4 defaults 0 1
LABEL="myhome" /home ext4 noatime,nofail 0 2
LABEL=my\040srv	/srv/with\040blank/	xfs	defaults
UUID=c /var/ btrfs subvol=@var,compress
UUID=c none swap sw 0 0
tmpfs /tmp tmpfs size=1G
/dev/sda9 /mnt ext4 noauto
/dev/sda1 /efi vfat noauto,x-systemd.automount
short /x
UUID=d relative ext4 defaults
`
	got := parseFstab([]byte(text))
	want := []fsEntry{
		{"LABEL=myhome", "home", "ext4", []string{"noatime", "nofail"}},
		{"LABEL=my srv", "srv/with blank", "xfs", []string{"defaults"}},
		{"UUID=c", "var", "btrfs", []string{"subvol=@var", "compress"}},
		{"/dev/sda1", "efi", "vfat", []string{"noauto", "x-systemd.automount"}},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(fsEntry{})); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

func FuzzParseFstab(f *testing.F) {
	f.Add("UUID=a /home ext4 defaults,subvol=x 0 0\nLABEL=\"x\" /a\\040b vfat\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, e := range parseFstab([]byte(text)) {
			if e.point == "" || strings.HasPrefix(e.point, "/") || strings.Contains("/"+e.point+"/", "/../") {
				t.Errorf("mount point %q", e.point)
			}
		}
	})
}

func FuzzKeys(f *testing.F) {
	f.Add(key(1)+"\n", "root:x:0:0::/root:\n")
	f.Fuzz(func(t *testing.T, text, passwd string) {
		keys, err := ParseKeys("", []byte(text))
		if err != nil {
			return
		}
		var lines []string
		for _, k := range keys {
			lines = append(lines, k.Line)
		}
		once := addKeys(nil, lines)
		if twice := addKeys(bytes.Clone(once), lines); !bytes.Equal(once, twice) {
			t.Errorf("%q becomes %q", once, twice)
		}
		if a, err := lookup([]byte(passwd), "root"); err == nil && (a.uid < 0 || a.gid < 0 || a.home == "") {
			t.Errorf("account %+v", a)
		}
	})
}
