package imaging

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/blockdev"
	"github.com/orbit-pxe/orbit/pkg/partition"
	"github.com/orbit-pxe/orbit/pkg/stream"
)

// images are one of each kind.
func images(t testing.TB) map[string][]byte {
	whole := content(3, 3*mib)
	return map[string][]byte{
		"gpt 512":    gptImage(t, 8*mib, 512),
		"gpt 4096":   gptImage(t, 8*mib, 4096),
		"mbr":        mbrImage(4 * mib),
		"no table":   whole,
		"odd length": whole[:3*mib-777],
		"1 MiB":      whole[:mib],
		"1000 bytes": whole[:1000],
		"zeros":      make([]byte, 2*mib),
	}
}

func TestWriteFile(t *testing.T) {
	for name, image := range images(t) {
		formats := []stream.Format{stream.Raw, stream.Zstd}
		if name == "mbr" {
			formats = append(formats, stream.Gzip, stream.Xz, stream.Bzip2)
		}
		for _, format := range formats {
			t.Run(name+" "+string(format), func(t *testing.T) {
				stored := compress(t, format, image)
				// What was there before, longer and not zero, must not shine through.
				dest := store(t, "disk", content(9, 12*mib))
				r, err := write1(t, WriteOptions{Source: store(t, "image", stored), Disk: dest, SHA256: sum(stored)})
				if err != nil {
					t.Fatal(err)
				}
				same(t, dest, bytesOf(t, dest), image)
				want := Receipt{Source: r.Source, Dest: dest, Format: string(format), Stored: int64(len(stored)), Bytes: int64(len(image)),
					Written: r.Written, Verified: VerifyStream, Time: r.Time,
					Seconds: r.Seconds, Rate: r.Rate, SHA256: sum(stored), Checked: true, Table: r.Table}
				if diff := cmp.Diff(want, *r); diff != "" {
					t.Errorf("receipt (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// A disk has an old content, and may be larger than the image.
func TestWriteDisk(t *testing.T) {
	for name, image := range images(t) {
		for _, larger := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s larger=%v", name, larger), func(t *testing.T) {
				sector, size := 512, (len(image)+mib-1)/mib*mib
				if name == "gpt 4096" {
					sector = 4096
				}
				size = max(size, 8*mib)
				if larger {
					size += 3 * mib
				}
				dev := loop(t, size, sector)
				if _, err := write1(t, WriteOptions{Source: store(t, "image", compress(t, stream.Zstd, image)), Disk: dev}); err != nil {
					t.Fatal(err)
				}
				got := bytesOf(t, dev)
				gpt, err := partition.DecodeGPT(bytes.NewReader(image), sector)
				if err != nil || size == len(image) {
					same(t, dev, got[:len(image)], image)
					return
				}
				// The partitions are as they were, the table ends where the disk does.
				first, last := mib, len(image)-mib
				same(t, "content", got[first:last], image[first:last])
				same(t, "boot code", got[:440], image[:440])
				moved, err := partition.Read(bytes.NewReader(got), sector)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(gpt.Table().Partitions, moved.Partitions); diff != "" {
					t.Errorf("partitions (-image +disk):\n%s", diff)
				}
				if moved.End != int64(size) {
					t.Errorf("table is for %d bytes, disk has %d", moved.End, size)
				}
				if _, err := partition.DecodeBackup(bytes.NewReader(got), sector, int64(size)); err != nil {
					t.Errorf("backup table: %v", err)
				}
				for _, r := range gpt.Regions()[3:] {
					same(t, "old backup table", got[r.Offset:r.Offset+r.Size], make([]byte, r.Size))
				}
				if out, err := exec.Command("sfdisk", "--verify", dev).CombinedOutput(); err != nil {
					t.Errorf("sfdisk --verify: %v\n%s", err, out)
				}
			})
		}
	}
}

// ragged hands out what it has in pieces of any size.
type ragged struct {
	r      io.Reader
	random *rand.Rand
}

func (r ragged) Read(p []byte) (int, error) {
	return r.r.Read(p[:min(len(p), 1+r.random.IntN(1<<r.random.IntN(20)))])
}

func TestWriteAnyChunksAnySize(t *testing.T) {
	for seed := range uint64(24) {
		random := rand.New(rand.NewPCG(seed, 5))
		image := content(seed, 1+random.IntN(1<<(10+random.IntN(14))))
		format := []stream.Format{stream.Raw, stream.Zstd, stream.Gzip}[seed%3]
		stored := compress(t, format, image)
		dest := filepath.Join(t.TempDir(), "disk")
		_, err := write1(t, WriteOptions{Source: "-", Stdin: ragged{bytes.NewReader(stored), random}, Disk: dest})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		same(t, fmt.Sprintf("seed %d", seed), bytesOf(t, dest), image)
	}
}

// A file may stand for a disk of a given size.
func TestWriteFileOfSize(t *testing.T) {
	image := gptImage(t, 8*mib, 512)
	dest := filepath.Join(t.TempDir(), "disk")
	if _, err := write1(t, WriteOptions{Source: store(t, "image", image), Disk: dest, FileSize: 40 * mib}); err != nil {
		t.Fatal(err)
	}
	table, err := partition.Read(bytes.NewReader(bytesOf(t, dest)), 512)
	if err != nil || table.End != 40*mib {
		t.Errorf("table is %+v, %v; want one that ends at 40 MiB", table, err)
	}
}

// TestFileInUse leaves a file alone that another holds, whatever would become of it.
func TestFileInUse(t *testing.T) {
	img := store(t, "image", gptImage(t, 8*mib, 512))
	for _, size := range []int64{0, 8 * mib} {
		old := content(9, 12*mib)
		file := store(t, "disk", old)
		holder, err := blockdev.Open(file, blockdev.Options{Write: true, Exclusive: true})
		if err != nil {
			t.Fatal(err)
		}
		defer holder.Close()
		_, err = write1(t, WriteOptions{Source: img, Disk: file, FileSize: size})
		refused(t, err, "")
		same(t, "the file", bytesOf(t, file), old)
	}
}

func TestDryRun(t *testing.T) {
	image := gptImage(t, 8*mib, 512)
	dev := loop(t, 32*mib, 512)
	before := bytesOf(t, dev)
	plan, err := MakePlan(t.Context(), WriteOptions{Source: store(t, "image.zst", compress(t, stream.Zstd, image)), Disk: dev})
	if err != nil {
		t.Fatal(err)
	}
	want := Plan{
		What:   plan.What,
		Image:  plan.Image,
		Disk:   dev + " (32 MiB), sectors of 512 bytes",
		Lost:   "GPT, 2 partitions: 1 ESP 2.0 MiB, 2 Linux root (x86-64) 28 MiB",
		Check:  "checksums of the compressed stream",
		Change: "backup partition table moves to the end of the disk, 24 MiB further on",
	}
	if diff := cmp.Diff(want, *plan); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	same(t, dev, bytesOf(t, dev), before)

	none := filepath.Join(t.TempDir(), "none")
	if _, err := MakePlan(t.Context(), WriteOptions{Source: store(t, "image", image), Disk: none}); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(none); err == nil {
		t.Error("the plan made the file")
	}
}

// Every step starts once and ends once, in the order of the chapters.
func TestEvents(t *testing.T) {
	image := gptImage(t, 8*mib, 512)
	var got []string
	_, err := write1(t, WriteOptions{Source: store(t, "image", image), Disk: filepath.Join(t.TempDir(), "disk"), Events: func(e api.Event) {
		if e.State != api.Progress {
			got = append(got, fmt.Sprint(e.Step, " ", e.State))
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"plan start", "plan done", "fetch start", "write start", "fetch done", "write done", "verify start", "verify done", "commit start", "commit done"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}
