package stream

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// benchImage makes a file like a disk: programs, libraries and empty space.
func benchImage(b *testing.B) string {
	if p := os.Getenv("ORBIT_BENCH_IMAGE"); p != "" {
		return p
	}
	return writeImage(b, 256<<20)
}

// writeImage concatenates programs and libraries with runs of zeros between.
func writeImage(t testing.TB, size int64) string {
	path := filepath.Join(t.TempDir(), "disk.img")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	var files []string
	for _, dir := range []string{"/usr/bin", "/usr/lib/x86_64-linux-gnu", "/usr/lib", "/usr/share/perl"} {
		names, _ := filepath.Glob(dir + "/*")
		files = append(files, names...)
	}
	var n int64
	for i := 0; n < size; i++ {
		if i >= len(files) {
			if n == 0 {
				t.Skip("no programs to make an image of")
			}
			i = 0
		}
		st, err := os.Stat(files[i])
		if err != nil || !st.Mode().IsRegular() {
			continue
		}
		f, err := os.Open(files[i])
		if err != nil {
			continue
		}
		m, err := io.Copy(out, io.LimitReader(f, size-n))
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		n += m
		if hole := min((m/2)&^511, size-n); hole > 0 {
			n += hole
			if _, err := out.Seek(hole, io.SeekCurrent); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := out.Truncate(size); err != nil {
		t.Fatal(err)
	}
	return path
}

// BenchmarkDecode reads files made by the usual tools, block by block.
func BenchmarkDecode(b *testing.B) {
	img := benchImage(b)
	st, err := os.Stat(img)
	if err != nil {
		b.Fatal(err)
	}
	for _, m := range []struct {
		name string
		cmd  []string
	}{
		{"raw", []string{"cat"}},
		{"zstd", []string{"zstd", "-c"}},
		{"zstd19", []string{"zstd", "-19", "-T0", "-c"}},
		{"zstdlong", []string{"zstd", "--long=27", "-c"}},
		{"pzstd", []string{"pzstd", "-q", "-c"}},
		{"orbit", nil},
		{"gzip", []string{"gzip", "-c"}},
		{"xz", []string{"xz", "-1", "-c"}},
		{"xzT2", []string{"xz", "-1", "-T2", "--block-size=8MiB", "-c"}},
		{"bzip2", []string{"bzip2", "-c"}},
		{"pbzip2", []string{"lbzip2", "-c"}},
	} {
		b.Run(m.name, func(b *testing.B) {
			packed := filepath.Join(b.TempDir(), "packed")
			if m.cmd == nil {
				packOrbit(b, img, packed)
			} else {
				packWith(b, m.cmd, img, packed)
			}
			b.SetBytes(st.Size())
			for b.Loop() {
				f, err := os.Open(packed)
				if err != nil {
					b.Fatal(err)
				}
				r, err := NewReader(f, Options{})
				if err != nil {
					b.Fatal(err)
				}
				for {
					k, err := r.Next()
					if err == io.EOF {
						break
					}
					if err != nil {
						b.Fatal(err)
					}
					k.Release()
				}
				if r.Offset() != st.Size() {
					b.Fatalf("%d bytes, want %d", r.Offset(), st.Size())
				}
				r.Close()
				f.Close()
			}
		})
	}
}

// BenchmarkEncode writes zstd as savenode does.
func BenchmarkEncode(b *testing.B) {
	img := benchImage(b)
	st, err := os.Stat(img)
	if err != nil {
		b.Fatal(err)
	}
	packed := filepath.Join(b.TempDir(), "packed")
	b.SetBytes(st.Size())
	for b.Loop() {
		packOrbit(b, img, packed)
	}
}

// packWith runs a compressor, or skips where it is not installed.
func packWith(t testing.TB, cmd []string, from, to string) {
	t.Helper()
	if _, err := exec.LookPath(cmd[0]); err != nil {
		t.Skipf("%s is not installed", cmd[0])
	}
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	c := exec.Command(cmd[0], cmd[1:]...)
	c.Stdin, c.Stdout, c.Stderr = in, out, os.Stderr
	if err := c.Run(); err != nil {
		t.Fatalf("%v: %v", cmd, err)
	}
}

func packOrbit(t testing.TB, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	w, err := NewWriter(out, 3, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(w, in); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}
