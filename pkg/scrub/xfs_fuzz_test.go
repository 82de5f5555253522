package scrub

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
	"github.com/orbit-pxe/orbit/pkg/fsmap/xfs"
)

// xfsSectors is a volume of which only some sectors are not zero.
type xfsSectors struct {
	data map[int64]*[512]byte
	size int64
}

func (s *xfsSectors) ReadAt(p []byte, off int64) (int, error) {
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

// pack writes the size in sectors, and each sector that is not zero behind its
// number.
func (s *xfsSectors) pack() []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(s.size/512))
	for n := range s.size / 512 {
		if data := s.data[n]; data != nil && *data != [512]byte{} {
			b = append(binary.BigEndian.AppendUint32(b, uint32(n)), data[:]...)
		}
	}
	return b
}

func xfsUnpack(b []byte) *xfsSectors {
	s := &xfsSectors{data: map[int64]*[512]byte{}}
	if len(b) < 4 {
		return s
	}
	s.size = int64(binary.BigEndian.Uint32(b)) * 512
	for b = b[4:]; len(b) >= 516; b = b[516:] {
		data := [512]byte(b[4:])
		s.data[int64(binary.BigEndian.Uint32(b))] = &data
	}
	return s
}

// seal makes the checksums right of all metadata that begins with a sector.
func (s *xfsSectors) seal() {
	var super [512]byte
	s.ReadAt(super[:], 0)
	block := int64(binary.BigEndian.Uint32(super[4:]))
	if block < 512 || block > 65536 {
		return
	}
	for n, b := range s.data {
		off, length := 0, block
		switch string(b[:2]) {
		case "IN":
			off, length = 100, 512
		case "XF":
			off, length = 224, 512
		case "XA":
			off, length = map[byte]int{'F': 216, 'I': 312}[b[3]], 512
			if string(b[:4]) == "XAFL" {
				off = 32
			}
		case "XD":
			off, length = 4, min(block<<(super[192]&15), 65536)
		case "IA", "FI", "RM", "R3":
			off = 52
		case "BM":
			off = 64
		case "\xfe\xed":
			clear(b[32:36])
			continue
		default:
			continue
		}
		all := make([]byte, length)
		s.ReadAt(all, n*512)
		binary.LittleEndian.PutUint32(b[off:], xfs.Sum(all, off))
	}
}

type readerFunc func([]byte, int64) (int, error)

func (f readerFunc) ReadAt(p []byte, off int64) (int, error) { return f(p, off) }

const xfsSeed = "testdata/xfs.bin"

// TestXFSSeed makes the fuzzer's seed, if it is missing: what is read of a
// small system.
func TestXFSSeed(t *testing.T) {
	if _, err := os.Stat(xfsSeed); err != nil {
		volume := xfsCase{size: 48 << 20, args: []string{"-m", "rmapbt=1,reflink=1", "-d", "agcount=2", "-b", "size=1k"}}.make(t)
		dir, unmount := maptest.Mount(t, volume, "xfs")
		xfsSystem(t, dir, rand.New(rand.NewPCG(2, 1)))
		xfsReflink(t, dir, "var/log/syslog", "root/copy")
		unmount()
		f, size := maptest.Open(t, volume)
		s := &xfsSectors{data: map[int64]*[512]byte{}, size: size}
		if _, err := XFS(readerFunc(func(p []byte, off int64) (int, error) {
			for i := off / 512; i*512 < off+int64(len(p)); i++ {
				var b [512]byte
				f.ReadAt(b[:], i*512)
				s.data[i] = &b
			}
			return f.ReadAt(p, off)
		}), size); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(xfsSeed, s.pack(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(xfsSeed)
	if err != nil {
		t.Fatal(err)
	}
	s := xfsUnpack(b)
	s.seal()
	p, err := XFS(s, s.size)
	if err != nil || len(p.Removed) != 6 || len(p.Emptied) < 5 {
		t.Errorf("got %+v, %v", p, err)
	}
}

func FuzzXFS(f *testing.F) {
	b, err := os.ReadFile(xfsSeed)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		s := xfsUnpack(b)
		if s.size > 1<<30 {
			return
		}
		s.seal()
		p, err := XFS(s, s.size)
		if err != nil {
			return
		}
		all := p.Zero.Clone()
		for _, piece := range p.Replace {
			if all.Overlaps(piece.Range()) {
				t.Fatalf("the piece %v comes twice", piece.Range())
			}
			all.Add(piece.Range())
		}
		if all.Complement(extent.Range{Off: 0, End: s.size}).Len()+all.Len() != s.size {
			t.Fatalf("the patch goes on to %d of %d", all.End(), s.size)
		}
		if _, err := XFS(p.Reader(s), s.size); err != nil && len(p.Removed)+len(p.Emptied) == 0 {
			t.Fatalf("a patch of nothing makes it unreadable: %v", err)
		}
	})
}
