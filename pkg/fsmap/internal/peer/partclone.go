// Package peer asks another program what of a filesystem is in use, for tests.
package peer

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

// Partclone is what partclone would save of the volume in a file. kind ends the
// name of its program: fat, exfat, ntfs. Without it the test is skipped.
func Partclone(t testing.TB, kind, volume string) extent.Set {
	t.Helper()
	domain := filepath.Join(t.TempDir(), "domain")
	maptest.Tool(t, "partclone."+kind, "-D", "-s", volume, "-o", domain, "-L", domain+".log")
	text, err := os.ReadFile(domain)
	if err != nil {
		t.Fatal(err)
	}
	var s extent.Set
	for _, line := range strings.Split(string(text), "\n") {
		f := strings.Fields(line)
		if len(f) != 3 || f[2] != "+" {
			continue
		}
		off, err1 := strconv.ParseInt(f[0], 0, 64)
		n, err2 := strconv.ParseInt(f[1], 0, 64)
		if err1 != nil || err2 != nil {
			t.Fatalf("partclone's domain says %q", line)
		}
		s.Add(extent.Range{Off: off, End: off + n})
	}
	if s.Empty() {
		t.Fatalf("partclone's domain is empty:\n%s", text)
	}
	return s
}
