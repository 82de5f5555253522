package scrub

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap/ext"
)

// FuzzExt changes small filesystems in a few places: every six bytes are where,
// among the blocks that are not zeros, and what.
func FuzzExt(f *testing.F) {
	tree := f.TempDir()
	for name, size := range map[string]int{
		"etc/machine-id": 33, "etc/ssh/ssh_host_rsa_key": 100, "etc/ssh/x": 1, "var/log/a": 30_000, "var/log/b/c": 1,
	} {
		write(f, filepath.Join(tree, name), secret, size)
	}
	type disk struct {
		data  []byte
		parts []int // offsets of what is not zeros, each of 1024 bytes
	}
	var disks []disk
	for i, args := range []string{
		"-t ext2 -b 1024 -N 32", "-t ext2 -b 1024 -N 32 -r 0 -O none", "-t ext4 -b 1024 -N 32 -O ^metadata_csum,^uninit_bg",
		"-t ext4 -b 1024 -N 32",
	} {
		data, err := os.ReadFile(volume(f, 1, args+" -d "+tree))
		if err != nil {
			f.Fatal(err)
		}
		d := disk{data, nil}
		for at := 0; at < len(data); at += 1024 {
			if !bytes.Equal(data[at:at+1024], make([]byte, 1024)) && !bytes.Contains(data[at:at+1024], []byte(secret)) {
				d.parts = append(d.parts, at)
			}
		}
		disks = append(disks, d)
		f.Add(uint8(i), []byte{})
		f.Add(uint8(i), []byte{0x3A, 0, 0, 0, 1, 0, 0x18, 0, 0, 0, 1, 0})
		f.Add(uint8(i), []byte{0, 4, 0, 0, 9, 0, 0x28, 18, 0, 0, 3, 0})
	}
	f.Fuzz(func(t *testing.T, which uint8, changes []byte) {
		d := disks[int(which)%len(disks)]
		data, size := bytes.Clone(d.data), int64(len(d.data))
		for ; len(changes) >= 6; changes = changes[6:] {
			at := binary.LittleEndian.Uint32(changes) % uint32(len(d.parts)*1024)
			copy(data[d.parts[at/1024]+int(at%1024):], changes[4:6])
		}
		p, err := Ext(bytes.NewReader(data), size)
		if err != nil {
			return
		}
		if p.Zero.End() > size {
			t.Fatalf("zeros up to %d of %d", p.Zero.End(), size)
		}
		var pieces extent.Set
		for _, x := range p.Replace {
			if r := x.Range(); r.Off < pieces.End() || r.End > size || p.Zero.Overlaps(r) {
				t.Fatalf("a piece at %v of %d", r, size)
			}
			pieces.Add(x.Range())
		}
		// A map that could be trusted can be trusted still.
		if _, err := ext.Map(bytes.NewReader(data), size); err != nil {
			return
		}
		if _, err := ext.Map(p.Reader(bytes.NewReader(data)), size); err != nil {
			t.Fatalf("the map broke: %v", err)
		}
	})
}
