package ndz

import (
	"bytes"
	"compress/zlib"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
)

// program is 64 MiB of what disks hold: programs and libraries.
func program(b *testing.B) []byte {
	b.Helper()
	const size = 64 << 20
	var data []byte
	for _, dir := range []string{"/usr/bin", "/usr/lib/x86_64-linux-gnu", filepath.Join(runtime.GOROOT(), "bin")} {
		files, _ := os.ReadDir(dir)
		for _, f := range files {
			if p, err := os.ReadFile(filepath.Join(dir, f.Name())); err == nil && f.Type().IsRegular() {
				data = append(data, p...)
			}
			if len(data) >= size {
				return data[:size]
			}
		}
	}
	b.Skip("not enough programs here to measure with")
	return nil
}

// imageOf is a disk as chunks of 2 MiB each, or what fits, as the real tools
// compress: level 4.
func imageOf(b *testing.B, data []byte) []byte {
	b.Helper()
	var out []byte
	const step = 2 << 20 / Sector
	sectors := len(data) / Sector
	for at := 0; at < sectors; {
		n := min(step, sectors-at)
		var z bytes.Buffer
		for {
			z.Reset()
			w, _ := zlib.NewWriterLevel(&z, 4)
			w.Write(data[at*Sector : (at+n)*Sector])
			w.Close()
			if z.Len() <= MaxData {
				break
			}
			n = n * 3 / 4
		}
		h := Header{Version: 3, Size: z.Len(), Index: int32(len(out) / ChunkSize), First: uint64(at), Last: uint64(at + n), Regions: []Region{{uint64(at), uint64(n)}}}
		chunk := make([]byte, ChunkSize)
		if err := h.Put(chunk); err != nil {
			b.Fatal(err)
		}
		copy(chunk[HeaderSize:], z.Bytes())
		out = append(out, chunk...)
		at += n
	}
	return out
}

// BenchmarkExpand expands an image, and beside it the same data from a gzip
// file, with the tool that is the yardstick.
func BenchmarkExpand(b *testing.B) {
	data := program(b)
	disk := imageOf(b, data)
	for _, workers := range []int{1, runtime.GOMAXPROCS(0)} {
		b.Run("ndz-"+strconv.Itoa(workers), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				m, err := Open(b.Context(), bytes.NewReader(disk), int64(len(disk)), Options{Workers: workers})
				if err != nil {
					b.Fatal(err)
				}
				if err := m.Each(b.Context(), 0, m.Chunks(), func(int64, []byte) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("gzip-d", func(b *testing.B) {
		gzip, err := exec.LookPath("gzip")
		if err != nil {
			b.Skip("no gzip to compare with")
		}
		name := filepath.Join(b.TempDir(), "data")
		if err := os.WriteFile(name, data, 0o600); err != nil {
			b.Fatal(err)
		}
		if err := exec.Command(gzip, "-4", name).Run(); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			c := exec.Command(gzip, "-dc", name+".gz")
			c.Stdout = io.Discard
			if err := c.Run(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
