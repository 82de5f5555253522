package ntfs

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

// owned compares a map with ntfscluster, which knows no bitmap: it walks all
// files. As many clusters must be in use as all files have, no file may have
// one that the map leaves out, and those that are in use must belong to one.
func owned(t *testing.T, img string, m *fsmap.Map, total int64) {
	t.Helper()
	info := maptest.Tool(t, "ntfscluster", "-i", img)
	all := extent.Range{End: total * m.Block}
	inside := m.Used.Intersect(extent.NewSet(all))
	if files := figure(t, `bytes of user data +: (\d+)`, info) + figure(t, `bytes of metadata +: (\d+)`, info); inside.Len() != files {
		t.Errorf("%d bytes are in use; ntfscluster finds %d in files", inside.Len(), files)
	}
	owners := func(r extent.Range) string {
		out, _ := maptest.Try(t, "ntfscluster", "-c", fmt.Sprintf("%d-%d", r.Off/m.Block, r.End/m.Block-1), img)
		if !strings.Contains(out, "inode found") && !strings.Contains(out, "inodes found") {
			t.Fatalf("ntfscluster does not say who has %v:\n%s", r, out)
		}
		return out
	}
	free := m.Used.Complement(all).Ranges()
	for _, r := range sample(free, 300) {
		if out := owners(r); !strings.Contains(out, "* no inode found") {
			t.Errorf("map loses what is in %v: %s", r, out)
		}
	}
	for _, r := range sample(inside.Ranges(), 20) {
		at := r.Off + rand.Int64N(r.Len()/m.Block)*m.Block
		if out := owners(extent.Range{Off: at, End: at + m.Block}); strings.Contains(out, "* no inode found") {
			t.Errorf("map has the cluster at %d, which no file has", at)
		}
	}
}

// sample is at most n of the ranges, from the beginning to the end.
func sample(ranges []extent.Range, n int) (some []extent.Range) {
	for i := range min(n, len(ranges)) {
		some = append(some, ranges[i*len(ranges)/min(n, len(ranges))])
	}
	return some
}
