package ext_test

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/ext"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

// dumped is what dumpe2fs says is used: all but the free blocks it lists.
func dumped(t testing.TB, path string) extent.Set {
	t.Helper()
	out := maptest.Tool(t, "dumpe2fs", path)
	block, count, ratio := int64(0), int64(0), int64(1)
	var free []extent.Range
	lines := bufio.NewScanner(strings.NewReader(out))
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		key, value, _ := strings.Cut(strings.TrimSpace(lines.Text()), ":")
		value = strings.TrimSpace(value)
		switch key {
		case "Block size":
			block, _ = strconv.ParseInt(value, 10, 64)
		case "Cluster size":
			cluster, _ := strconv.ParseInt(value, 10, 64)
			ratio = cluster / block
		case "Block count":
			count, _ = strconv.ParseInt(value, 10, 64)
		case "Free blocks":
			if block == 0 || count == 0 || !strings.HasPrefix(lines.Text(), " ") {
				continue // the number, in the superblock's part
			}
			for part := range strings.SplitSeq(value, ", ") {
				var from, to int64
				switch n, _ := fmt.Sscanf(part, "%d-%d", &from, &to); n {
				case 0:
					continue
				case 1:
					to = from
				}
				free = append(free, extent.Range{Off: from * block, End: min(to+ratio, count) * block}) // to begins the last cluster
			}
		}
	}
	if count == 0 || len(free) == 0 {
		t.Fatalf("dumpe2fs prints no free blocks:\n%.2000s", out)
	}
	used := extent.NewSet(free...).Complement(extent.Range{Off: 0, End: count * block})
	used.Add(extent.Range{Off: 0, End: 1024})
	return used
}

// mkfs makes a filesystem of size MiB.
func mkfs(t testing.TB, size int64, args string, more ...string) string {
	t.Helper()
	path := maptest.File(t, size<<20)
	maptest.Tool(t, "mke2fs", append(append([]string{"-q", "-F", "-U", uuid, "-L", "läbel"}, strings.Fields(args)...), append(more, path)...)...)
	return path
}

const uuid = "01234567-89ab-cdef-0123-456789abcdef"

func mapOf(t testing.TB, path string) *fsmap.Map {
	t.Helper()
	f, size := maptest.Open(t, path)
	m, err := ext.Map(f, size)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// fsck fails the test where e2fsck finds something to repair.
func fsck(t testing.TB, path string) {
	t.Helper()
	maptest.Tool(t, "e2fsck", "-fn", path)
}
