package ndz

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

// usr is what a disk of a Linux system is made of: files of /usr, on blocks.
func usr(b *testing.B) []byte {
	const size = 200 << 20
	disk := make([]byte, 0, size)
	for _, dir := range []string{"/usr/lib", "/usr/bin"} {
		filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return nil
			}
			p, err := os.ReadFile(path)
			if err != nil || len(disk)+len(p)+4096 > size {
				return nil
			}
			disk = append(disk, p...)
			disk = disk[:(len(disk)+4095)/4096*4096]
			return nil
		})
	}
	if len(disk) < size/2 {
		b.Skip("there is not enough in /usr")
	}
	return disk
}

// BenchmarkWrite is the goal of writing three times as fast as one gzip -1, on
// two cores.
func BenchmarkWrite(b *testing.B) {
	disk := usr(b)
	size := int64(len(disk))
	ours := func(workers int) func(b *testing.B) {
		return func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				w, err := Write(b.Context(), io.Discard, bytes.NewReader(disk), size,
					extent.NewSet(extent.Range{End: size}), WriteOptions{Workers: workers})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(w.Bytes())/float64(size), "ratio")
			}
		}
	}
	b.Run("one worker", ours(1))
	b.Run("all cores", ours(0))
	b.Run("gzip -1", func(b *testing.B) {
		if _, err := exec.LookPath("gzip"); err != nil {
			b.Skip("no gzip")
		}
		b.SetBytes(size)
		for b.Loop() {
			var n counter
			cmd := exec.Command("gzip", "-1")
			cmd.Stdin, cmd.Stdout = bytes.NewReader(disk), &n
			if err := cmd.Run(); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(n)/float64(size), "ratio")
		}
	})
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
