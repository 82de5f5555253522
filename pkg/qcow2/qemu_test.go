package qcow2

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

const (
	kib = 1 << 10
	mib = 1 << 20
)

// qemu runs qemu-img or qemu-io, or skips the test if it is not there.
func qemu(t testing.TB, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed (Debian: qemu-utils)", name)
	}
	for try := 1; ; try++ {
		out, err := exec.Command(name, args...).CombinedOutput()
		if err == nil {
			return string(out)
		}
		// To choose the cost of a passphrase it measures its own CPU time, which may
		// seem to stand still for the moments that takes.
		if try == 10 || !strings.Contains(string(out), "Unable to get accurate CPU usage") {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
	}
}

// content is a disk with text, noise and holes in pieces of many sizes.
func content(size int64) []byte {
	r := rand.New(rand.NewPCG(7, 7))
	b := make([]byte, size)
	for off := 0; off < len(b); {
		n := min(r.IntN(300*kib)+1, len(b)-off)
		piece := b[off:][:n]
		switch r.IntN(4) {
		case 0: // hole
		case 1:
			for i := 0; i+8 <= len(piece); i += 8 {
				v := r.Uint64()
				for j := range 8 {
					piece[i+j] = byte(v >> (8 * j))
				}
			}
		case 2:
			copy(piece, bytes.Repeat([]byte("all work and no play makes jack a dull boy\n"), n/43+1))
		case 3:
			for i := range piece {
				piece[i] = byte(r.IntN(7))
			}
		}
		off += n
	}
	return b
}

func write(t testing.TB, path string, b []byte) string {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t testing.TB, path string) *Image {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	m, err := Open(f, st.Size())
	if err != nil {
		t.Fatalf("open %s: %v", path, err)
	}
	return m
}

// raw is the disk as qemu-img reads it.
func raw(t testing.TB, path string) []byte {
	t.Helper()
	out := path + ".raw"
	qemu(t, "qemu-img", "convert", "-O", "raw", path, out)
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// mapped is what qemu-img says the image has data for.
func mapped(t testing.TB, path string) extent.Set {
	t.Helper()
	var list []struct {
		Start, Length int64
		Data          bool
	}
	if err := json.Unmarshal([]byte(qemu(t, "qemu-img", "map", "--output=json", path)), &list); err != nil {
		t.Fatal(err)
	}
	var s extent.Set
	for _, e := range list {
		if e.Data {
			s.Add(extent.Range{Off: e.Start, End: e.Start + e.Length})
		}
	}
	return s
}

// check compares an image with what QEMU finds in it: all of it in order, then
// pieces anywhere from several goroutines, then the map.
func check(t *testing.T, path string) {
	t.Helper()
	m, want := open(t, path), raw(t, path)
	if m.Size() != int64(len(want)) {
		t.Fatalf("size %d, want %d", m.Size(), len(want))
	}
	got, err := io.ReadAll(io.NewSectionReader(m, 0, m.Size()+1))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		i := 0
		for ; got[i] == want[i]; i++ {
		}
		t.Fatalf("content differs from byte %d on", i)
	}
	m = open(t, path) // with cold caches
	var wg sync.WaitGroup
	for g := range uint64(4) {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(g, 1))
			b := make([]byte, mib)
			for range 60 {
				off := r.Int64N(m.Size())
				p := b[:r.IntN(len(b))>>r.IntN(16)]
				n, err := m.ReadAt(p, off)
				short := off+int64(len(p)) > m.Size()
				if short != (err == io.EOF) || !short && err != nil || n != min(len(p), int(m.Size()-off)) {
					t.Errorf("read %d bytes at %d: %d, %v", len(p), off, n, err)
				} else if !bytes.Equal(p[:n], want[off:][:n]) {
					t.Errorf("read %d bytes at %d: content differs", len(p), off)
				}
			}
		})
	}
	wg.Wait()
	used, err := m.Used(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(mapped(t, path).Ranges(), used.Ranges()); diff != "" {
		t.Errorf("used ranges (-qemu +got):\n%s", diff)
	}
}

func TestAgainstQemu(t *testing.T) {
	const size = 5*mib + 13*kib + 512
	src := write(t, filepath.Join(t.TempDir(), "src"), content(size))
	for _, test := range []struct {
		name, opts string
		args       []string
	}{
		{"v3", "", nil},
		{"v2", "compat=0.10", nil},
		{"v2 deflate", "compat=0.10", []string{"-c"}},
		{"deflate", "", []string{"-c"}},
		{"zstd", "compression_type=zstd", []string{"-c"}},
		{"zstd, plain clusters", "compression_type=zstd", nil},
		{"512", "cluster_size=512", nil},
		{"512 deflate", "cluster_size=512", []string{"-c"}},
		{"512 zstd", "cluster_size=512,compression_type=zstd", []string{"-c"}},
		{"4k deflate", "cluster_size=4k", []string{"-c"}},
		{"2M", "cluster_size=2M", nil},
		{"2M deflate", "cluster_size=2M", []string{"-c"}},
		{"2M zstd", "cluster_size=2M,compression_type=zstd", []string{"-c"}},
		{"extended", "extended_l2=on", nil},
		{"extended 16k", "extended_l2=on,cluster_size=16k", nil},
		{"extended 2M zstd", "extended_l2=on,cluster_size=2M,compression_type=zstd", []string{"-c"}},
		{"lazy refcounts", "lazy_refcounts=on,refcount_bits=1", nil},
		{"metadata", "preallocation=metadata", nil},
		{"falloc", "preallocation=falloc", nil},
		{"full", "preallocation=full", nil},
		{"out of order", "", []string{"-c", "-W", "-m", "16"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "image")
			args := append([]string{"convert", "-f", "raw", "-O", "qcow2", "-o", "compat=1.1"}, test.args...)
			if test.opts != "" {
				args = append(args, "-o", test.opts)
			}
			qemu(t, "qemu-img", append(args, src, path)...)
			check(t, path)
		})
	}
}

// TestWrittenInPlace is images that grew by small writes: zero clusters,
// subclusters, overwritten compressed ones, freed ones, snapshots.
func TestWrittenInPlace(t *testing.T) {
	for _, opts := range []string{
		"compat=0.10", "compat=1.1", "cluster_size=512", "cluster_size=2M",
		"extended_l2=on", "extended_l2=on,cluster_size=16k", "extended_l2=on,compression_type=zstd,cluster_size=128k",
	} {
		t.Run(opts, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "image")
			qemu(t, "qemu-img", "create", "-q", "-f", "qcow2", "-o", opts, path, "20M")
			r := rand.New(rand.NewPCG(3, 3))
			// QEMU compresses only into clusters that were never written.
			packed := []string{"-t", "unsafe", "-c", "write -c -P 1 0 2M", "-c", "write -c -P 2 4M 4M", "-c", "write -c -P 3 16M 2M", path}
			qemu(t, "qemu-io", packed...)
			steps := func(n int) []string {
				list := []string{"-t", "unsafe"}
				for range n {
					off, size := r.IntN(18*mib)&^511, (r.IntN(900*kib)>>r.IntN(8)&^511)+512
					verb := fmt.Sprintf("write -P %d %d %d", r.IntN(255)+1, off, size)
					switch r.IntN(5) {
					case 0:
						verb = fmt.Sprintf("write -z %d %d", off, size)
					case 1:
						verb = fmt.Sprintf("write -z -u %d %d", off, size)
					case 2:
						verb = fmt.Sprintf("discard %d %d", off, size)
					}
					list = append(list, "-c", verb)
				}
				return append(list, path)
			}
			qemu(t, "qemu-io", steps(60)...)
			qemu(t, "qemu-img", "snapshot", "-c", "before", path)
			qemu(t, "qemu-io", steps(30)...)
			check(t, path)
		})
	}
}

func TestEmpty(t *testing.T) {
	for _, size := range []string{"0", "512", "5G", "7T"} {
		path := filepath.Join(t.TempDir(), "image"+size)
		qemu(t, "qemu-img", "create", "-q", "-f", "qcow2", path, size)
		m := open(t, path)
		used, err := m.Used(context.Background())
		if err != nil || !used.Empty() {
			t.Errorf("%s: used %v, %v", size, used.Ranges(), err)
		}
		b := bytes.Repeat([]byte{1}, 100)
		n, err := m.ReadAt(b, max(m.Size()-60, 0))
		if want := int(min(m.Size(), 60)); n != want || err != io.EOF || bytes.Count(b[:n], []byte{0}) != n {
			t.Errorf("%s: read %d bytes, %v; want %d zeros", size, n, err, want)
		}
	}
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	qemu(t, "qemu-img", "create", "-q", "-f", "qcow2", at("base.qcow2"), "1M")
	for _, test := range []struct {
		want string
		args []string
	}{
		{"a backing file (base.qcow2)", []string{"-b", "base.qcow2", "-F", "qcow2"}},
		{"an external data file", []string{"-o", "data_file=" + at("data")}},
		{"decryption (LUKS)", []string{"--object", "secret,id=s,data=x", "-o", "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10"}},
		{"decryption (AES)", []string{"--object", "secret,id=s,data=x", "-o", "encrypt.format=aes,encrypt.key-secret=s"}},
	} {
		path := at("image")
		os.Remove(path)
		qemu(t, "qemu-img", append(append([]string{"create", "-q", "-f", "qcow2"}, test.args...), path, "1M")...)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Open(bytes.NewReader(b), int64(len(b)))
		if e := (*UnsupportedError)(nil); !errors.As(err, &e) || !strings.Contains(e.Feature, test.want) {
			t.Errorf("error %v, want an *UnsupportedError with %q", err, test.want)
		}
	}
}
