package btrfs

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

// leaves are the pages of a tree that hold items.
func (s *sparse) leaves(tree uint64) []block {
	var all []block
	for _, off := range s.order() {
		b := block(s.at(off))
		if off != superAt && b.level() == 0 && b.owner() == int64(tree) {
			all = append(all, b)
		}
	}
	return all
}

// item finds a tree's first item of a kind.
func (s *sparse) item(t testing.TB, tree uint64, kind byte) (header, data []byte) {
	t.Helper()
	for _, b := range s.leaves(tree) {
		for i := range b.count() {
			if b.key(i).kind == kind {
				return b[headSize+i*itemSize:][:itemSize], b.data(i)
			}
		}
	}
	t.Fatalf("no item of kind %d in tree %d", kind, tree)
	return nil, nil
}

func put(b []byte, x uint64) { binary.LittleEndian.PutUint64(b, x) }
func add(b []byte, x uint64) { put(b, binary.LittleEndian.Uint64(b)+x) }

func TestDamage(t *testing.T) {
	if testing.Short() {
		t.Skip("makes a filesystem")
	}
	path := makeFS(t, 256*mib, "-m", "single", "-n", "4k")
	live(t, path, 1, 500)
	whole := metadata(t, path)
	if len(whole.pages) < 10 {
		t.Fatalf("only %d pages of metadata", len(whole.pages))
	}
	want, err := Map(whole, whole.size)
	if err != nil {
		t.Fatal(err)
	}
	if want.Used.Equal(mapFile(t, path).Used) == false {
		t.Fatal("the recorded metadata is not what was read")
	}

	t.Run("any bit", func(t *testing.T) {
		for _, off := range whole.order() {
			for _, at := range []int{0, 0x21, 0x30, 0x50, 0x70, 0x90, 0x100, 2000, 4000} {
				s := whole.clone()
				s.at(off)[at] ^= 0x10
				_, err := Map(s, s.size)
				var unsafe *fsmap.UnsafeError
				if !errors.As(err, &unsafe) {
					t.Errorf("byte %d of the page at %d changed: got %v", at, off, err)
				}
			}
		}
	})

	le := binary.LittleEndian
	super := func(at int, x uint64) func(*sparse) { return func(s *sparse) { put(s.at(superAt)[at:], x) } }
	incompat := func(bit uint64) func(*sparse) {
		return func(s *sparse) { p := s.at(superAt)[0xbc:]; put(p, le.Uint64(p)|bit) }
	}
	for _, v := range []struct {
		name   string
		change func(s *sparse)
		why    string
	}{
		{"two devices", super(0x88, 2), "spans 2 devices"},
		{"zoned", incompat(1 << 12), "zones"},
		{"extent tree v2", incompat(1 << 13), "second extent tree"},
		{"raid stripe tree", incompat(1 << 14), "raid stripe tree"},
		{"unknown feature", incompat(1 << 40), "unknown features"},
		{"old refs", super(0xbc, 0x340), "oldest kind"},
		{"unknown feature for writers", super(0xb4, 1<<9), "unknown features"},
		{"seed", super(0x38, 1|1<<32), "special state"},
		{"metadata dump", super(0x38, 1|1<<33), "special state"},
		{"errors", super(0x38, 1|4), "special state"},
		{"checksum kind", func(s *sparse) { s.at(superAt)[0xc4] = 9 }, "unknown kind 9"},
		{"another mirror", super(0x30, 64*mib), "says it is at"},
		{"foreign device", func(s *sparse) { s.at(superAt)[0xc9+90] ^= 1 }, "own"},
		{"larger than it is", super(0xc9+8, 1<<40), "only"},
		{"tiny", super(0xc9+8, 4096), "only"},
		{"node size", func(s *sparse) { le.PutUint32(s.at(superAt)[0x94:], 5000) }, "tree blocks of"},
		{"no node size", func(s *sparse) { le.PutUint32(s.at(superAt)[0x94:], 0) }, "tree blocks of"},
		{"array size", func(s *sparse) { le.PutUint32(s.at(superAt)[0xa0:], 5000) }, "array"},
		{"array cut", func(s *sparse) { le.PutUint32(s.at(superAt)[0xa0:], 90) }, ""},
		{"root of level 9", func(s *sparse) { s.at(superAt)[0xc6] = 9 }, "level 9"},
		{"root level", func(s *sparse) { s.at(superAt)[0xc6]++ }, "level"},
		{"root beyond", super(0x50, 1<<50), "in no chunk"},
		{"generation", super(0x48, 1<<20), "generation"},
		{"bytes used", func(s *sparse) { add(s.at(superAt)[0x78:], 4096) }, "superblock says"},
		{"log that is not there", super(0x60, 32*mib), ""},
		{"group used", func(s *sparse) {
			_, data := s.item(t, extentTree, blockGroupItem)
			add(data, 4096)
		}, "and says"},
		{"group type", func(s *sparse) {
			_, data := s.item(t, extentTree, blockGroupItem)
			add(data[16:], 64)
		}, "not as its chunk"},
		{"group is a reference", func(s *sparse) {
			head, _ := s.item(t, extentTree, blockGroupItem)
			head[8] = 184
		}, ""},
		{"extent longer", func(s *sparse) {
			head, _ := s.item(t, extentTree, extentItem)
			add(head[9:], 1<<30)
		}, ""},
		{"extent lost", func(s *sparse) {
			head, _ := s.item(t, extentTree, metadataItem)
			head[8], head[9] = sharedDataRef, 0
		}, ""},
		{"extent of odd size", func(s *sparse) {
			head, _ := s.item(t, extentTree, extentItem)
			add(head[9:], 1)
		}, ""},
		{"item of unknown kind", func(s *sparse) {
			head, _ := s.item(t, extentTree, extentItem)
			head[8] = 180
		}, ""},
		{"items too many", func(s *sparse) { le.PutUint32(s.leaves(extentTree)[0][0x60:], 1000) }, "number of items"},
		{"no items", func(s *sparse) { le.PutUint32(s.leaves(extentTree)[0][0x60:], 0) }, "number of items"},
		{"item data outside", func(s *sparse) { le.PutUint32(s.leaves(extentTree)[0][headSize+17:], 1<<31) }, "items not where"},
		{"another tree's block", func(s *sparse) { s.leaves(extentTree)[0][0x58] = 5 }, ""},
		{"device item", func(s *sparse) {
			_, data := s.item(t, chunkTree, devItem)
			add(data[8:], 4096)
		}, "item of device"},
		{"chunk elsewhere", func(s *sparse) {
			_, data := s.item(t, chunkTree, chunkItem)
			add(data[chunkHead+8:], 1<<40)
		}, "not within it"},
		{"chunk on another device", func(s *sparse) {
			_, data := s.item(t, chunkTree, chunkItem)
			data[chunkHead]++
		}, "not here"},
		{"chunk of two stripes", func(s *sparse) {
			_, data := s.item(t, chunkTree, chunkItem)
			data[44]++
		}, "not for one device"},
		{"chunk of another profile", func(s *sparse) {
			_, data := s.item(t, chunkTree, chunkItem)
			data[24] |= 16
		}, "not for one device"},
		{"chunks upon each other", func(s *sparse) {
			// That of data moves to where another is: no tree block is lost.
			var data, other []byte
			b := s.leaves(chunkTree)[0]
			for i := 1; i < b.count(); i++ {
				if b.data(i)[24]&1 != 0 {
					data = b.data(i)
				} else {
					other = b.data(i)
				}
			}
			copy(data[chunkHead:][8:16], other[chunkHead:][8:16])
		}, "overlap on the device"},
		{"extents upon each other", func(s *sparse) {
			for _, b := range s.leaves(extentTree) {
				for i := 2; i < b.count(); i++ {
					k, l := b.key(i-1), b.key(i)
					if k.kind == extentItem && l.kind == extentItem && k.object+k.offset == l.object && l.offset > page {
						add(b[headSize+(i-1)*itemSize+9:], page)
						add(b[headSize+i*itemSize+9:], ^uint64(page-1)) // the sum stays
						return
					}
				}
			}
			t.Fatal("no two extents touch")
		}, "extents overlap"},
		{"pointer's key", func(s *sparse) {
			for _, off := range s.order() {
				if b := block(s.at(off)); off != superAt && b.level() == 1 && b.owner() == extentTree {
					add(b[headSize+linkSize:], ^uint64(0)) // one less, still behind the last leaf
					return
				}
			}
			t.Fatal("the extent tree has no nodes")
		}, "does not begin as its parent says"},
		{"data upon items", func(s *sparse) {
			b := s.leaves(extentTree)[0]
			n := b.count()
			last := b[headSize+(n-1)*itemSize+keySize:]
			end := le.Uint32(last) + le.Uint32(last[4:])
			off := uint32(n*itemSize - 8)
			le.PutUint32(last, off)
			le.PutUint32(last[4:], end-off)
		}, "items not where"},
	} {
		t.Run(v.name, func(t *testing.T) {
			s := whole.clone()
			v.change(s)
			s.resum()
			_, err := Map(s, s.size)
			var unsafe *fsmap.UnsafeError
			if !errors.As(err, &unsafe) || !strings.Contains(err.Error(), v.why) {
				t.Errorf("got %v, want a refusal with %q", err, v.why)
			}
		})
	}
}

func TestUnknown(t *testing.T) {
	for name, size := range map[string]int64{"empty": 0, "short": 65 << 10, "zeros": mib} {
		if _, err := Map(newSparse(size), size); !errors.Is(err, fsmap.ErrUnknown) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// A copy that is bad is not needed while there is another.
func TestSecondCopy(t *testing.T) {
	path := makeFS(t, 128*mib, "-m", "dup")
	want := mapFile(t, path)
	s := metadata(t, path) // of first copies only
	f, size := maptest.Open(t, path)
	for _, failed := range []error{nil, io.ErrUnexpectedEOF} {
		got, err := Map(&broken{f, s, failed}, size)
		if err != nil {
			t.Fatal(err)
		}
		maptest.Superset(t, got.Used, want.Used, true)
	}
	single := makeFS(t, 128*mib, "-m", "single")
	f, size = maptest.Open(t, single)
	if _, err := Map(&broken{f, metadata(t, single), io.ErrUnexpectedEOF}, size); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
}

// broken gives bad data, or an error, where s has any, but for the superblock.
type broken struct {
	r   io.ReaderAt
	s   *sparse
	err error
}

func (b *broken) ReadAt(p []byte, off int64) (int, error) {
	n, err := b.r.ReadAt(p, off)
	if b.s.pages[off/page] != nil && off != superAt {
		clear(p)
		return n, b.err
	}
	return n, err
}

func TestSeveralDevices(t *testing.T) {
	for _, v := range []struct{ name, data, metadata string }{
		{"raid1", "raid1", "raid1"}, {"raid1 metadata", "single", "raid1"}, {"single", "single", "single"}, {"raid0", "raid0", "raid1"},
	} {
		t.Run(v.name, func(t *testing.T) {
			a, b := maptest.File(t, 128*mib), maptest.File(t, 128*mib)
			maptest.Tool(t, "mkfs.btrfs", "-q", "-d", v.data, "-m", v.metadata, a, b)
			refused(t, a, "spans 2 devices")
			refused(t, b, "spans 2 devices")
		})
	}
}

func TestSeed(t *testing.T) {
	path := makeFS(t, 128*mib)
	maptest.Tool(t, "btrfstune", "-S", "1", path)
	refused(t, path, "special state")
}

func TestOtherUUID(t *testing.T) {
	path := makeFS(t, 128*mib)
	maptest.Tool(t, "btrfstune", "-f", "-m", path)
	m := mapFile(t, path)
	maptest.Superset(t, m.Used, oracle(t, path), true)
	if got := strings.TrimSpace(maptest.Tool(t, "blkid", "-o", "value", "-s", "UUID", path)); m.UUID != got {
		t.Errorf("UUID is %s, blkid says %s", m.UUID, got)
	}
}

// A volume may be larger than the filesystem, not smaller.
func TestSize(t *testing.T) {
	path := makeFS(t, 160*mib, "-b", "128M")
	if m := mapFile(t, path); m.Size != 128*mib {
		t.Errorf("size is %d", m.Size)
	}
	short := filepath.Join(t.TempDir(), "short")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(short, b[:100*mib], 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, short, "are here")
}
