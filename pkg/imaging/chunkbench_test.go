package imaging

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/ndz"
	"github.com/orbit-pxe/orbit/pkg/transfer"
)

// BenchmarkHeaders reads the headers of an image of 1000 chunks from a server, in
// the way that imagenode does and one by one, and for comparison all of the file.
func BenchmarkHeaders(b *testing.B) {
	const chunks = 1000
	file := make([]byte, 0, chunks*ndz.ChunkSize)
	random := content(1, mib)
	for i := range chunks {
		h := ndz.Header{Version: 3, Size: 9, Index: int32(i), First: uint64(i), Last: uint64(i) + 1, Regions: []ndz.Region{{Start: uint64(i), Count: 1}}}
		var err error
		if file, err = h.AppendTo(file); err != nil {
			b.Fatal(err)
		}
		file = append(file, random[ndz.HeaderSize:]...)
	}
	path := store(b, "x.ndz", file)
	server := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(path))))
	defer server.Close()
	open := func(b *testing.B) *transfer.Ranges {
		r, err := transfer.OpenRanges(b.Context(), server.URL+"/x.ndz", transfer.Options{})
		if err != nil {
			b.Fatal(err)
		}
		return r
	}
	for name, reader := range map[string]func(*transfer.Ranges) io.ReaderAt{
		"ahead":      func(r *transfer.Ranges) io.ReaderAt { return &headers{ctx: b.Context(), file: r} },
		"one-by-one": func(r *transfer.Ranges) io.ReaderAt { return r.ReaderAt(b.Context()) },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				r := open(b)
				if _, err := ndz.Open(b.Context(), reader(r), r.Size(), ndz.Options{}); err != nil {
					b.Fatal(err)
				}
				r.Close()
			}
		})
	}
	b.Run("file", func(b *testing.B) {
		for b.Loop() {
			r := open(b)
			s := r.Stream(b.Context(), 0, r.Size())
			if _, err := io.Copy(io.Discard, s); err != nil {
				b.Fatal(err)
			}
			s.Close()
			r.Close()
		}
	})
}

// BenchmarkChunks writes 256 MiB of programs to a file in memory, from a file, a
// server, and standard input, and for comparison has gzip -d do it.
func BenchmarkChunks(b *testing.B) {
	gzip, err := exec.LookPath("gzip")
	if err != nil {
		b.Skip("no gzip to compare with")
	}
	if _, err := os.Stat("/dev/shm"); err != nil {
		b.Skip("no files in memory here")
	}
	dir, err := os.MkdirTemp("/dev/shm", "orbit-")
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(dir)
	data := programs(b, 256*mib)
	raw, img, disk := filepath.Join(dir, "raw"), filepath.Join(dir, "x.ndz"), filepath.Join(dir, "disk")
	file := chunkImage(b, data, extent.NewSet(extent.Range{End: int64(len(data))}))
	for name, p := range map[string][]byte{raw: data, img: file} {
		if err := os.WriteFile(name, p, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	if err := exec.Command(gzip, "-1", "-k", raw).Run(); err != nil {
		b.Fatal(err)
	}
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	for name, o := range map[string]func() WriteOptions{
		"file": func() WriteOptions { return WriteOptions{Source: img} },
		"http": func() WriteOptions { return WriteOptions{Source: server.URL + "/x.ndz"} },
		"pipe": func() WriteOptions {
			return WriteOptions{Source: "-", Stdin: struct{ io.Reader }{bytes.NewReader(file)}}
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				o := o()
				o.Disk = disk
				if _, err := Write(context.Background(), o); err != nil {
					b.Fatal(err)
				}
				os.Remove(disk)
			}
		})
	}
	b.Run("gzip-d", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if err := exec.Command("sh", "-c", gzip+" -dc "+strconv.Quote(raw+".gz")+" > "+strconv.Quote(disk)).Run(); err != nil {
				b.Fatal(err)
			}
			os.Remove(disk)
		}
	})
}

// programs is what disks hold: so many bytes of programs and libraries.
func programs(b *testing.B, size int) []byte {
	b.Helper()
	var data []byte
	for _, dir := range []string{"/usr/bin", "/usr/lib/x86_64-linux-gnu", "/usr/sbin", "/usr/lib/go"} {
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
	if len(data) < size/2 {
		b.Skip("not enough programs here to measure with")
	}
	for len(data) < size {
		data = append(data, data...)
	}
	return data[:size]
}
