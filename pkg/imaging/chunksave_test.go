package imaging

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
	"github.com/orbit-pxe/orbit/pkg/ndz"
	"github.com/orbit-pxe/orbit/pkg/ndz/ndztest"
)

// sound checks an .ndz image, and gives it as it is and as what reads it.
func sound(t testing.TB, img string) (*ndz.Image, *ndztest.Report) {
	t.Helper()
	b := bytesOf(t, img)
	r := ndztest.Check(b, nil)
	if len(r.Problems) > 0 {
		t.Errorf("%s: %q", img, r.Problems)
	}
	m, err := ndz.Open(t.Context(), bytes.NewReader(b), int64(len(b)), ndz.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m, r
}

// A filesystem is saved as an .ndz image and written to another file, and to a
// loop device that had another life, and is the same one.
func TestRoundTripChunks(t *testing.T) {
	if testing.Short() {
		t.Skip("makes and mounts filesystems")
	}
	for i, name := range []string{"ext4", "xfs", "btrfs", "ntfs", "fat32", "ext4 large"} {
		f := named(t, name)
		if f.slow && !slow() {
			continue
		}
		t.Run(name, func(t *testing.T) {
			disk, tree := f.make(t, uint64(i)+70)
			img := filepath.Join(t.TempDir(), "x.ndz")
			saved, err := Save(t.Context(), SaveOptions{Disk: disk, Dest: img, Format: Ndz})
			if err != nil {
				t.Fatal(err)
			}
			m, r := sound(t, img)
			if r.Version != 3 || m.Size() != f.size*mib || saved.Used > saved.Bytes*3/4 || saved.Format != "ndz version 3" || len(saved.Notes) > 0 {
				t.Errorf("version %d, %d bytes, %+v", r.Version, m.Size(), saved)
			}
			dests := []string{noise(t, f.size*mib)}
			if f.size <= 128 && os.Geteuid() == 0 {
				dests = append(dests, otherLife(t, int(f.size)*mib, 512))
			}
			for _, dest := range dests {
				if _, err := write1(t, WriteOptions{Source: img, Disk: dest, Verify: VerifyDisk}); err != nil {
					t.Fatal(err)
				}
				usedSame(t, dest, disk, m.Used().Intersect(usedOf(t, disk)))
				volume := dest
				if strings.HasPrefix(dest, "/dev/") {
					volume = cutOut(t, dest, 0, f.size*mib)
				}
				f.check(t, volume)
				if diff := cmp.Diff(tree, f.tree(t, volume)); diff != "" {
					t.Errorf("files (-saved +written):\n%s", diff)
				}
			}
		})
	}
}

// usedOf is what is in use on a disk, as a save finds it.
func usedOf(t testing.TB, disk string) extent.Set {
	t.Helper()
	s := &save{o: SaveOptions{Disk: disk, Format: Ndz, Level: 1, Log: slog.New(slog.DiscardHandler)}, report: newReport(nil)}
	defer s.close()
	if err := s.prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s.used
}

// Disks with partitions are saved and written, and so is one of their partitions.
func TestRoundTripChunksOfDisks(t *testing.T) {
	if testing.Short() {
		t.Skip("makes and mounts several filesystems a disk")
	}
	for _, c := range []struct {
		name, script string
		size         int64
		parts        map[int]filesystem
	}{
		{"GPT", `label: gpt\nsize=20M,type=U\nsize=60M\nsize=16M,type=S\nsize=24M\n`, 128,
			map[int]filesystem{1: small(t, "fat16", 20), 2: small(t, "ext4", 48), 3: small(t, "swap", 16), 4: small(t, "ext2", 24)}},
		{"MBR", logicals, 160,
			map[int]filesystem{1: small(t, "fat16", 20), 2: small(t, "ext2", 30), 5: small(t, "ext4", 40), 6: small(t, "swap", 20), 7: small(t, "ntfs", 34)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk, in := partitioned(t, c.size, 512, c.script, c.parts)
			img := filepath.Join(t.TempDir(), "x.ndz")
			saved, err := Save(t.Context(), SaveOptions{Disk: disk, Dest: img, Format: Ndz})
			if err != nil {
				t.Fatal(err)
			}
			m, _ := sound(t, img)
			if saved.Used > saved.Bytes*2/3 || len(saved.Notes) > 0 {
				t.Errorf("it was not understood: %+v", saved)
			}
			file := bytesOf(t, img)
			// To a larger disk, from everywhere.
			for _, way := range []string{"file", "pipe"} {
				o := from(t, way, "x.ndz", file)
				o.Disk, o.FileSize, o.Verify = noise(t, (c.size+8)*mib), (c.size+8)*mib, VerifyDisk
				if _, err := write1(t, o); err != nil {
					t.Fatalf("%s: %v", way, err)
				}
				tables := extent.NewSet(extent.Range{End: mib}, extent.Range{Off: (c.size - 1) * mib, End: c.size * mib})
				usedSame(t, o.Disk, disk, m.Used().Intersect(usedOf(t, disk)).Subtract(tables))
				intact(t, o.Disk, in)
				if out := maptest.Tool(t, "sfdisk", "--verify", o.Disk); !strings.Contains(out, "No errors") {
					t.Errorf("%s: sfdisk says %s", way, out)
				}
			}
			for _, p := range in {
				if p.name == "ext4" {
					chunksOfPartition(t, disk, p)
				}
			}
		})
	}
}

// chunksOfPartition saves a partition, and writes it to one of another disk.
func chunksOfPartition(t *testing.T, disk string, p placed) {
	t.Helper()
	img := filepath.Join(t.TempDir(), "part.ndz")
	if _, err := Save(t.Context(), SaveOptions{Disk: disk, Dest: img, Format: Ndz, Partition: p.part.Number}); err != nil {
		t.Fatal(err)
	}
	if m, _ := sound(t, img); m.Size() != p.part.Size {
		t.Errorf("partition of %d bytes, its image has %d", p.part.Size, m.Size())
	}
	other := loop(t, 96*mib, 512)
	copyTo(t, other, 0, noise(t, 96*mib))
	tool(t, "sh", "-c", `printf 'label: gpt\nsize=16M\nsize=64M\n' | sfdisk -q --wipe always `+other)
	tool(t, "partx", "-u", other)
	before := bytesOf(t, other)
	for _, unused := range []Unused{Keep, Zero} {
		if _, err := write1(t, WriteOptions{Source: img, Disk: other + "p2", Unused: unused, Verify: VerifyDisk}); err != nil {
			t.Fatal(err)
		}
		at := partitionOf(t, other, 512, 2)
		volume := cutOut(t, other, at.Start, p.size*mib)
		p.check(t, volume)
		if diff := cmp.Diff(p.tree, p.filesystem.tree(t, volume)); diff != "" {
			t.Errorf("partition (-saved +written):\n%s", diff)
		}
		after := bytesOf(t, other)
		same(t, "before the partition", after[:at.Start], before[:at.Start])
		same(t, "behind the partition", after[at.End():], before[at.End():])
	}
	_, err := write1(t, WriteOptions{Source: img, Disk: other + "p1"})
	refused(t, err, "too small")
	if got := bytesOf(t, other+"p1"); !bytes.Equal(got, before[mib:17*mib]) {
		t.Error("a partition that is too small was changed")
	}
}

// A disk of more than 2 TiB has the version with numbers of 64 bits.
func TestLargeChunks(t *testing.T) {
	if testing.Short() {
		t.Skip("makes an xfs of 3 TiB")
	}
	disk := filepath.Join(t.TempDir(), "disk")
	if err := exec.Command("truncate", "-s", "3T", disk).Run(); err != nil {
		t.Skipf("no files of 3 TiB here: %v", err)
	}
	maptest.Tool(t, "mkfs.xfs", "-q", "-l", "size=64m", disk)
	img := filepath.Join(t.TempDir(), "x.ndz")
	saved, err := Save(t.Context(), SaveOptions{Disk: disk, Dest: img, Format: Ndz})
	if err != nil {
		t.Fatal(err)
	}
	m, r := sound(t, img)
	if r.Version != 5 || saved.Format != "ndz version 5" || m.Size() != 3<<40 {
		t.Errorf("version %d, %d bytes: %+v", r.Version, m.Size(), saved)
	}
	for _, o := range []WriteOptions{{Source: img}, {Source: "-", Stdin: bytes.NewReader(bytesOf(t, img))}} {
		o.Disk = filepath.Join(t.TempDir(), "again")
		if _, err := write1(t, o); err != nil {
			t.Fatal(err)
		}
		maptest.Tool(t, "xfs_repair", "-n", "-f", o.Disk)
		usedSame(t, o.Disk, disk, m.Used())
	}
}

// To standard output and to a server, as to a file.
func TestSaveChunksElsewhere(t *testing.T) {
	disk := store(t, "disk", gptImage(t, size+512*3, 512))
	img := filepath.Join(t.TempDir(), "x.ndz")
	r, err := Save(t.Context(), SaveOptions{Disk: disk, Dest: img, Format: Ndz, Sum: true})
	if err != nil {
		t.Fatal(err)
	}
	want := bytesOf(t, img)
	if r.Stored != int64(len(want)) || r.SHA256 != sum(want) {
		t.Errorf("receipt %+v, of %d bytes with sha256 %s", r, len(want), sum(want))
	}
	sound(t, img)
	var out bytes.Buffer
	if _, err := Save(t.Context(), SaveOptions{Disk: disk, Dest: "-", Stdout: &out, Format: Ndz}); err != nil {
		t.Fatal(err)
	}
	same(t, "standard output", out.Bytes(), want)
	var got []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusCreated)
	}))
	defer server.Close()
	if _, err := Save(t.Context(), SaveOptions{Disk: disk, Dest: server.URL + "/x.ndz", Format: Ndz}); err != nil {
		t.Fatal(err)
	}
	same(t, "upload", got, want)

	_, err = Save(t.Context(), SaveOptions{Disk: disk, Dest: img, Format: Ndz, Parent: img})
	refused(t, err, "--parent needs the format orbit")
	same(t, img, bytesOf(t, img), want)
}

// What cannot be read is zeros, and is told; without --rescue it ends the save.
func TestRescueChunks(t *testing.T) {
	disk := gptImage(t, size, 512)
	bad := extent.NewSet(extent.Range{Off: 6*mib + 512*5, End: 6*mib + 512*7}, extent.Range{Off: 9 * mib, End: 10 * mib})
	img, r, _, err := rescued(t, disk, badReads(bad), SaveOptions{Rescue: true, Format: Ndz})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Notes) < 2 || !strings.Contains(strings.Join(r.Notes, "\n"), "1.0 KiB of the disk at 6.0 MiB") || r.Used != size-bad.Len() {
		t.Errorf("receipt %+v", r)
	}
	m, _ := sound(t, img)
	want := bytes.Clone(disk)
	for b := range bad.All() {
		clear(want[b.Off:b.End])
	}
	got := make([]byte, size)
	if _, err := m.View(t.Context()).ReadAt(got, 0); err != nil {
		t.Fatal(err)
	}
	same(t, "image", got, want)
	_, _, _, err = rescued(t, disk, badReads(bad), SaveOptions{Format: Ndz})
	if err == nil || !strings.Contains(err.Error(), "--rescue goes on") {
		t.Errorf("without --rescue: %v", err)
	}
}
