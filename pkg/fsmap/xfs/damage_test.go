package xfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

// TestRefuses changes one number of a sound volume and makes the checksums
// right again: what it says then must not be believed, and why is to be told.
func TestRefuses(t *testing.T) {
	const v4, v5, pieces = "testdata/v4.bin", "testdata/v5.bin", "testdata/pieces.bin"
	for _, c := range []struct {
		name, seed, magic string
		sector            int64 // behind the first with that magic
		off, size         int
		change            func(uint64) uint64
		want              string
	}{
		{"version", v5, "XFSB", 0, 100, 2, set(0xb4a6), "version 6"},
		{"old feature", v4, "XFSB", 0, 100, 2, or(0x200), "feature bits"},
		{"old feature of the second word", v4, "XFSB", 0, 200, 4, or(0x400), "more feature bits"},
		{"read-only compatible feature", v5, "XFSB", 0, 212, 4, or(0x10), "read-only compatible"},
		{"incompatible feature", v5, "XFSB", 0, 216, 4, or(0x100), "incompatible"},
		{"needs repair", v5, "XFSB", 0, 216, 4, or(0x10), "needs xfs_repair"},
		{"in progress", v4, "XFSB", 0, 126, 1, set(1), "being made"},
		{"realtime", v5, "XFSB", 0, 16, 8, set(100), "realtime"},
		{"another owner", v5, "XFSB", 0, 32, 8, add(1), "recovery"},
		{"block size", v4, "XFSB", 0, 4, 4, set(0), "block size"},
		{"block size and its logarithm", v4, "XFSB", 0, 4, 4, set(1024), "block size"},
		{"sector size", v4, "XFSB", 0, 102, 2, set(600), "sector size"},
		{"inode size", v4, "XFSB", 0, 104, 2, add(1), "inodes"},
		{"directories' blocks", v4, "XFSB", 0, 192, 1, set(15), "directories"},
		{"beyond the volume", v4, "XFSB", 0, 8, 8, set(1 << 60), "blocks"},
		{"negative blocks", v4, "XFSB", 0, 8, 8, set(1 << 63), "blocks"},
		{"more groups", v4, "XFSB", 0, 88, 4, add(1), "groups"},
		{"many groups", v4, "XFSB", 0, 88, 4, set(1<<32 - 1), "groups"},
		{"no groups", v4, "XFSB", 0, 88, 4, set(0), "groups"},
		{"tiny groups", v4, "XFSB", 0, 84, 4, set(1), "groups"},
		{"bits of a group", v4, "XFSB", 0, 124, 1, add(1), "bits"},
		{"free blocks", v4, "XFSB", 0, 144, 8, add(1), "free"},
		{"log elsewhere", v4, "XFSB", 0, 48, 8, add(8), "log"},
		{"log out of bounds", v4, "XFSB", 0, 48, 8, set(1 << 40), "log"},
		{"log too long", v4, "XFSB", 0, 96, 4, set(1<<32 - 1), "log"},
		{"log of nothing", v4, "XFSB", 0, 96, 4, set(0), "log"},
		{"group's number", v5, "XAGF", 0, 8, 4, set(1), "another"},
		{"group's length", v5, "XAGF", 0, 12, 4, add(1), "blocks"},
		{"group's uuid", v5, "XAGF", 0, 64, 4, add(1), "another filesystem"},
		{"group's free blocks", v5, "XAGF", 0, 52, 4, add(1), "free"},
		{"group's longest extent", v5, "XAGF", 0, 56, 4, add(1), "free"},
		{"group's tree blocks", v5, "XAGF", 0, 60, 4, add(1), "free"},
		{"kept blocks", v5, "XAGF", 0, 48, 4, add(1), "keeps"},
		{"no root", v5, "XAGF", 0, 16, 4, set(0), "tree"},
		{"root far away", v5, "XAGF", 0, 16, 4, set(1 << 31), "tree"},
		{"root elsewhere", v5, "XAGF", 0, 16, 4, add(1), "tree"},
		{"no levels", v5, "XAGF", 0, 28, 4, set(0), "levels"},
		{"many levels", v5, "XAGF", 0, 28, 4, set(1<<32 - 1), "levels"},
		{"another level", v5, "XAGF", 0, 28, 4, add(1), "level"},
		{"inodes' header", v5, "XAGI", 0, 12, 4, add(1), "XAGI"},
		{"leaf's level", v5, "AB3B", 0, 4, 2, add(1), "level"},
		{"leaf's entries", v5, "AB3B", 0, 6, 2, set(65535), "entries"},
		{"leaf's owner", v5, "AB3B", 0, 48, 4, add(1), "elsewhere"},
		{"leaf's place", v5, "AB3B", 0, 16, 8, add(8), "elsewhere"},
		{"leaf's neighbour", v5, "AB3B", 0, 12, 4, set(7), "goes on"},
		{"leaf's other neighbour", v5, "AB3B", 0, 8, 4, set(7), "neighbours"},
		{"extent at nothing", v5, "AB3B", 0, 56, 4, set(0), "extent"},
		{"extent of nothing", v5, "AB3B", 0, 60, 4, set(0), "extent"},
		{"extent too long", v5, "AB3B", 0, 60, 4, set(1<<32 - 1), "extent"},
		{"extent a bit longer", v4, "ABTB", 0, 20, 4, add(1), "block"},
		{"log's end", v4, "\xfe\xed\xba\xbe", 1, 8, 4, set(0), "recovery"},
		{"log's uuid", v4, "\xfe\xed\xba\xbe", 0, 304, 4, add(1), "recovery"},
		{"log's length", v4, "\xfe\xed\xba\xbe", 0, 12, 4, add(512), "recovery"},
		{"log's operations", v4, "\xfe\xed\xba\xbe", 0, 40, 4, set(2), "recovery"},
		{"log's round", v4, "\xfe\xed\xba\xbe", 0, 4, 4, add(1), "recovery"},
		{"root's children", pieces, "AB3B", 0, 4, 2, add(1), "level"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := unpack(seed(t, c.seed))
			if _, err := Map(s, s.size); err != nil {
				t.Fatal(err)
			}
			b := s.at(s.find(t, c.magic) + c.sector)[c.off:][:c.size]
			wide := make([]byte, 8)
			copy(wide[8-c.size:], b)
			binary.BigEndian.PutUint64(wide, c.change(binary.BigEndian.Uint64(wide)))
			copy(b, wide[8-c.size:])
			s.seal(map[string]int64{v4: 512, v5: 4096, pieces: 1024}[c.seed])
			_, err := Map(s, s.size)
			if !isUnsafe(err) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want unsafe for its %q", err, c.want)
			}
		})
	}
}

func set(n uint64) func(uint64) uint64 { return func(uint64) uint64 { return n } }
func or(n uint64) func(uint64) uint64  { return func(x uint64) uint64 { return x | n } }
func add(n uint64) func(uint64) uint64 { return func(x uint64) uint64 { return x + n } }

// TestKept has a group keep a block for its trees that it cannot have.
func TestKept(t *testing.T) {
	for block, want := range map[uint32]string{1 << 30: "keeps", 0: "keeps", 5000: "in use"} {
		s := unpack(seed(t, "testdata/v5.bin"))
		first := binary.BigEndian.Uint32(s.at(s.find(t, "XAGF"))[40:])
		binary.BigEndian.PutUint32(s.at(s.find(t, "XAFL"))[36+4*first:], block)
		s.seal(4096)
		if _, err := Map(s, s.size); !isUnsafe(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("block %d: got %v, want unsafe for its %q", block, err, want)
		}
	}
}

// TestAnyBit turns single bits of version 5 metadata around: its checksums
// leave none unseen.
func TestAnyBit(t *testing.T) {
	for path := range seeds {
		if path == "testdata/v4.bin" {
			continue
		}
		s := unpack(seed(t, path))
		r := rand.New(rand.NewPCG(3, 4))
		for n, b := range s.data {
			switch string(b[:4]) {
			case "XAGF", "XAGI", "XAFL", "AB3B":
			default:
				if n != 0 {
					continue
				}
			}
			bit := r.IntN(4096)
			b[bit/8] ^= 1 << (bit % 8)
			if _, err := Map(s, s.size); !isUnsafe(err) && !errors.Is(err, fsmap.ErrUnknown) {
				t.Errorf("%s: bit %d of sector %d turned around: %v", path, bit, n, err)
			}
			b[bit/8] ^= 1 << (bit % 8)
		}
	}
}

func TestNotXFS(t *testing.T) {
	for name, b := range map[string][]byte{"nothing": nil, "zeros": make([]byte, 4096), "a beginning": []byte("XFSB")} {
		if _, err := Map(bytes.NewReader(b), int64(len(b))); !errors.Is(err, fsmap.ErrUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestShortVolume(t *testing.T) {
	s := unpack(seed(t, "testdata/v5.bin"))
	if _, err := Map(s, s.size-4096); !isUnsafe(err) {
		t.Errorf("a volume cut off: %v", err)
	}
	whole := s.size
	s.size = s.size/2 + 512 // a disk that ends where it says it goes on
	if _, err := Map(s, whole); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a disk that ends early: %v", err)
	}
}

// TestDirty takes copies of a filesystem that is in use.
func TestDirty(t *testing.T) {
	for _, v := range []volume{
		{size: 100 << 20, args: []string{"-b", "size=1k", "-l", "size=4m"}},
		{size: 100 << 20, args: []string{"-l", "size=10m,su=32k"}, mount: []string{"logbsize=256k"}},
	} {
		path, _ := v.make(t, 1, 0)
		dir, unmount := maptest.Mount(t, path, "xfs", v.mount...)
		for i := range uint64(4) {
			maptest.Age(t, filepath.Join(dir, fmt.Sprint(i)), i, 300)
			d, err := os.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Sync(); err != nil {
				t.Fatal(err)
			}
			d.Close()
			state := maptest.Tool(t, "xfs_logprint", "-t", path)
			if !strings.Contains(state, "<DIRTY>") {
				t.Fatalf("the log is not dirty:\n%s", state)
			}
			if m, err := mapFile(t, path); !isUnsafe(err) || !strings.Contains(err.Error(), "recovery") {
				t.Errorf("in use: %v %v", m, err)
			}
		}
		unmount()
		m, err := mapFile(t, path)
		if err != nil {
			t.Fatalf("unmounted: %v", err)
		}
		maptest.Superset(t, m.Used, oracle(t, path), true)
	}
}

// TestRounds goes round a small log many times, to see its end in many places.
func TestRounds(t *testing.T) {
	if testing.Short() {
		t.Skip("mounts often")
	}
	v := volume{size: 100 << 20, args: []string{"-b", "size=1k", "-l", "size=6m,su=32k"}}
	path, _ := v.make(t, 1, 0)
	for i := range uint64(8) {
		dir, unmount := maptest.Mount(t, path, "xfs", "wsync") // every step is logged for itself
		maptest.Age(t, filepath.Join(dir, fmt.Sprint(i)), i, 60)
		unmount()
		m, err := mapFile(t, path)
		if err != nil {
			t.Fatalf("%d: %v\n%s", i, err, maptest.Tool(t, "xfs_logprint", "-t", path))
		}
		maptest.Superset(t, m.Used, oracle(t, path), true)
	}
	if out := maptest.Tool(t, "xfs_logprint", path); strings.Contains(out, "cycle: 1\tversion") {
		t.Errorf("the log is in its first round still:\n%s", out[:1000])
	}
}

// TestOtherTools maps what else than a kernel left behind.
func TestOtherTools(t *testing.T) {
	for name, run := range map[string]func(t *testing.T, path string){
		"a new uuid": func(t *testing.T, path string) {
			maptest.Tool(t, "xfs_admin", "-U", "6a4e1a9e-6a5e-4b5c-a1f6-2f24f0a5a002", path)
		},
		"a new log":    func(t *testing.T, path string) { maptest.Tool(t, "xfs_repair", "-L", path) },
		"a repair":     func(t *testing.T, path string) { maptest.Tool(t, "xfs_repair", path) },
		"a new label":  func(t *testing.T, path string) { maptest.Tool(t, "xfs_admin", "-L", "other", path) },
		"a longer end": func(t *testing.T, path string) { grow(t, path) },
	} {
		t.Run(name, func(t *testing.T) {
			path, _ := volume{size: 300 << 20}.make(t, 2, 200)
			run(t, path)
			m, err := mapFile(t, path)
			if err != nil {
				t.Fatal(err)
			}
			maptest.Superset(t, m.Used, oracle(t, path), true)
			if uuid := maptest.Tool(t, "blkid", "-p", "-s", "UUID", "-o", "value", path); strings.TrimSpace(uuid) != m.UUID {
				t.Errorf("uuid is %s, blkid says %s", m.UUID, uuid)
			}
		})
	}
}

func grow(t *testing.T, path string) {
	if err := os.Truncate(path, 500<<20+12345); err != nil {
		t.Fatal(err)
	}
	dir, unmount := maptest.Mount(t, path, "xfs")
	maptest.Tool(t, "xfs_growfs", dir)
	unmount()
}

// TestElsewhere has the log, or files' data, on another device.
func TestElsewhere(t *testing.T) {
	path, other := maptest.File(t, 300<<20), maptest.File(t, 100<<20)
	maptest.Tool(t, "mkfs.xfs", "-q", "-l", "size=64m,logdev="+other, path)
	m, err := mapFile(t, path)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Notes) != 1 || !m.Used.Contains(extent.Range{End: 300 << 20}) {
		t.Errorf("external log: %d bytes used, notes %q", m.Used.Len(), m.Notes)
	}
	maptest.Tool(t, "mkfs.xfs", "-q", "-f", "-r", "rtdev="+other, path)
	if m, err := mapFile(t, path); !isUnsafe(err) {
		t.Errorf("realtime device: %v %v", m, err)
	}
}

// TestManyPieces bounds what it remembers, and forgets only free space.
func TestManyPieces(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		u := used{piece: 1, most: 1 + r.IntN(50)}
		exact := extent.NewSet(extent.Range{End: 1 << 20})
		for off := int64(1 + r.IntN(9)); ; {
			free := extent.Range{Off: off, End: off + 1 + int64(r.ExpFloat64()*100)}
			if free.End >= 1<<20 {
				break
			}
			exact.Remove(free)
			u.without(free)
			off = free.End + 1 + r.Int64N(2000)
		}
		got := u.finish(1 << 20)
		maptest.Superset(t, got, exact, u.piece == 1)
		if got.Count() > u.most+1 {
			t.Errorf("%d ranges instead of %d", got.Count(), u.most)
		}
	}
}
