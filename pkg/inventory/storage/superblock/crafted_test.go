package superblock

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

var (
	le = binary.LittleEndian
	be = binary.BigEndian
)

// id is a UUID to put somewhere.
var id = []byte("\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef")

const idText = "01234567-89ab-cdef-0123-456789abcdef"

func member(size int, at int) []byte {
	b := make([]byte, size)
	s := b[at:]
	le.PutUint32(s, mdMagic)
	le.PutUint32(s[4:], 1)
	copy(s[16:], id)
	copy(s[32:], "host:0")
	le.PutUint64(s[144:], uint64(at)/512)
	return b
}

func oldMember(size int, order binary.ByteOrder) []byte {
	b := make([]byte, size)
	s := b[size&^0xffff-0x10000:]
	order.PutUint32(s, mdMagic)
	order.PutUint32(s[8:], 90)
	for i, off := range []int{20, 52, 56, 60} {
		order.PutUint32(s[off:], be.Uint32(id[4*i:]))
	}
	return b
}

// pool is the first label of a device, with uberblocks.
func pool(size int) []byte {
	b := make([]byte, size)
	list := []byte{1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}
	pair := func(name string, kind uint32, value []byte) {
		p := make([]byte, 12+(len(name)+3)&^3, 100)
		be.PutUint32(p[4:], 32)
		be.PutUint32(p[8:], uint32(len(name)))
		copy(p[12:], name)
		p = be.AppendUint32(p, kind)
		p = be.AppendUint32(p, 1)
		p = append(p, value...)
		be.PutUint32(p, uint32(len(p)))
		list = append(list, p...)
	}
	pair("version", 8, be.AppendUint64(nil, 5000))
	pair("name", 9, append(be.AppendUint32(nil, 4), "tank"...))
	pair("pool_guid", 8, be.AppendUint64(nil, 12345678901234567890))
	copy(b[16<<10:], list)
	for i := range 8 {
		le.PutUint64(b[128<<10+i*1024:], 0x00bab10c)
	}
	return b
}

func with(size int, parts ...any) []byte {
	b := make([]byte, size)
	for i := 0; i < len(parts); i += 2 {
		switch v := parts[i+1].(type) {
		case string:
			copy(b[parts[i].(int):], v)
		case []byte:
			copy(b[parts[i].(int):], v)
		}
	}
	return b
}

func crafted() map[string][]byte {
	fat := with(mib, 0, "\xeb\x3c\x90mkfs.fat\x00\x02\x04\x01\x00\x02\x00\x02\x00\x08\xf8\x02\x00", 38, "\x29\x78\x56\x34\x12NO NAME    FAT16   ", 510, "\x55\xaa")
	old := with(mib, 0x1018, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81", 0x1038, id, 0x1048, "old", 0x1068, "\x08")
	return map[string][]byte{
		"linux_raid_member host:0 " + idText + " 1.0":         member(4*mib+5*512, 4*mib-8192),
		"linux_raid_member host:0 " + idText + " 1.1":         member(4*mib, 0),
		"linux_raid_member host:0 " + idText + " 1.2":         member(4*mib, 4096),
		"linux_raid_member  " + idText + " 0.90":              oldMember(4*mib+512, le),
		"linux_raid_member  " + idText + " big 0.90":          oldMember(4*mib, be),
		"zfs_member tank 12345678901234567890":                pool(64 * mib),
		"bcachefs fs " + idText:                               with(mib, 0x1018, "\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef", 0x1038, id, 0x1048, "fs", 0x1068, "\x08", 0x1073, "\x01"),
		"bcachefs old " + idText:                              old,
		"isw_raid_member  ":                                   with(4*mib, 4*mib-1024, "Intel Raid ISM Cfg Sig. 1.3.00"),
		"ddf_raid_member  Linux-MD deadbeef":                  with(mib, mib-512, "\xde\x11\xde\x11\x00\x00\x00\x00Linux-MD deadbeef"),
		"apfs  " + idText:                                     with(mib, 32, "NXSB", 72, id),
		"BitLocker  ":                                         with(mib, 0, "\xeb\x58\x90-FVE-FS-"),
		"hfsplus  ":                                           with(mib, 0x400, "H+\x00\x04"),
		"swsuspend sw " + idText:                              with(mib, 1036, id, 1052, "sw", 4086, "S1SUSPEND\x00"),
		"swap  ":                                              with(mib, 4086, "SWAP-SPACE"),
		"ceph_bluestore  ":                                    with(mib, 0, "bluestore block device\n"+idText),
		"ReFS  ":                                              with(mib, 3, "\x00\x00\x00\x00\x00ReFS\x00"),
		"vfat  1234-5678":                                     fat,
		"LVM2_member  abcdef-ghij-klmn-opqr-stuv-wxyz-ABCDEF": with(mib, 512, "LABELONE\x01", 512+24, "LVM2 001abcdefghijklmnopqrstuvwxyzABCDEF"),
		"iso9660 CD 2026-11-26-12-34-56-78":                   with(mib, 0x8000, "\x01CD001\x01", 0x8028, "CD   ", 0x8000+813, "2026112612345678\x00", 0x8000+830, "0000000000000000\x00", 0x8800, "\xffCD001\x01"),
		"":                                                    make([]byte, mib),
	}
}

func TestCrafted(t *testing.T) {
	for name, b := range crafted() {
		got, err := Probe(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if text := got.Kind + " " + got.Label + " " + got.UUID; strings.TrimSpace(text) != "" && !strings.HasPrefix(name, text) || name != "" && got.Kind == "" {
			t.Errorf("%s: found %q", name, text)
		}
		if got.Kind == "linux_raid_member" || got.Kind == "zfs_member" || got.Kind == "isw_raid_member" || got.Kind == "swsuspend" {
			path := maptest.File(t, 0)
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(blkid(t, path), got); diff != "" {
				t.Errorf("%s: otherwise than blkid (-want +got):\n%s", name, diff)
			}
		}
	}
}

// TestMember looks behind partitions.
func TestMember(t *testing.T) {
	b := crafted()["linux_raid_member host:0 "+idText+" 1.0"]
	size := int64(len(b))
	for from, want := range map[int64]string{0: "linux_raid_member", 4*mib - 8192: "linux_raid_member", 4*mib - 8191: "", size: "", size + 5: "", 1 << 62: ""} {
		got, err := Member(bytes.NewReader(b), size, from)
		if err != nil || got.Kind != want {
			t.Errorf("from %d: %+v, %v", from, got, err)
		}
	}
}

// TestTruncated cuts volumes short: what is not there matches nothing, and an
// error of reading is one.
func TestTruncated(t *testing.T) {
	for name, b := range crafted() {
		for n := 0; n < len(b); n += 509 {
			if n > 140<<10 && n < len(b)-20<<10 {
				continue
			}
			if _, err := Probe(bytes.NewReader(b[:n]), int64(n)); err != nil {
				t.Fatalf("%s, %d bytes: %v", name, n, err)
			}
			if _, err := Probe(bytes.NewReader(b[:n]), int64(len(b))); err != nil {
				t.Fatalf("%s, %d of its bytes: %v", name, n, err)
			}
		}
	}
	bad := errors.New("bad sector")
	if _, err := Probe(failing{bad}, mib); !errors.Is(err, bad) {
		t.Errorf("error %v", err)
	}
	if _, err := Probe(failingTail{failing{bad}}, mib); !errors.Is(err, bad) {
		t.Errorf("error at the end %v", err)
	}
}

type failing struct{ err error }

func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.err }

type failingTail struct{ failing }

func (f failingTail) ReadAt(b []byte, off int64) (int, error) {
	if off == 0 {
		return len(b), nil
	}
	return f.failing.ReadAt(b, off)
}

// sparse is a volume of any size of which only the ends are not zero.
type sparse struct {
	head, tail []byte
	size       int64
}

func (s sparse) ReadAt(b []byte, off int64) (int, error) {
	if off >= s.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(b)), s.size-off))
	clear(b[:n])
	lay(b[:n], off, s.head, 0)
	lay(b[:n], off, s.tail, s.size-int64(len(s.tail)))
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// lay puts a piece of the volume that begins at start into b, which begins at off.
func lay(b []byte, off int64, piece []byte, start int64) {
	switch d := start - off; {
	case d >= 0 && d < int64(len(b)):
		copy(b[d:], piece)
	case d < 0 && -d < int64(len(piece)):
		copy(b, piece[-d:])
	}
}

// FuzzFilesystem changes volumes in one place or two, and their size.
func FuzzFilesystem(f *testing.F) {
	all := crafted()
	var names []string
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	var volumes []sparse
	for i, name := range names {
		b := all[name]
		volumes = append(volumes, sparse{bytes.Clone(b[:min(len(b), headSize)]), bytes.Clone(b[max(len(b)-128<<10, 0):]), int64(len(b))})
		for _, off := range []int64{0, 0x400, 0x1000, 0x4000, 0x8000, 0x10040, -0x10000, -0x2000, -1024} {
			f.Add(i, off, []byte{0xff}, int64(11), []byte("\x01\x00"), int64(0))
		}
	}
	f.Fuzz(func(t *testing.T, which int, off1 int64, patch1 []byte, off2 int64, patch2 []byte, grow int64) {
		v := volumes[uint(which)%uint(len(volumes))]
		if v.size += grow; v.size < 0 {
			v.size = grow
		}
		v.head, v.tail = bytes.Clone(v.head), bytes.Clone(v.tail)
		for off, patch := range map[int64][]byte{off1: patch1, off2: patch2} {
			if off >= 0 && off < int64(len(v.head)) {
				copy(v.head[off:], patch)
			}
			if off < 0 && -off > 0 && -off <= int64(len(v.tail)) {
				copy(v.tail[int64(len(v.tail))+off:], patch)
			}
		}
		found, err := Probe(v, v.size)
		if err != nil && v.size >= 0 {
			t.Fatal(err)
		}
		if _, err := Member(v, v.size, off1); err != nil {
			t.Fatal(err)
		}
		if found.Kind == "" && found != (Volume{}) {
			t.Errorf("no kind: %+v", found)
		}
		if len(found.Label) > 4*512 || len(found.UUID) > 64 || strings.ContainsAny(found.Label+found.UUID, "\x00\x1b\n") {
			t.Errorf("%+v", found)
		}
	})
}
