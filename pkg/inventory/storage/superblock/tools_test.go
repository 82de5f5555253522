package superblock

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

const mib = 1 << 20

// blkid is what libblkid says of a file.
func blkid(t *testing.T, path string) (v Volume) {
	t.Helper()
	if _, err := exec.LookPath("blkid"); err != nil {
		t.Skip("no blkid here")
	}
	out, _ := maptest.Try(t, "blkid", "-p", "-o", "udev", path)
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		switch key {
		case "ID_FS_TYPE":
			v.Kind = value
		case "ID_FS_UUID_ENC":
			v.UUID = decode(value)
		case "ID_FS_LABEL_ENC":
			v.Label = decode(value)
		}
	}
	return v
}

// decode undoes the encoding of what udev finds unsafe, "\x20".
func decode(s string) string {
	var b []byte
	for i := 0; i < len(s); i++ {
		if n, err := strconv.ParseUint(strings.Replace(s[i:min(i+4, len(s))], `\`, "0", 1), 0, 8); s[i] == '\\' && err == nil {
			b = append(b, byte(n))
			i += 3
			continue
		}
		b = append(b, s[i])
	}
	return string(b)
}

func probe(t *testing.T, path string) Volume {
	t.Helper()
	f, size := maptest.Open(t, path)
	v, err := Probe(f, size)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestTools has every tool make what it makes, and compares with blkid.
func TestTools(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dir")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		size int64
		args string // "FILE" is the volume
		want Volume // UUIDs are blkid's affair
	}{
		{"ext2", 8, "mkfs.ext2 -q -L two FILE", Volume{Kind: "ext2", Label: "two"}},
		{"ext3", 8, "mkfs.ext3 -q FILE", Volume{Kind: "ext3"}},
		{"ext4", 8, "mkfs.ext4 -q -L sixteen-letters- FILE", Volume{Kind: "ext4", Label: "sixteen-letters-"}},
		{"ext4 without journal", 8, "mkfs.ext4 -q -O ^has_journal FILE", Volume{Kind: "ext4"}},
		{"journal", 8, "mke2fs -q -O journal_dev -b 4096 FILE", Volume{Kind: "jbd"}},
		{"xfs", 320, "mkfs.xfs -q -L twelve-chars FILE", Volume{Kind: "xfs", Label: "twelve-chars"}},
		{"btrfs", 128, "mkfs.btrfs -q -L bé FILE", Volume{Kind: "btrfs", Label: "bé"}},
		{"fat12", 2, "mkfs.vfat -F 12 -n BOOT FILE", Volume{Kind: "vfat", Label: "BOOT"}},
		{"fat16", 20, "mkfs.vfat -F 16 FILE", Volume{Kind: "vfat"}},
		{"fat32", 64, "mkfs.vfat -F 32 -n ELEVENCHARS FILE", Volume{Kind: "vfat", Label: "ELEVENCHARS"}},
		{"fat32 4k", 600, "mkfs.vfat -F 32 -S 4096 -n FOUR FILE", Volume{Kind: "vfat", Label: "FOUR"}},
		{"exfat", 16, "mkfs.exfat -L EXlabel FILE", Volume{Kind: "exfat", Label: "EXlabel"}},
		{"exfat without label", 16, "mkfs.exfat FILE", Volume{Kind: "exfat"}},
		{"ntfs", 16, "mkfs.ntfs -q -F -f -L ntfs_ä FILE", Volume{Kind: "ntfs", Label: "ntfs_ä"}},
		{"ntfs large clusters", 64, "mkfs.ntfs -q -F -f -c 65536 -s 4096 -L large FILE", Volume{Kind: "ntfs", Label: "large"}},
		{"swap", 1, "mkswap -L sw FILE", Volume{Kind: "swap", Label: "sw"}},
		{"swap 64k", 1, "mkswap -p 65536 FILE", Volume{Kind: "swap"}},
		{"luks1", 8, "cryptsetup luksFormat -q --type luks1 --pbkdf-force-iterations 1000 FILE KEY", Volume{Kind: "crypto_LUKS"}},
		{"luks2", 32, "cryptsetup luksFormat -q --type luks2 --label secret --pbkdf pbkdf2 --pbkdf-force-iterations 1000 FILE KEY", Volume{Kind: "crypto_LUKS", Label: "secret"}},
		{"f2fs", 64, "mkfs.f2fs -q -l flash FILE", Volume{Kind: "f2fs", Label: "flash"}},
		{"bcache", 16, "make-bcache -B FILE", Volume{Kind: "bcache"}},
		{"udf", 16, "mkudffs --utf8 -l udflabel FILE", Volume{Kind: "udf"}},
		{"erofs", 0, "mkfs.erofs FILE DIR", Volume{Kind: "erofs"}},
		{"squashfs", 0, "mksquashfs DIR FILE -quiet -noappend", Volume{Kind: "squashfs"}},
		{"iso9660", 0, "genisoimage -quiet -V CDLABEL -o FILE DIR", Volume{Kind: "iso9660", Label: "CDLABEL"}},
		{"verity", 1, "veritysetup format DATA FILE", Volume{Kind: "DM_verity_hash"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := maptest.File(t, test.size*mib)
			key := maptest.File(t, 64)
			data := maptest.File(t, mib)
			var args []string
			for _, a := range strings.Fields(test.args) {
				args = append(args, strings.NewReplacer("FILE", path, "DIR", dir, "KEY", key, "DATA", data).Replace(a))
			}
			if out, err := maptest.Try(t, args[0], args[1:]...); err != nil {
				t.Skipf("%s does not do that here: %v\n%s", args[0], err, out)
			}
			got, want := probe(t, path), blkid(t, path)
			if want.Kind == "" {
				t.Fatalf("blkid does not know it; found %+v", got)
			}
			if got.Kind == "udf" { // of which only the kind is told
				want.UUID, want.Label = got.UUID, got.Label
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("otherwise than blkid (-want +got):\n%s", diff)
			}
			test.want.UUID = got.UUID
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("otherwise than made (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRelabel has the label of a FAT changed where systems change it.
func TestRelabel(t *testing.T) {
	path := maptest.File(t, 64*mib)
	maptest.Tool(t, "mkfs.vfat", "-F", "32", "-n", "BEFORE", path)
	maptest.Tool(t, "mlabel", "-i", path, "::AFTER")
	if got := probe(t, path); got.Label != "AFTER" {
		t.Errorf("label %q", got.Label)
	}
}

// TestPhysicalVolume needs no device mapper.
func TestPhysicalVolume(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("pvcreate needs root")
	}
	path := maptest.File(t, 16*mib)
	loop := strings.TrimSpace(maptest.Tool(t, "losetup", "--find", "--show", path))
	defer maptest.Tool(t, "losetup", "--detach", loop)
	if out, err := maptest.Try(t, "pvcreate", "-q", "--nolocking", "--config", `devices{filter=["a|.*|"] scan_lvs=0} global{use_lvmpolld=0}`, loop); err != nil {
		t.Skipf("no pvcreate here: %v %s", err, out)
	}
	got := probe(t, path)
	if diff := cmp.Diff(blkid(t, path), got); diff != "" || got.Kind != "LVM2_member" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
