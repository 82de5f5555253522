package imaging

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/layout"
	"github.com/orbit-pxe/orbit/pkg/partition"
	"github.com/orbit-pxe/orbit/pkg/stream"
)

const cutSize = 20 * mib

// extDisk is an ext filesystem on a whole disk, with some files.
func extDisk(t testing.TB, args ...string) []byte {
	t.Helper()
	tree := t.TempDir()
	maptest.Age(t, tree, uint64(len(args)), 40)
	path := maptest.File(t, cutSize)
	maptest.Tool(t, "mke2fs", append(append([]string{"-q", "-F"}, args...), "-d", tree, path)...)
	return bytesOf(t, path)
}

// savedFile is the image that Save makes of a disk.
func savedFile(t testing.TB, disk []byte) string {
	t.Helper()
	dest := filepath.Join(t.TempDir(), "x.img.zst")
	if _, err := Save(t.Context(), SaveOptions{Disk: store(t, "disk", disk), Dest: dest}); err != nil {
		t.Fatal(err)
	}
	return dest
}

func indexOf(t testing.TB, path string) *image.Index {
	t.Helper()
	b := bytesOf(t, path)
	x, err := image.ReadIndex(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// powerCut is one image on its way to one disk.
type powerCut struct {
	*testing.T
	old    []byte
	source string
	stream bool
	sector int
	dev    string // a loop device, once there is one

	final []byte     // the disk with the image
	used  extent.Set // what of final matters
	x     *image.Index
}

func TestPowerCut(t *testing.T) {
	gpt, used := usedDisk(t, cutSize, 512, 21)
	small, smallUsed := usedDisk(t, cutSize-3*mib, 512, 22)
	large, largeUsed := usedDisk(t, cutSize, 4096, 23)
	gptFile := store(t, "gpt.img.zst", orbitImage(t, gpt, used, 512))
	noise := func(disk []byte) []byte {
		disk = bytes.Clone(disk)
		rand.NewChaCha8([32]byte{7}).Read(disk[mib : len(disk)-mib])
		return disk
	}
	for _, c := range []struct {
		name   string
		old    func() []byte
		source func() string
		stream bool
		sector int
	}{
		{"GPT over GPT", func() []byte { return noise(gptImage(t, cutSize, 512)) }, func() string { return gptFile }, false, 512},
		{"GPT over nearly the same", func() []byte {
			b := bytes.Clone(gpt)
			for r := range used.Within(extent.Range{Off: 6 * mib, End: 14 * mib}) {
				b[r.Off+r.Len()/2]++
			}
			return b
		}, func() string { return gptFile }, false, 512},
		{"smaller GPT over MBR", func() []byte { return noise(mbrImage(cutSize)) }, func() string { return store(t, "s.img.zst", orbitImage(t, small, smallUsed, 512)) }, false, 512},
		{"GPT over ext4", func() []byte { return extDisk(t, "-t", "ext4", "-b", "4096") }, func() string { return gptFile }, false, 512},
		{"ext2 over ext4", func() []byte { return extDisk(t, "-t", "ext4", "-b", "1024") }, func() string { return savedFile(t, extDisk(t, "-t", "ext2", "-b", "1024", "-O", "none")) }, false, 512},
		{"GPT of 4096", func() []byte { return noise(gptImage(t, cutSize, 4096)) }, func() string { return store(t, "l.img.zst", orbitImage(t, large, largeUsed, 4096)) }, false, 4096},
		{"stream", func() []byte { return noise(gptImage(t, cutSize, 512)) }, func() string { return store(t, "raw.zst", compress(t, stream.Zstd, gpt)) }, true, 512},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &powerCut{T: t, old: c.old(), source: c.source(), stream: c.stream, sector: c.sector}
			p.try()
		})
	}
}

// write writes the image to a disk in memory that holds data.
func (p *powerCut) write(data []byte) (*memDisk, *Receipt) {
	p.Helper()
	m, s := memory(data)
	o := WriteOptions{Source: p.source, Disk: p.disk(data), seam: s}
	if info, err := os.Stat(o.Disk); err == nil && info.Mode().IsRegular() {
		o.FileSize = cutSize
	}
	r, err := Write(p.Context(), o)
	if err != nil {
		p.Fatal(err)
	}
	return m, r
}

// disk is the real one that is found and opened: a file will do for images
// with an index, and sectors of 512 bytes.
func (p *powerCut) disk(data []byte) string {
	p.Helper()
	if !p.stream && p.sector == 512 {
		return store(p, "real", data)
	}
	if p.dev == "" {
		p.dev = loop(p, cutSize, p.sector)
	}
	if err := os.WriteFile(p.dev, data, 0); err != nil {
		p.Fatal(err)
	}
	return p.dev
}

func (p *powerCut) try() {
	m, _ := p.write(p.old)
	p.final = m.data
	p.used = extent.NewSet(extent.Range{End: cutSize})
	if !p.stream {
		p.x = indexOf(p, p.source)
		p.used = p.x.Used.Clone()
	}
	p.order(m.log)

	disk := bytes.Clone(p.old)
	var pending []diskOp
	durable := bytes.Clone(disk)
	again := 0
	for i, o := range m.log {
		what := fmt.Sprintf("after operation %d of %d, %v", i, len(m.log), o)
		if o.n == 0 {
			for seed := range uint64(6) {
				torn := tear(durable, pending, rand.New(rand.NewPCG(seed, uint64(i))))
				p.check(torn, fmt.Sprintf("%s, torn %d", what, seed))
				if len(pending) > 8 && (seed < 2 || os.Getenv("ORBIT_SLOW") != "") {
					p.again(torn, fmt.Sprintf("%s, torn %d", what, seed))
				}
			}
			pending, durable = nil, bytes.Clone(disk)
			continue
		}
		o.do(disk)
		pending = append(pending, o)
		p.check(disk, what)
		if again++; again%16 == 1 || os.Getenv("ORBIT_SLOW") != "" {
			p.again(disk, what)
		}
		if p.Failed() {
			p.FailNow()
		}
	}
	same(p, "the log's end", disk, p.final)
}

// order checks that the first sector goes first and comes last, alone, and that
// nothing of the head is there before the rest is.
func (p *powerCut) order(log []diskOp) {
	p.Helper()
	var text []string
	for _, o := range log {
		text = append(text, o.String())
	}
	n := len(log)
	first, last := fmt.Sprintf("zero 0+%d", p.sector), fmt.Sprintf("write 0+%d", p.sector)
	if n < 8 || text[0] != first || text[1] != "flush" || text[n-3] != "flush" || text[n-2] != last || text[n-1] != "flush" {
		p.Fatalf("the first sector does not go first and come last: %v", text)
	}
	head := slices.IndexFunc(log, func(o diskOp) bool { return o.data != nil && o.off < headSize })
	if body := log[head:]; log[head-1].n != 0 || slices.ContainsFunc(body, func(o diskOp) bool { return o.n > 0 && o.off >= headSize }) {
		p.Errorf("something is written with or after the head: %v", text)
	}
}

// holds tells whether a disk has all that matters of another one, but for its
// first sector.
func holdsBut(disk, want []byte, used extent.Set, sector int) bool {
	used = used.Clone()
	used.Remove(extent.Range{End: int64(sector)})
	for r := range used.All() {
		if !bytes.Equal(disk[r.Off:r.End], want[r.Off:r.End]) {
			return false
		}
	}
	return true
}

// check fails where a disk looks like anything and is neither what was there
// nor the image. Of both the first sectors may be missing: those of a table,
// and what the old one was known by.
func (p *powerCut) check(disk []byte, what string) {
	p.Helper()
	all := extent.NewSet(extent.Range{End: cutSize})
	switch empty := isZeroAll(disk[:p.sector]); {
	case holdsBut(disk, p.old, all, max(p.sector, superblock)) && (empty || bytes.Equal(disk[:superblock], p.old[:superblock])):
		if empty {
			p.noTable(disk, what)
		}
		return
	case holdsBut(disk, p.final, p.used, p.sector) && (empty || bytes.Equal(disk[:p.sector], p.final[:p.sector])):
		if empty {
			p.noTable(disk, what)
		}
		return
	}
	p.noTable(disk, what)
	l, err := layout.Read(p.Context(), bytes.NewReader(disk), cutSize, p.sector)
	if err != nil || len(l.Parts) != 1 || l.Parts[0].Kind != "" {
		p.Errorf("%s: the disk looks like %s (%v)", what, l.Summary(), err)
	}
}

func (p *powerCut) noTable(disk []byte, what string) {
	p.Helper()
	if table, err := partition.Read(bytes.NewReader(disk), p.sector); err != nil || table.Scheme != partition.SchemeNone {
		p.Errorf("%s: there is a table: %+v, %v", what, table, err)
	}
}

// again writes the image to what a power cut has left.
func (p *powerCut) again(disk []byte, what string) {
	p.Helper()
	m, r := p.write(disk)
	if !holdsBut(m.data, p.final, p.used, 0) || !bytes.Equal(m.data[:headSize], p.final[:headSize]) {
		p.Errorf("%s: writing again does not complete it", what)
	}
	if p.x == nil {
		return
	}
	most, row, longest := int64(headSize+64<<10), 0, 0
	for _, f := range p.x.Frames() {
		here := p.x.Range(f)
		missing := p.x.Used.Intersect(extent.NewSet(here))
		missing.Remove(extent.Range{End: headSize})
		if !holdsBut(disk, p.final, missing, 0) {
			most += here.Len()
			row++
			longest = max(longest, row)
		} else {
			row = 0
		}
	}
	if longest >= hopeless {
		most += (probe - 1) * image.Span
	}
	if r.Written > most {
		p.Errorf("%s: writing again writes %d bytes, %d are missing at most", what, r.Written, most)
	}
}
