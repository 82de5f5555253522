package btrfs

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

var update = flag.Bool("update", false, "make the volumes of testdata anew")

// seeds are how the volumes in testdata were made: the tree blocks and the
// superblock of real filesystems, with tree blocks of a page.
var seeds = map[string]func(t *testing.T) string{
	"single": func(t *testing.T) string { return makeFS(t, 128*mib, "-n", "4k", "-m", "single", "-L", "seed") },
	"dup":    func(t *testing.T) string { return makeFS(t, 128*mib, "-n", "4k", "-O", "^skinny-metadata") },
	"log":    func(t *testing.T) string { return crash(t, 3, 6, "-n", "4k") },
	"mixed": func(t *testing.T) string {
		path := makeFS(t, 64*mib, "-n", "4k", "-M")
		live(t, path, 7, 120)
		return path
	},
	"grouptree": func(t *testing.T) string {
		path := makeFS(t, 128*mib, "-n", "4k")
		toGroupTree(t, path)
		return path
	},
}

func golden(m *fsmap.Map) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %q %s, %d bytes, blocks of %d, unclean %v\n", m.Kind, m.Label, m.UUID, m.Size, m.Block, m.Unclean)
	for r := range m.Used.All() {
		fmt.Fprintln(&b, r)
	}
	return b.String()
}

// TestSeeds needs no tools: the volumes in testdata have to be mapped as ever.
func TestSeeds(t *testing.T) {
	for name, mk := range seeds {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata", name)
			if *update {
				s := metadata(t, mk(t))
				m, err := Map(s, s.size)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path+".sparse", s.encode(), 0o644); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path+".golden", []byte(golden(m)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			s := seed(t, name)
			m, err := Map(s, s.size)
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(path + ".golden")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), golden(m)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if again, err := decode(s.encode(), 1000); err != nil || !cmp.Equal(again.pages, s.pages) {
				t.Errorf("the encoding loses something: %v", err)
			}
		})
	}
}

func seed(t testing.TB, name string) *sparse {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".sparse"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := decode(b, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Checksums are made right first, else nothing would come through.
func FuzzMap(f *testing.F) {
	for name := range seeds {
		f.Add(seed(f, name).encode())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decode(b, 200)
		if err != nil {
			return
		}
		s.resum()
		m, err := Map(s, s.size)
		if err != nil {
			return
		}
		if m.Size > s.size || m.Used.End() > m.Size || !m.Used.Contains(extent.Range{Off: 0, End: mib}) {
			t.Errorf("of %d bytes: %s", s.size, golden(m))
		}
		// All that was read, and so has data, has to be kept.
		r := record(t, s, s.size)
		for _, off := range r.order() {
			if !m.Used.Contains(extent.Range{Off: off, End: off + page}) {
				t.Errorf("the page at %d was read and is not kept", off)
			}
		}
	})
}

// Where memory would not do for all ranges, the map grows coarse, not short.
func TestCoarse(t *testing.T) {
	if testing.Short() {
		t.Skip("makes and ages a filesystem")
	}
	path := makeFS(t, 128*mib)
	live(t, path, 4, 100)
	f, size := maptest.Open(t, path)
	exact := mapFile(t, path)
	for _, limit := range []int{exact.Used.Count() / 4, 5, 0} {
		m, err := mapWithin(f, size, limit)
		if err != nil {
			t.Fatal(err)
		}
		maptest.Superset(t, m.Used, exact.Used, false)
		if n := m.Used.Count(); n >= exact.Used.Count() {
			t.Errorf("%d ranges, with a limit of %d", n, limit)
		}
	}
}
