package ext_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"maps"
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

// packed is a volume without the pieces that are all zeros.
type packed struct {
	size   int64
	pieces map[int64][]byte
	order  []int64 // of the pieces
}

func pack(v []byte) *packed {
	p := &packed{size: int64(len(v)), pieces: map[int64][]byte{}}
	for i := 0; i+piece <= len(v); i += piece {
		if b := v[i : i+piece]; !bytes.Equal(b, make([]byte, piece)) {
			p.order = append(p.order, int64(i/piece))
			p.pieces[int64(i/piece)] = b
		}
	}
	return p
}

// patched is p with changes: each is two bytes, and before them four that say
// where among the pieces that are not zeros.
func (p *packed) patched(changes []byte) *packed {
	q := &packed{p.size, maps.Clone(p.pieces), p.order}
	for ; len(changes) >= 6; changes = changes[6:] {
		at := binary.LittleEndian.Uint32(changes) % uint32(len(p.order)*piece)
		i := p.order[at/piece]
		b := bytes.Clone(q.pieces[i])
		copy(b[at%piece:], changes[4:6])
		q.pieces[i] = b
	}
	return q
}

func (p *packed) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 {
		return 0, io.EOF
	}
	for n := 0; n < len(b); {
		at := (off + int64(n)) % piece
		part := b[n:min(len(b), n+int(piece-at))]
		clear(part)
		if have := p.pieces[(off+int64(n))/piece]; have != nil {
			copy(part, have[at:])
		}
		n += len(part)
	}
	return len(b), nil
}

// seed is a filesystem as small as it gets, with a journal to be
// replayed where it has one.
func seed(t testing.TB, size int64, args string) *packed {
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
	var volumes []*packed
	for i, s := range []struct {
		size int64
		args string
	}{
		{1, "-t ext2 -b 1024 -N 16"},
		{1, "-t ext2 -r 0 -O none -b 1024 -N 16"},
		{1, "-t ext4 -b 1024 -N 16"},
		{1, "-t ext4 -b 4096 -N 16 -O ^metadata_csum,^uninit_bg"},
		{2, "-t ext4 -b 1024 -N 64 -g 256 -O ^metadata_csum,^uninit_bg,meta_bg,^resize_inode"},
		{2, "-t ext4 -b 1024 -N 16 -C 4096 -O bigalloc,^metadata_csum,^uninit_bg"},
		{4, "-t ext4 -b 1024 -N 16 -J size=1 -O ^metadata_csum,^uninit_bg"},
		{4, "-t ext3 -b 1024 -N 16 -J size=1"},
		{4, "-t ext4 -b 1024 -N 16 -J size=1"},
	} {
		volumes = append(volumes, seed(f, s.size, s.args))
		f.Add(uint8(i), []byte{0, 0, 0, 0, 0, 0})
		f.Add(uint8(i), []byte{0x3A, 0, 0, 0, 1, 0, 0x18, 0, 0, 0, 1, 0})
		f.Add(uint8(i), []byte{0, 4, 0, 0, 9, 0, 0x12, 4, 0, 0, 3, 0})
	}
	f.Fuzz(func(t *testing.T, base uint8, changes []byte) {
		v := volumes[int(base)%len(volumes)].patched(changes)
		m, err := ext.Map(v, v.size)
		if err != nil {
			var unsafe *fsmap.UnsafeError
			if !errors.As(err, &unsafe) && !errors.Is(err, fsmap.ErrUnknown) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		if m.Size > v.size || m.Used.End() > m.Size || !m.Used.Contains(extent.Range{Off: 0, End: 2048}) {
			t.Fatalf("%v, size %d of %d", m.Used.Ranges(), m.Size, v.size)
		}
	})
}
