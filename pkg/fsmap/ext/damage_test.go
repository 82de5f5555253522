package ext_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/ext"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

// put changes bytes of a volume.
func put(off int64, b ...byte) func([]byte) { return func(v []byte) { copy(v[off:], b) } }

func put16(off int64, n uint16) func([]byte) { return put(off, byte(n), byte(n>>8)) }

func put32(off int64, n uint32) func([]byte) {
	return put(off, binary.LittleEndian.AppendUint32(nil, n)...)
}

// flip turns bits around.
func flip(off int64, bits byte) func([]byte) { return func(v []byte) { v[off] ^= bits } }

func TestMapRefusesDamage(t *testing.T) {
	plain := mkfs(t, 4, "-t ext2 -b 1024")                 // nothing has a checksum
	sums := mkfs(t, 8, "-t ext4 -b 1024 -O ^resize_inode") // everything has
	crc16 := mkfs(t, 8, "-t ext4 -b 1024 -O ^metadata_csum,uninit_bg,^resize_inode")
	mmp := mkfs(t, 8, "-t ext4 -b 1024 -O mmp,^metadata_csum")
	const sb, gdt = 1024, 2048
	for _, test := range []struct {
		name   string
		volume string
		change func([]byte)
		reason string // what the error says
	}{
		{"block size", plain, put32(sb+0x18, 7), "block size"},
		{"huge block size", plain, put32(sb+0x18, 0xFFFFFFFF), "block size"},
		{"fragments", plain, put32(sb+0x1C, 2), "fragments"},
		{"more blocks than there are", plain, put32(sb+4, 4097), "on a volume of"},
		{"no blocks", plain, put32(sb+4, 0), "blocks"},
		{"first data block", plain, put32(sb+0x14, 0), "first data block"},
		{"no blocks in a group", plain, put32(sb+0x20, 0), "per group"},
		{"odd blocks in a group", plain, put32(sb+0x20, 8191), "per group"},
		{"many blocks in a group", plain, put32(sb+0x20, 8200), "per group"},
		{"no inodes in a group", plain, put32(sb+0x28, 0), "inodes per group"},
		{"inodes that do not fit", plain, put32(sb, 3), "3 inodes"},
		{"inode size", plain, put16(sb+0x58, 192), "inode size"},
		{"no inode size", plain, put16(sb+0x58, 0), "inode size"},
		{"reserved descriptors", plain, put16(sb+0xCE, 4096), "reserved"},
		{"unknown incompatible feature", plain, put32(sb+0x60, 0x80000002), "incompatible features 0x80000000"},
		{"compression", plain, put32(sb+0x60, 3), "incompatible features 0x1"},
		{"unknown read-only feature", plain, put32(sb+0x64, 0x40000000), "read-only features"},
		{"external journal", plain, put32(sb+0x60, 8), "external journal"},
		{"snapshots", plain, put32(sb+0x5C, 0x80), "snapshots"},
		{"journal to replay and none there", plain, put32(sb+0x60, 6), "journal needs recovery"},
		{"errors", plain, put16(sb+0x3A, 3), "having errors"},
		{"not unmounted", plain, put16(sb+0x3A, 0), "not unmounted"},
		{"bitmap outside", plain, put32(gdt, 4096), "outside"},
		{"bitmap before", plain, put32(gdt, 0), "outside"},
		{"inode table outside", plain, put32(gdt+8, 4000), "outside"},
		{"bitmaps over each other", plain, func(v []byte) { copy(v[gdt:gdt+4], v[gdt+4:gdt+8]) }, "free clusters"},
		{"free count", plain, func(v []byte) { v[gdt+0xC]++ }, "free clusters"},
		{"metadata marked free", plain, func(v []byte) {
			at := int64(binary.LittleEndian.Uint32(v[gdt:])) * 1024
			v[at] &^= 2
			v[gdt+0xC]++
		}, "marked as free"},
		{"metadata over metadata", plain, func(v []byte) {
			copy(v[gdt+4:gdt+8], v[gdt:gdt+4])
		}, "overlap"},
		{"superblock's checksum", sums, flip(sb+0x78, 1), "superblock has checksum"},
		{"kind of checksum", sums, put(sb+0x175, 2), "kind of checksum"},
		{"descriptor's checksum", sums, flip(gdt+0x10, 1), "descriptor of group 0 has checksum"},
		{"end of a descriptor", sums, flip(gdt+0x3C, 1), "descriptor of group 0 has checksum"},
		{"bitmap's checksum", sums, func(v []byte) {
			v[int64(binary.LittleEndian.Uint32(v[gdt:]))*1024+1000] ^= 1
		}, "block bitmap of group 0 has checksum"},
		{"descriptor's CRC-16", crc16, flip(gdt+0x10, 1), "descriptor of group 0 has checksum"},
		{"descriptor size", crc16, put16(sb+0xFE, 48), "descriptor size"},
		{"small descriptor size", crc16, put16(sb+0xFE, 32), "descriptor size"},
		{"meta group", crc16, func(v []byte) { put32(sb+0x60, 0x2D2)(v); put32(sb+0x104, 99)(v) }, "meta group"},
		{"no multiple mount protection", mmp, put32(sb+0x168, 0), "multiple mount"},
		{"other multiple mount protection", mmp, put32(sb+0x168, 1), "multiple mount"},
		{"being checked", mmp, func(v []byte) {
			put32(int64(binary.LittleEndian.Uint32(v[sb+0x168:]))*1024+4, 0xE24D4D50)(v)
		}, "being checked"},
	} {
		t.Run(test.name, func(t *testing.T) {
			v, err := os.ReadFile(test.volume)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := ext.Map(bytes.NewReader(v), int64(len(v))); err != nil {
				t.Fatalf("before the damage: %v", err)
			}
			test.change(v)
			m, err := ext.Map(bytes.NewReader(v), int64(len(v)))
			var unsafe *fsmap.UnsafeError
			if !errors.As(err, &unsafe) || !strings.Contains(unsafe.Reason, test.reason) {
				t.Errorf("got %v, %v; want an UnsafeError with %q", m, err, test.reason)
			}
		})
	}
}

func TestMapOfSomethingElse(t *testing.T) {
	for _, size := range []int{0, 1, 1024, 2047, 2048, 1 << 20} {
		if m, err := ext.Map(bytes.NewReader(make([]byte, size)), int64(size)); !errors.Is(err, fsmap.ErrUnknown) {
			t.Errorf("%d zeros give %v, %v; want %v", size, m, err, fsmap.ErrUnknown)
		}
	}
}

func TestMapOfATruncatedVolume(t *testing.T) {
	f, size := maptest.Open(t, mkfs(t, 8, "-t ext4"))
	var unsafe *fsmap.UnsafeError
	if _, err := ext.Map(f, size-1); !errors.As(err, &unsafe) {
		t.Errorf("got %v", err)
	}
	// A size that promises more than there is to read is an error of reading.
	short := make([]byte, 64<<10)
	if _, err := f.ReadAt(short, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := ext.Map(bytes.NewReader(short[:4096]), size); err == nil || errors.As(err, &unsafe) || errors.Is(err, fsmap.ErrUnknown) {
		t.Errorf("got %v", err)
	}
	// More room than the filesystem takes is fine.
	m, err := ext.Map(f, size+5000)
	if err != nil || m.Size != size {
		t.Errorf("got %v, %v", m, err)
	}
}
