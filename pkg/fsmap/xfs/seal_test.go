package xfs

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"os"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

// sectors is a volume of which only some sectors are not zero.
type sectors struct {
	data map[int64]*[512]byte
	size int64
}

func (s *sectors) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	for n < len(p) && off+int64(n) < s.size {
		at := off + int64(n)
		step := min(512-at%512, int64(len(p)-n), s.size-at)
		clear(p[n:][:step])
		if b := s.data[at/512]; b != nil {
			copy(p[n:][:step], b[at%512:])
		}
		n += int(step)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// at is the bytes of a sector, to be changed.
func (s *sectors) at(sector int64) []byte {
	if s.data[sector] == nil {
		s.data[sector] = new([512]byte)
	}
	return s.data[sector][:]
}

// pack writes a volume down: its size in sectors, and each sector that is not
// zero behind its number, all as 32-bit numbers.
func (s *sectors) pack() []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(s.size/512))
	for n := range s.size / 512 {
		if data := s.data[n]; data != nil && *data != [512]byte{} {
			b = append(binary.BigEndian.AppendUint32(b, uint32(n)), data[:]...)
		}
	}
	return b
}

func unpack(b []byte) *sectors {
	s := &sectors{data: map[int64]*[512]byte{}}
	if len(b) < 4 {
		return s
	}
	s.size = int64(binary.BigEndian.Uint32(b)) * 512
	for b = b[4:]; len(b) >= 516; b = b[516:] {
		copy(s.at(int64(binary.BigEndian.Uint32(b))), b[4:])
	}
	return s
}

// trim keeps of a volume what Map reads of it.
func trim(t testing.TB, path string) *sectors {
	t.Helper()
	f, size := maptest.Open(t, path)
	s := &sectors{data: map[int64]*[512]byte{}, size: size}
	if _, err := Map(readerFunc(func(p []byte, off int64) (int, error) {
		n, err := f.ReadAt(p, off)
		for i := off / 512; i*512 < off+int64(n); i++ {
			f.ReadAt(s.at(i), i*512)
		}
		return n, err
	}), size); err != nil {
		t.Fatal(err)
	}
	return s
}

type readerFunc func([]byte, int64) (int, error)

func (f readerFunc) ReadAt(p []byte, off int64) (int, error) { return f(p, off) }

// seal makes the checksums right of headers in a sector each, and of blocks of
// the tree that begin there. The log's are optional, and taken out.
func (s *sectors) seal(block int64) {
	for n, b := range s.data {
		sum := func(size int64, off int) {
			all := make([]byte, size)
			s.ReadAt(all, n*512)
			binary.LittleEndian.PutUint32(all[off:], 0)
			binary.LittleEndian.PutUint32(b[off:], crc32.Checksum(all, castagnoli))
		}
		switch string(b[:4]) {
		case "XFSB":
			sum(512, 224)
		case "XAGF":
			sum(512, 216)
		case "XAGI":
			sum(512, 312)
		case "XAFL":
			sum(512, 32)
		case "AB3B":
			sum(block, 52)
		case "\xfe\xed\xba\xbe":
			clear(b[32:36])
		}
	}
}

// find is the number of the first sector that begins with a magic.
func (s *sectors) find(t testing.TB, magic string) int64 {
	t.Helper()
	for n := range s.size / 512 {
		if b := s.data[n]; b != nil && bytes.HasPrefix(b[:], []byte(magic)) {
			return n
		}
	}
	t.Fatalf("no %q", magic)
	return 0
}

// seeds are volumes trimmed by TestSeeds.
var seeds = map[string]volume{
	"testdata/v4.bin":     {size: 48 << 20, args: []string{"-m", "crc=0", "-b", "size=512", "-d", "agcount=2"}, proto: true},
	"testdata/v5.bin":     {size: 48 << 20, args: []string{"-m", "rmapbt=1", "-d", "agcount=2"}},
	"testdata/pieces.bin": {size: 48 << 20, args: []string{"-b", "size=1k", "-d", "agcount=2"}, holes: 300},
}

// TestSeeds makes those that are missing: remove one to have it anew.
func TestSeeds(t *testing.T) {
	for path, v := range seeds {
		if _, err := os.Stat(path); err == nil {
			continue
		}
		file, _ := v.make(t, 1, 40)
		if err := os.WriteFile(path, trim(t, file).pack(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func seed(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func FuzzMap(f *testing.F) {
	for path := range seeds {
		f.Add(seed(f, path))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s := unpack(b)
		if s.size > 1<<30 {
			return
		}
		super := make([]byte, 512)
		s.ReadAt(super, 0)
		if block := int64(binary.BigEndian.Uint32(super[4:])); block >= 512 && block <= 65536 {
			s.seal(block)
		}
		m, err := Map(s, s.size)
		if err != nil {
			return
		}
		if m.Size > s.size || m.Used.End() > m.Size || !m.Used.Contains(extent.Range{End: 2048}) {
			t.Errorf("%d bytes used up to %d of %d in a volume of %d", m.Used.Len(), m.Used.End(), m.Size, s.size)
		}
	})
}
