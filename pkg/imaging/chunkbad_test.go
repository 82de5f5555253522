package imaging

import (
	"bytes"
	"encoding/binary"
	"errors"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/ndz"
)

// chunkImage is an .ndz image of a disk.
func chunkImage(t testing.TB, disk []byte, used extent.Set) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := ndz.Write(t.Context(), &b, bytes.NewReader(disk), int64(len(disk)), used, ndz.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// badChunks are what may be wrong with an image of at least three chunks.
func badChunks(t testing.TB, file []byte) map[string][]byte {
	t.Helper()
	const second = ndz.ChunkSize
	word := func(off int, v uint32) []byte {
		b := bytes.Clone(file)
		binary.LittleEndian.PutUint32(b[off:], v)
		return b
	}
	regions := int(binary.LittleEndian.Uint32(file[second+20:]))
	reloc := word(second+32, 1)
	binary.LittleEndian.PutUint32(reloc[second+36+8*regions:], 77)
	return map[string][]byte{
		"cut in the last chunk": file[:len(file)-1],
		"cut in a header":       file[:second+100],
		"cut in a chunk":        file[:second+5000],
		"longer":                append(bytes.Clone(file), 1),
		"longer by a chunk":     append(bytes.Clone(file), make([]byte, second)...),
		"a chunk missing":       append(bytes.Clone(file[:second]), file[2*second:]...),
		"the first missing":     file[second:],
		"chunks swapped":        append(append(bytes.Clone(file[:second]), file[2*second:3*second]...), file[second:2*second]...),
		"a chunk twice":         append(bytes.Clone(file[:2*second]), file[second:]...),
		"unknown relocation":    reloc,
		"no such version":       word(second, 0x6969696f),
		"another version":       word(second, 0x6969696a),
		"no regions":            word(second+20, 0),
		"many regions":          word(second+20, 1<<30),
		"many relocations":      word(second+32, 1<<30),
		"overlapping regions":   word(second+36, 0),
		"region beyond all":     word(second+36, 1<<32-2),
		"ends before it begins": word(second+28, 1),
		"size":                  word(second+4, 1<<31),
	}
}

// What is wrong with an image is found before the disk is changed, where it can
// be looked at as a whole; else it leaves a disk without a table.
func TestBadChunks(t *testing.T) {
	disk := gptImage(t, size, 512)
	file := chunkImage(t, disk, extent.NewSet(extent.Range{End: size}))
	if len(file) < 4*ndz.ChunkSize {
		t.Fatalf("only %d chunks", len(file)/ndz.ChunkSize)
	}
	old := mbrImage(4 * mib)
	for what, bad := range badChunks(t, file) {
		for _, way := range allWays[:4] {
			o := from(t, way, "x.ndz", bad)
			o.Disk, o.FileSize = store(t, "disk", old), size
			_, err := write1(t, o)
			var defect ndz.Defect
			if !errors.As(err, &defect) {
				t.Errorf("%s, %s: %v, want a defect of the format", what, way, err)
			}
			if errors.As(err, new(*RefusedError)) {
				same(t, what, bytesOf(t, o.Disk), old)
				continue
			}
			if way == "file" || way == "parts" {
				t.Errorf("%s, %s: not refused: %v", what, way, err)
			}
			failed(t, err, "")
			if b := bytesOf(t, o.Disk); len(b) > 0 {
				noTable(t, o.Disk, 512)
			}
		}
	}
}

// What the real tools have written, cut short anywhere.
func TestGoldenChunksCut(t *testing.T) {
	for _, g := range readGoldens(t) {
		if g.sealed() {
			continue
		}
		file := g.read(t)
		for _, n := range []int{0, 50, 4095, 4096, 4097, len(file) / 2, len(file) - ndz.ChunkSize/2, len(file) - 1} {
			if n%ndz.ChunkSize == 0 && n > 0 {
				n -= 512
			}
			for _, way := range []string{"file", "pipe", "whole"} {
				o := from(t, way, "x.ndz", file[:n])
				o.Disk = filepath.Join(t.TempDir(), "disk")
				_, err := write1(t, o)
				if n > 0 && !errors.Is(err, ndz.ErrTruncated) || err == nil {
					t.Errorf("%s, %d of %d bytes, %s: %v", g.File, n, len(file), way, err)
				}
			}
		}
	}
}

// The chunks do not tell how many they are, but the filesystem tells.
func TestChunksMissingAtEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("makes filesystems")
	}
	cuts := 0
	for i, name := range []string{"ext4", "xfs", "fat16", "fat32", "ntfs", "btrfs"} {
		f := named(t, name)
		disk, _ := f.make(t, uint64(i)+90)
		img := filepath.Join(t.TempDir(), "x.ndz")
		if _, err := Save(t.Context(), SaveOptions{Disk: disk, Dest: img, Format: Ndz}); err != nil {
			t.Fatal(err)
		}
		file := bytesOf(t, img)
		if n := volumeSize(bytesOf(t, disk)[:headSize]); n > f.size*mib || n < f.size*mib-4096 {
			t.Errorf("%s says that it has %d bytes, of %d MiB", name, n, f.size)
		}
		if len(file) < 2*ndz.ChunkSize {
			continue
		}
		cuts++
		for _, way := range allWays[:2] {
			o := from(t, way, "x.ndz", file[:len(file)-ndz.ChunkSize])
			o.Disk = filepath.Join(t.TempDir(), "disk")
			_, err := write1(t, o)
			var short *ShortImageError
			if !errors.As(err, &short) || !short.Volume || errors.As(err, new(*RefusedError)) != (way == "file") {
				t.Errorf("%s, %s: %v, want it to tell that the image is truncated", name, way, err)
			}
		}
	}
	if cuts < 3 {
		t.Errorf("only %d images have more than a chunk", cuts)
	}
}

// A disk, an image of it, and a server that bends it.
func bentChunks(t testing.TB, bend func(n int, a *answer), o WriteOptions) (m *memDisk, told *notes, err error) {
	t.Helper()
	disk := gptImage(t, size, 512)
	file := chunkImage(t, disk, extent.NewSet(extent.Range{End: size}))
	server := httptest.NewServer(&liar{file: file, etag: `"a"`, bend: bend})
	defer server.Close()
	m, s := memory(make([]byte, size))
	told = &notes{}
	o.Source, o.Disk, o.FileSize, o.Events, o.seam = server.URL+"/x.ndz", store(t, "disk", nil), size, told.sink, s
	o.Patience = 10 * time.Second
	_, err = write1(t, o)
	if err == nil {
		same(t, "disk", m.data, disk)
	}
	return m, told, err
}

// A chunk that comes damaged is fetched again; one that always does ends it.
func TestDamagedChunk(t *testing.T) {
	const chunk = 5
	for _, c := range []struct {
		name  string
		at    int64 // in the chunk
		times int
		want  bool
	}{
		{"data once", 70000, 1, true},
		{"data twice", 70000, 2, true},
		{"data always", 70000, 99, false},
		{"header once", 40, 1, true}, // not the first time that it is read
		{"header always", 40, 99, false},
		{"checksum always", -1, 99, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			times := c.times
			_, told, err := bentChunks(t, func(_ int, a *answer) {
				if len(a.body) != ndz.ChunkSize || a.first != chunk*ndz.ChunkSize || times == 0 {
					return
				}
				times--
				at := c.at
				if at < 0 { // from the end of the stream
					at += ndz.HeaderSize + int64(binary.LittleEndian.Uint32(a.body[4:]))
				}
				a.body[at] ^= 4
			}, WriteOptions{Verify: VerifyDisk})
			if c.want {
				if err != nil {
					t.Fatal(err)
				}
				told.has(t, c.times, "fetching it again")
				return
			}
			failed(t, err, "fetched 3 times")
			var which *ndz.ChunkError
			if !errors.As(err, &which) || which.Index != chunk {
				t.Errorf("%v, want it to tell of chunk %d", err, chunk)
			}
		})
	}
}

// What reads back wrong is written again, if the image is still at hand.
func TestReadBackChunks(t *testing.T) {
	disk := gptImage(t, size, 512)
	file := chunkImage(t, disk, extent.NewSet(extent.Range{End: 5 * mib}, extent.Range{Off: 6 * mib, End: size}))
	clear(disk[5*mib : 6*mib])
	img := store(t, "x.ndz", file)
	for _, c := range []struct {
		name  string
		o     WriteOptions
		times int
		want  bool
	}{
		{"good", WriteOptions{Source: img}, 0, true},
		{"once", WriteOptions{Source: img}, 1, true},
		{"twice", WriteOptions{Source: img}, 2, true},
		{"always", WriteOptions{Source: img}, 99, false},
		{"stream", WriteOptions{Source: "-", Stdin: bytes.NewReader(file)}, 1, false},
		{"good stream", WriteOptions{Source: "-", Stdin: bytes.NewReader(file)}, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, s := memory(make([]byte, size))
			times, at := c.times, int64(7*mib+700)
			m.lie = func(o diskOp) diskOp {
				if o.off <= at && at < o.off+o.n && times > 0 && o.data != nil {
					times--
					o.data = bytes.Clone(o.data)
					o.data[at-o.off] ^= 0x20
				}
				return o
			}
			c.o.Disk, c.o.FileSize, c.o.Verify, c.o.seam = store(t, "disk", nil), size, VerifyDisk, s
			_, err := write1(t, c.o)
			if c.want {
				if err != nil {
					t.Fatal(err)
				}
				same(t, "disk", m.data, disk)
				return
			}
			broke(t, err, "are not what was written")
		})
	}
}

// What becomes of the space that an image does not use.
func TestUnusedChunks(t *testing.T) {
	disk, used := plainDisk(t)
	file := chunkImage(t, disk, used)
	m, err := ndz.Open(t.Context(), bytes.NewReader(file), int64(len(file)), ndz.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, way := range allWays[:2] {
		for _, unused := range []Unused{Keep, Discard, Zero} {
			o := from(t, way, "x.ndz", file)
			dev := otherLife(t, 2*size, 512)
			old := bytesOf(t, dev)
			o.Disk, o.Unused, o.Verify = dev, unused, VerifyDisk
			o.Log = slog.New(slog.DiscardHandler)
			found, err := findTarget(t.Context(), o, newReport(nil))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := write1(t, o); err != nil {
				t.Fatalf("%s, %s: %v", way, unused, err)
			}
			got := bytesOf(t, dev)
			tables := extent.NewSet(extent.Range{End: headSize}, extent.Range{Off: size - mib, End: size}, extent.Range{Off: 2*size - mib, End: 2 * size})
			for u := range used.Subtract(tables).All() {
				same(t, way, got[u.Off:u.End], disk[u.Off:u.End])
			}
			rest := m.Used().Union(tables).Union(found.marks(2 * size)).Complement(extent.Range{End: 2 * size})
			for u := range rest.All() {
				switch {
				case unused == Zero && !isZeroAll(got[u.Off:u.End]):
					t.Errorf("%s: %v is not zeros", way, u)
				case unused == Keep && !bytes.Equal(got[u.Off:u.End], old[u.Off:u.End]):
					t.Errorf("%s: %v has changed", way, u)
				}
			}
		}
	}
}

// Plans tell what an image is, and refuse what cannot be.
func TestPlanChunks(t *testing.T) {
	disk, used := plainDisk(t)
	file := chunkImage(t, disk, used)
	img := store(t, "x.ndz", file)
	for way, wants := range map[string][]string{
		"file":   {"ndz version 3", "in use", "header and checksum of every chunk"},
		"pipe":   {"ndz version 3", "header and checksum of every chunk"},
		"gzip":   {"ndz version 3", "header and checksum of every chunk"},
		"digest": {"ndz version 3", "sha256 " + sum(file)},
	} {
		o := from(t, way, "x.ndz", file)
		o.Disk = store(t, "disk", nil)
		plan, err := MakePlan(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if !strings.Contains(plan.String(), want) {
				t.Errorf("%s: the plan does not tell %q:\n%s", way, want, plan)
			}
		}
	}
	for what, o := range map[string]WriteOptions{
		"is not what its name says": {Source: store(t, "other.ndz", content(3, 3*mib))},
		"too small":                 {Source: img, FileSize: size - mib},
		"want an Orbit image":       {Source: img, Root: [32]byte{1}},
		"want an Orbit image ":      {Source: "-", Stdin: bytes.NewReader(file), Root: [32]byte{1}},
	} {
		o.Disk = store(t, "disk", []byte("old"))
		_, err := write1(t, o)
		refused(t, err, strings.TrimSpace(what))
		same(t, what, bytesOf(t, o.Disk), []byte("old"))
	}
}
