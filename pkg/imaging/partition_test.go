package imaging

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

// One partition of a disk is saved, and written to a file and to a partition of
// another disk, whose rest stays as it is.
func TestPartition(t *testing.T) {
	if testing.Short() {
		t.Skip("makes and mounts filesystems")
	}
	disk, in := partitioned(t, 96, 512, `label: dos\nsize=30M\ntype=5\nsize=40M\n`, map[int]filesystem{1: small(t, "ext2", 30), 5: small(t, "ext4", 40)})
	other := loop(t, 96*mib, 512)
	copyTo(t, other, 0, noise(t, 96*mib))
	tool(t, "sh", "-c", `printf 'label: gpt\nsize=32M\nsize=48M\n' | sfdisk -q --wipe always `+other)
	tool(t, "partx", "-u", other)
	before := bytesOf(t, other)
	for _, p := range in {
		img := filepath.Join(t.TempDir(), "part.img.zst")
		if _, err := Save(t.Context(), SaveOptions{Disk: disk, Dest: img, Partition: p.part.Number}); err != nil {
			t.Fatal(err)
		}
		x := indexOf(t, img)
		if x.Meta.Part != p.part.Number || x.Size != p.part.Size || len(x.Meta.Notes) > 0 || x.Used.Len() > x.Size/2 {
			t.Errorf("partition %d: %d bytes, %d in use, %+v", p.part.Number, x.Size, x.Used.Len(), x.Meta)
		}
		zstdTool(t, img, cutOut(t, disk, p.part.Start, p.part.Size), x)

		file := noise(t, 96*mib)
		if _, err := write1(t, WriteOptions{Source: img, Disk: file}); err != nil {
			t.Fatal(err)
		}
		p.check(t, file)
		if diff := cmp.Diff(p.tree, p.filesystem.tree(t, file)); diff != "" {
			t.Errorf("partition %d in a file (-saved +written):\n%s", p.part.Number, diff)
		}

		number := 1
		if p.part.Size > 32*mib {
			number = 2
		}
		at := partitionOf(t, other, 512, number)
		for _, o := range []WriteOptions{{Verify: VerifyDisk}, {}, {Unused: Zero}} {
			o.Source, o.Disk = img, other+"p"+string(rune('0'+number))
			r, err := write1(t, o)
			if err != nil {
				t.Fatal(err)
			}
			if o.Verify == "" && o.Unused == "" && r.Written != 0 {
				t.Errorf("the second time %d bytes were written", r.Written)
			}
		}
		volume := cutOut(t, other, at.Start, p.size*mib)
		p.check(t, volume)
		if diff := cmp.Diff(p.tree, p.filesystem.tree(t, volume)); diff != "" {
			t.Errorf("partition %d on a disk (-saved +written):\n%s", p.part.Number, diff)
		}
	}
	after := bytesOf(t, other)
	for r := range extent.NewSet(extent.Range{Off: mib, End: 33 * mib}, extent.Range{Off: 33 * mib, End: 81 * mib}).Complement(extent.Range{End: 96 * mib}).All() {
		same(t, "around the partitions", after[r.Off:r.End], before[r.Off:r.End])
	}

	for number, want := range map[int]string{9: "has no partition 9", 2: "has no partition 2"} { // the second is the extended one
		_, err := Save(t.Context(), SaveOptions{Disk: disk, Dest: filepath.Join(t.TempDir(), "x"), Partition: number})
		refused(t, err, want)
	}
}

// Every byte, as it is or compressed, of a disk and of a partition.
func TestFormats(t *testing.T) {
	disk := gptImage(t, size, 512)
	path := store(t, "disk", disk)
	for _, part := range []int{0, 1} {
		want := disk
		if part == 1 {
			p := partitionOf(t, path, 512, 1)
			want = disk[p.Start:p.End()]
		}
		for _, o := range []SaveOptions{{Format: Raw}, {Format: RawZstd}, {Format: RawZstd, Level: 19}, {Whole: true}, {Whole: true, Level: 9}} {
			dest := filepath.Join(t.TempDir(), "x")
			o.Disk, o.Dest, o.Partition = path, dest, part
			r, err := Save(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			stored := bytesOf(t, dest)
			got := stored
			if o.Format != Raw {
				got = unpack(t, stored)
			}
			same(t, string(o.Format), got, want)
			if r.Stored != int64(len(stored)) || r.Bytes != int64(len(want)) || r.Used != r.Bytes {
				t.Errorf("%s: %+v", o.Format, r)
			}
			if o.Whole && !indexOf(t, dest).Used.Equal(extent.NewSet(extent.Range{End: int64(len(want))})) {
				t.Error("not all of it is in use")
			}
			again := store(t, "old", content(8, 2*size))
			if _, err := write1(t, WriteOptions{Source: dest, Disk: again}); err != nil {
				t.Fatal(err)
			}
			same(t, again, bytesOf(t, again), want)
		}
	}
}

func TestLevels(t *testing.T) {
	text := []byte(strings.Repeat("what is written twice takes less room. ", 1<<15))
	for i := range text {
		if i%97 == 0 {
			text[i] = byte(i >> 7)
		}
	}
	path := store(t, "disk", text)
	stored := map[int]int64{}
	for _, level := range []int{1, 19} {
		var out bytes.Buffer
		r, err := Save(t.Context(), SaveOptions{Disk: path, Dest: "-", Stdout: &out, Level: level})
		if err != nil {
			t.Fatal(err)
		}
		same(t, "image", unpack(t, out.Bytes()), text)
		stored[level] = r.Stored
	}
	if stored[19] >= stored[1] {
		t.Errorf("level 19 makes %d bytes, level 1 %d", stored[19], stored[1])
	}
	for _, o := range []SaveOptions{
		{Level: 23}, {Level: -1}, {Format: Raw, Parent: path}, {Format: RawZstd, Rescue: true}, {Format: Raw, Scrub: true},
		{Format: "qcow2"}, {Scrub: true, Whole: true},
	} {
		o.Disk, o.Dest = path, filepath.Join(t.TempDir(), "x")
		_, err := Save(t.Context(), o)
		refused(t, err, "")
		if _, err := os.Stat(o.Dest); err == nil {
			t.Errorf("%+v made a file", o)
		}
	}
}
