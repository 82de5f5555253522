// Package ndztest checks .ndz images in tests, without the parser that it is
// meant to check: it knows the format by itself, reads slowly and plainly, and is
// stricter than a reader needs to be. It also asks for what every writer
// should do for the sake of old readers.
package ndztest

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Report is what Check found.
type Report struct {
	Version  int
	Chunks   int
	Regions  int    // in all chunks
	Relocs   int    // in all chunks
	Sectors  uint64 // that are held
	End      uint64 // first sector that the image does not speak for
	Short    int    // bytes of the last sector that are data, 0 for all
	Problems []string
}

// Check goes through an image of versions 1 to 5 that is not encrypted, and
// calls put, if it is not nil, with each region as it was stored: no
// relocation is applied. A good image has no Problems.
func Check(file []byte, put func(sector uint64, data []byte)) *Report {
	c := &checker{r: new(Report), put: put}
	const size = 1 << 20
	if len(file) == 0 {
		c.problem("the file is empty")
	}
	if len(file)%size != 0 {
		c.problem("the file has %d bytes, no multiple of %d", len(file), size)
	}
	c.r.Chunks = len(file) / size
	for i := range c.r.Chunks {
		c.i = i
		c.chunk(file[i*size : (i+1)*size])
	}
	return c.r
}

type checker struct {
	r   *Report
	put func(uint64, []byte)
	i   int
	id  [16]byte
}

func (c *checker) problem(format string, args ...any) {
	c.r.Problems = append(c.r.Problems, fmt.Sprintf("chunk %d: ", c.i)+fmt.Sprintf(format, args...))
}

// fields is a header, as wide as its widest version.
type fields struct {
	version, size, index, total, area, regions, relocs int64
	first, last                                        uint64
	id                                                 [16]byte
}

func u16(b []byte, off int) uint64 { return uint64(binary.LittleEndian.Uint16(b[off:])) }
func u32(b []byte, off int) uint64 { return uint64(binary.LittleEndian.Uint32(b[off:])) }
func u64(b []byte, off int) uint64 { return binary.LittleEndian.Uint64(b[off:]) }
func i32(b []byte, off int) int64  { return int64(int32(u32(b, off))) }

func (c *checker) chunk(b []byte) {
	f := fields{
		version: int64(u32(b, 0)) - 0x69696969 + 1,
		size:    int64(u32(b, 4)), index: i32(b, 8), total: i32(b, 12), area: i32(b, 16), regions: i32(b, 20),
	}
	if f.version < 1 || f.version > 5 {
		c.problem("magic %#x", u32(b, 0))
		return
	}
	table := [6]int{1: 24, 2: 36, 3: 36, 4: 344, 5: 72}[f.version]
	regionLen, relocLen := 8, 16
	if f.version == 5 {
		regionLen, relocLen = 16, 24
	}
	if f.version >= 2 {
		f.first, f.last, f.relocs = u32(b, 24), u32(b, 28), i32(b, 32)
	}
	switch f.version {
	case 4:
		copy(f.id[:], b[328:344])
		if u16(b, 36) != 0 || u16(b, 38) != 0 {
			c.problem("it is encrypted or signed")
			return
		}
		c.zero(b[40:328], "IV and checksum")
	case 5:
		if f.first != 0 || f.last != 0 {
			c.problem("fields of 32 bits have %d and %d", f.first, f.last)
		}
		c.zero(b[36:40], "hole")
		f.first, f.last = u64(b, 40), u64(b, 48)
		copy(f.id[:], b[56:72])
	}
	c.header(f)
	if f.regions < 1 || f.regions > 4096 || f.relocs < 0 || f.relocs > 4096 {
		c.problem("%d regions, %d relocations", f.regions, f.relocs)
		return
	}
	relocs := table + int(f.regions)*regionLen
	end := relocs + int(f.relocs)*relocLen
	if end > 4096 {
		c.problem("tables of %d bytes", end)
		return
	}
	c.zero(b[end:4096], "header area behind the tables")
	var list []region
	for off := table; off < relocs; off += regionLen {
		if f.version == 5 {
			list = append(list, region{u64(b, off), u64(b, off+8)})
		} else {
			list = append(list, region{u32(b, off), u32(b, off+4)})
		}
	}
	if !c.regions(f, list) {
		return
	}
	for off := relocs; off < end; off += relocLen {
		if f.version == 5 {
			c.reloc(f, list, u32(b, off), u64(b, off+8), u32(b, off+4), u64(b, off+16))
		} else {
			c.reloc(f, list, u32(b, off), u32(b, off+4), u32(b, off+8), u32(b, off+12))
		}
	}
	c.data(f, list, b[4096:])
}

func (c *checker) zero(b []byte, what string) {
	if n := len(bytes.TrimLeft(b, "\x00")); n > 0 {
		c.problem("%s: not zero %d bytes from its end", what, n)
	}
}

// header checks the fields of a chunk, and against the chunks before it.
func (c *checker) header(f fields) {
	if c.i == 0 {
		c.r.Version, c.id = int(f.version), f.id
	}
	if int(f.version) != c.r.Version {
		c.problem("version %d, the first has %d", f.version, c.r.Version)
	}
	if f.id != c.id {
		c.problem("id %x, the first has %x", f.id, c.id)
	}
	if f.index != int64(c.i) {
		c.problem("index %d", f.index)
	}
	if want := int64(c.r.Chunks); f.version == 1 && f.total != want && f.total != 0 || f.version > 1 && f.total != 0 {
		c.problem("total %d", f.total)
	}
	if f.area != 4096 {
		c.problem("area of %d", f.area)
	}
	if f.size < 1 || f.size > 1048576-4096 {
		c.problem("size %d", f.size)
	}
	if c.r.Short != 0 {
		c.problem("it follows one with a short sector")
	}
	if f.version > 1 {
		if f.first != c.r.End {
			c.problem("first sector %d, expected %d", f.first, c.r.End)
		}
		c.r.End = f.last
	}
	if limit := uint64(1<<54 - 1); f.last > limit {
		c.problem("last sector %d", f.last)
	}
}
