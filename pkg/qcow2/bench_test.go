package qcow2

import (
	"bytes"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
)

// BenchmarkRead decodes on all cores, as the imaging engine does. A few rounds
// make a disk of the usual mix that is long enough to measure.
func BenchmarkRead(b *testing.B) {
	dir := b.TempDir()
	src := write(b, filepath.Join(dir, "src"), content(64*mib))
	for _, test := range []struct {
		name string
		args []string
	}{
		{"plain", nil},
		{"deflate", []string{"-c"}},
		{"zstd", []string{"-c", "-o", "compression_type=zstd"}},
		{"zstd 2M", []string{"-c", "-o", "compression_type=zstd,cluster_size=2M"}},
	} {
		b.Run(test.name, func(b *testing.B) {
			path := filepath.Join(dir, test.name)
			qemu(b, "qemu-img", append(append([]string{"convert", "-f", "raw", "-O", "qcow2"}, test.args...), src, path)...)
			file, err := os.ReadFile(path)
			if err != nil {
				b.Fatal(err)
			}
			m, err := Open(bytes.NewReader(file), int64(len(file)))
			if err != nil {
				b.Fatal(err)
			}
			const span = 2 * mib
			b.SetBytes(span)
			b.ReportAllocs()
			b.ResetTimer()
			var next atomic.Int64
			b.RunParallel(func(pb *testing.PB) {
				buf := make([]byte, span)
				for pb.Next() {
					if _, err := m.ReadAt(buf, (next.Add(1)*span)%m.Size()); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
