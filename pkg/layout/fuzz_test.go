package layout

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

const (
	fuzzSize   = 16 * mib
	fuzzSector = 512
)

// sparse writes the sectors of a disk that are not zero, each with its number
// before it.
func sparse(t testing.TB, path string) []byte {
	t.Helper()
	f, size := maptest.Open(t, path)
	if size != fuzzSize {
		t.Fatalf("a disk of %d bytes", size)
	}
	var out []byte
	b, zero := make([]byte, fuzzSector), make([]byte, fuzzSector)
	for n := uint32(0); n < fuzzSize/fuzzSector; n++ {
		if _, err := f.ReadAt(b, int64(n)*fuzzSector); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b, zero) {
			out = append(binary.LittleEndian.AppendUint32(out, n), b...)
		}
	}
	return out
}

// sectors is the disk that sparse wrote.
type sectors map[int64][]byte

func expand(b []byte) sectors {
	s := sectors{}
	for len(b) > 4 {
		n := int64(binary.LittleEndian.Uint32(b)) % (fuzzSize / fuzzSector)
		data := make([]byte, fuzzSector)
		b = b[4+copy(data, b[4:]):]
		s[n] = data
	}
	return s
}

func (s sectors) ReadAt(b []byte, off int64) (int, error) {
	n := 0
	for n < len(b) && off+int64(n) < fuzzSize {
		at := off + int64(n)
		part := b[n:min(len(b), n+int(fuzzSector-at%fuzzSector))]
		if data := s[at/fuzzSector]; data != nil {
			copy(part, data[at%fuzzSector:])
		} else {
			clear(part)
		}
		n += len(part)
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// FuzzRead reads small disks of any content.
func FuzzRead(f *testing.F) {
	gpt := table(f, fuzzSize, fuzzSector, "label: gpt\nstart=1MiB, size=2MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B\nstart=3MiB, size=2MiB\nstart=6MiB, size=2MiB, type=0657FD6D-A4AB-43C4-84E5-0933C84B4F4F\n")
	put(f, gpt, mib, mkfs(f, 2*mib, "mkfs.vfat"))
	put(f, gpt, 3*mib, mkfs(f, 2*mib, "mkfs.ext4", "-q", "-O", "^has_journal", "-N", "16"))
	put(f, gpt, 6*mib, mkfs(f, 2*mib, "mkswap"))
	f.Add(sparse(f, gpt))
	dos := table(f, fuzzSize, fuzzSector, "label: dos\nstart=1MiB, size=2MiB, type=c\nstart=4MiB, size=8MiB, type=5\nstart=5MiB, size=2MiB, type=83\nstart=9MiB, size=2MiB, type=82\n")
	put(f, dos, mib, mkfs(f, 2*mib, "mkfs.vfat"))
	put(f, dos, 5*mib, mkfs(f, 2*mib, "mkfs.ext4", "-q", "-O", "^has_journal", "-N", "16"))
	put(f, dos, 9*mib, mkfs(f, 2*mib, "mkswap"))
	f.Add(sparse(f, dos))
	maptest.Tool(f, "sgdisk", "-h", "1:2", gpt)
	f.Add(sparse(f, gpt))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := Read(context.Background(), expand(b), fuzzSize, fuzzSector)
		if err != nil {
			t.Fatal(err)
		}
		if l.Used.End() > fuzzSize {
			t.Fatalf("used up to %d", l.Used.End())
		}
		if !l.Used.Contains(extent.Range{End: fuzzSector}) {
			t.Fatal("the first sector is not kept")
		}
		for _, p := range l.Parts {
			if p.Used > p.Size || p.Whole && (p.Used != p.Size || !l.Used.Contains(p.Range)) {
				t.Fatalf("part %+v, used %v", p, l.Used.Ranges())
			}
		}
		if l.Summary() == "" {
			t.Fatal("no summary")
		}
	})
}
