package ext_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/ext"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

// piece is the unit that packed volumes are cut into, bytes.
const piece = 1024

// pack is a volume as the fuzzer is to see it: its size in pieces, and every
// piece that is not all zeros behind its number.
func pack(v []byte) []byte {
	out := binary.LittleEndian.AppendUint32(nil, uint32(len(v)/piece))
	for i := 0; i+piece <= len(v); i += piece {
		if p := v[i : i+piece]; !bytes.Equal(p, make([]byte, piece)) {
			out = append(binary.LittleEndian.AppendUint32(out, uint32(i/piece)), p...)
		}
	}
	return out
}

// packed reads a packed volume.
type packed map[int64][]byte

func unpack(b []byte) (packed, int64) {
	if len(b) < 4 {
		return nil, 0
	}
	p := packed{}
	size := int64(binary.LittleEndian.Uint32(b)) * piece
	for b = b[4:]; len(b) >= 4+piece; b = b[4+piece:] {
		p[int64(binary.LittleEndian.Uint32(b))] = b[4 : 4+piece]
	}
	return p, min(size, 1<<30)
}

func (p packed) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 {
		return 0, io.EOF
	}
	for n := 0; n < len(b); {
		at := (off + int64(n)) % piece
		part := b[n:min(len(b), n+int(piece-at))]
		clear(part)
		if have := p[(off+int64(n))/piece]; have != nil {
			copy(part, have[at:])
		}
		n += len(part)
	}
	return len(b), nil
}

// seed is a filesystem as small as it gets, with a journal to be
// replayed where it has one.
func seed(t testing.TB, size int64, args string) []byte {
	t.Helper()
	path := mkfs(t, size, args)
	content := filepath.Join(t.TempDir(), "blocks")
	if err := os.WriteFile(content, bytes.Repeat([]byte{0x55}, 1024), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := maptest.Try(t, "debugfs", "-R", "stat <8>", path); err == nil && bytes.Contains([]byte(out), []byte("EXTENTS")) {
		script := filepath.Join(t.TempDir(), "script")
		if err := os.WriteFile(script, []byte("jo\njw -b 3,2,1 "+content+"\njc\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		maptest.Tool(t, "debugfs", "-w", "-f", script, path)
	}
	v, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return pack(v)
}

func FuzzMap(f *testing.F) {
	for _, s := range []struct {
		size int64
		args string
	}{
		{1, "-t ext2 -b 1024 -N 16"},
		{1, "-t ext2 -r 0 -O none -b 1024 -N 16"},
		{1, "-t ext4 -b 1024 -N 16"},
		{1, "-t ext4 -b 4096 -N 16 -O ^metadata_csum,uninit_bg"},
		{2, "-t ext4 -b 1024 -N 64 -g 256 -O ^metadata_csum,^uninit_bg,meta_bg,^resize_inode"},
		{2, "-t ext4 -b 1024 -N 16 -C 4096 -O bigalloc,^metadata_csum,^uninit_bg"},
		{4, "-t ext4 -b 1024 -N 16 -J size=1 -O ^metadata_csum,^uninit_bg"},
		{4, "-t ext3 -b 1024 -N 16 -J size=1"},
		{4, "-t ext4 -b 1024 -N 16 -J size=1"},
	} {
		f.Add(seed(f, s.size, s.args))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, size := unpack(b)
		m, err := ext.Map(v, size)
		if err != nil {
			var unsafe *fsmap.UnsafeError
			if !errors.As(err, &unsafe) && !errors.Is(err, fsmap.ErrUnknown) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		if m.Size > size || m.Used.End() > m.Size || !m.Used.Contains(extent.Range{Off: 0, End: 2048}) {
			t.Fatalf("%v, size %d of %d", m.Used.Ranges(), m.Size, size)
		}
	})
}
