package qcow2

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

// tiny is a build of 4 KiB clusters.
func tiny(extra int, entries ...uint64) []byte { return build(12, extra, entries...) }

// build is an image of version 3 put together by hand: header, L1 table, one
// L2 table, and as many clusters of data as extra says.
func build(bits uint, extra int, entries ...uint64) []byte {
	cluster := 1 << bits
	b := make([]byte, (3+extra)*cluster)
	be := binary.BigEndian
	copy(b, Magic)
	be.PutUint32(b[4:], 3)
	be.PutUint32(b[20:], uint32(bits))
	be.PutUint64(b[24:], uint64(cluster/8*cluster))
	be.PutUint32(b[36:], 1)
	be.PutUint64(b[40:], uint64(cluster))
	be.PutUint32(b[100:], 112)
	be.PutUint64(b[cluster:], uint64(2*cluster)|1<<63)
	for i, e := range entries {
		be.PutUint64(b[2*cluster+8*i:], e)
	}
	for i := range b[3*cluster:] {
		b[3*cluster+i] = byte(i>>bits) + 1
	}
	return b
}

func TestTiny(t *testing.T) {
	b := tiny(2, 4*4*kib, 0, 1, 3*4*kib|1<<63)
	m, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5*4*kib)
	if _, err := m.ReadAt(got, 0); err != nil {
		t.Fatal(err)
	}
	want := bytes.Join([][]byte{bytes.Repeat([]byte{2}, 4*kib), make([]byte, 8*kib), bytes.Repeat([]byte{1}, 4*kib), make([]byte, 4*kib)}, nil)
	if !bytes.Equal(got, want) {
		t.Error("content differs")
	}
}

func TestBroken(t *testing.T) {
	be := binary.BigEndian
	for _, test := range []struct {
		name   string
		change func(b []byte)
		want   string
	}{
		{"version 1", func(b []byte) { b[7] = 1 }, "version 1"},
		{"clusters of 256", func(b []byte) { b[23] = 8 }, "2^8"},
		{"clusters of 4M", func(b []byte) { b[23] = 22 }, "2^22"},
		{"size", func(b []byte) { b[24] = 0xff }, "virtual size"},
		{"size beyond l1", func(b []byte) { be.PutUint64(b[24:], 512*4*kib+1) }, "L1 table of 1 entries"},
		{"l1 of 2^32", func(b []byte) { be.PutUint32(b[36:], 1<<32-1) }, "L1 table of 4294967295"},
		{"l1 behind", func(b []byte) { be.PutUint64(b[40:], 16*4*kib) }, "L1 table of 8 bytes"},
		{"l1 far behind", func(b []byte) { be.PutUint64(b[40:], 1<<63) }, "L1 table of 8 bytes"},
		{"l1 askew", func(b []byte) { be.PutUint64(b[40:], 4*kib+8) }, "L1 table of 8 bytes"},
		{"l1 nowhere", func(b []byte) { be.PutUint64(b[40:], 0) }, "L1 table of 8 bytes"},
		{"short header", func(b []byte) { b[103] = 96 }, "96 bytes"},
		{"long header", func(b []byte) { be.PutUint32(b[100:], 1<<20) }, "1048576 bytes"},
		{"corrupt", func(b []byte) { b[79] = 2 }, "marked the image as corrupt"},
		{"compression without bit", func(b []byte) { b[104] = 1 }, "disagree"},
		{"bit without compression", func(b []byte) { b[79] = 8 }, "disagree"},
		{"unknown compression", func(b []byte) { b[79], b[104] = 8, 2 }, "unknown kind 2"},
		{"unknown feature", func(b []byte) { b[79] = 1 << 6 }, "incompatible bit 6"},
		{"encryption 3", func(b []byte) { b[35] = 3 }, "unknown kind"},
		{"small extended", func(b []byte) { b[79] = 16 }, "too small for extended"},
		{"l2 askew", func(b []byte) { be.PutUint64(b[4*kib:], 8*kib+512) }, "L2 table at byte 8704"},
		{"l2 behind", func(b []byte) { be.PutUint64(b[4*kib:], 20*kib) }, "L2 table at byte 20480"},
		{"many l2", func(b []byte) {
			be.PutUint64(b[24:], 512*512*4*kib)
			be.PutUint32(b[36:], 512)
			for i := range 512 {
				be.PutUint64(b[4*kib+8*i:], 8*kib)
			}
		}, "more L2 tables than"},
		{"cut in l1", nil, "L1 table of 8 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := tiny(2, 12*kib)
			if test.change == nil {
				b = b[:4*kib+7]
			} else {
				test.change(b)
			}
			_, err := Open(bytes.NewReader(b), int64(len(b)))
			var format *FormatError
			var unsupported *UnsupportedError
			if !errors.As(err, &format) && !errors.As(err, &unsupported) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one of ours with %q", err, test.want)
			}
		})
	}
	for _, b := range []string{"", "QFI", "QFI\xfa and more", strings.Repeat("\x00", 1000)} {
		if _, err := Open(strings.NewReader(b), int64(len(b))); !errors.Is(err, ErrNotQcow2) {
			t.Errorf("%q: error %v, want %v", b, err, ErrNotQcow2)
		}
	}
	for n := 4; n < 112; n++ {
		b := tiny(0)[:n]
		if _, err := Open(bytes.NewReader(b), int64(n)); err == nil || errors.Is(err, ErrNotQcow2) {
			t.Errorf("header of %d bytes: error %v", n, err)
		}
	}
}

func TestBrokenClusters(t *testing.T) {
	const packedBit = 1 << 62
	deflated := []byte{0x4b, 0x04, 0x00} // "a", much less than a cluster
	for _, test := range []struct {
		name  string
		v2    bool
		entry uint64
		want  string
	}{
		{"behind", false, 20 * kib, "cluster at byte 20480"},
		{"far behind", false, 1<<56 - 4*kib, "cluster at byte 72057594037923840"},
		{"askew", false, 12*kib + 512, "cluster at byte 12800"},
		{"zero in version 2", true, 1, "version 2"},
		{"packed behind", false, packedBit | 20*kib, "compressed data at byte 20480"},
		{"packed far behind", false, packedBit | (1<<58 - 1), "compressed data at byte"},
		{"packed noise", false, packedBit | 12*kib, "decompress"},
		{"packed short", false, packedBit | 16*kib, "after 1 of 4096 bytes"},
		{"packed to the end", false, packedBit | 15<<58 | (20*kib - 1), "decompress"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := tiny(2, 12*kib, test.entry, 12*kib)
			copy(b[16*kib:], deflated)
			if test.v2 {
				b[7] = 2
			}
			m, err := Open(bytes.NewReader(b), int64(len(b)))
			if err != nil {
				t.Fatal(err)
			}
			// Whole clusters, then a part of one: what lies before is read.
			for _, size := range []int{12 * kib, 4*kib + 100} {
				n, err := m.ReadAt(make([]byte, size), 0)
				if format := (*FormatError)(nil); n != 4*kib || !errors.As(err, &format) || !strings.Contains(err.Error(), test.want) {
					t.Errorf("read %d, error %v; want 4096 and a *FormatError with %q", n, err, test.want)
				}
			}
		})
	}
}

// TestCut cuts real images short: never a panic, and never content that QEMU
// does not have.
func TestCut(t *testing.T) {
	src := content(mib)
	dir := t.TempDir()
	path := write(t, filepath.Join(dir, "src"), src)
	for _, opts := range []string{"compression_type=zlib", "compression_type=zstd"} {
		image := filepath.Join(dir, opts)
		qemu(t, "qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", "-o", opts, path, image)
		b, err := os.ReadFile(image)
		if err != nil {
			t.Fatal(err)
		}
		for cut := range 40 {
			short := b[:len(b)*cut/40]
			m, err := Open(bytes.NewReader(short), int64(len(short)))
			if err != nil {
				continue
			}
			got := make([]byte, mib)
			n, err := m.ReadAt(got, 0)
			if err == nil {
				t.Errorf("%s: %d of %d bytes read without an error", opts, len(short), len(b))
			}
			if !bytes.Equal(got[:n], src[:n]) {
				t.Errorf("%s: %d of %d bytes read wrongly", opts, len(short), len(b))
			}
			// A file that shrinks under the reader.
			if m, err = Open(bytes.NewReader(short), int64(len(b))); err == nil {
				if _, err := m.ReadAt(got, 0); err == nil {
					t.Errorf("%s: file shrunk to %d of %d bytes read without an error", opts, len(short), len(b))
				}
			}
		}
	}
}

type counter struct {
	io.ReaderAt
	n atomic.Int64
}

func (c *counter) ReadAt(p []byte, off int64) (int, error) {
	c.n.Add(1)
	return c.ReaderAt.ReadAt(p, off)
}

// TestFewReads: over HTTP each read of the file is a request.
func TestFewReads(t *testing.T) {
	dir := t.TempDir()
	src := write(t, filepath.Join(dir, "src"), bytes.Repeat([]byte("0123456789abcdef"), mib/4))
	for _, args := range [][]string{{}, {"-c"}} {
		path := filepath.Join(dir, "image")
		qemu(t, "qemu-img", append(append([]string{"convert", "-f", "raw", "-O", "qcow2"}, args...), src, path)...)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		c := &counter{ReaderAt: bytes.NewReader(b)}
		m, err := Open(c, int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Used(context.Background()); err != nil {
			t.Fatal(err)
		}
		if n := c.n.Load(); n != 3 {
			t.Errorf("%v: %d reads for header, L1 and L2, want 3", args, n)
		}
		c.n.Store(0)
		if _, err := m.ReadAt(make([]byte, 4*mib), 0); err != nil {
			t.Fatal(err)
		}
		if n := c.n.Load(); n > 3 {
			t.Errorf("%v: %d reads for 4 MiB of the disk", args, n)
		}
		// Small reads decode a compressed cluster once.
		c.n.Store(0)
		for off := int64(0); off < 64*kib; off += 512 {
			if _, err := m.ReadAt(make([]byte, 512), off); err != nil {
				t.Fatal(err)
			}
		}
		if n := c.n.Load(); len(args) > 0 && n != 1 {
			t.Errorf("%d reads for one cluster in pieces", n)
		}
	}
}

func TestReadError(t *testing.T) {
	b := tiny(2, 12*kib)
	boom := errors.New("boom")
	fail := false
	r := readerAt(func(p []byte, off int64) (int, error) {
		if fail {
			return 0, boom
		}
		return bytes.NewReader(b).ReadAt(p, off)
	})
	m, err := Open(r, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 4*kib)
	fail = true
	if _, err := m.ReadAt(p, 0); !errors.Is(err, boom) {
		t.Errorf("error %v, want %v", err, boom)
	}
	fail = false
	if _, err := m.ReadAt(p, 0); err != nil {
		t.Errorf("a failed read is remembered: %v", err)
	}
}

type readerAt func([]byte, int64) (int, error)

func (f readerAt) ReadAt(p []byte, off int64) (int, error) { return f(p, off) }

func TestUsedIsBounded(t *testing.T) {
	var entries []uint64
	r := rand.New(rand.NewPCG(5, 5))
	for range 512 {
		entries = append(entries, uint64(r.IntN(2)*12*kib))
	}
	b := tiny(1, entries...)
	m, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	exact, err := m.used(context.Background(), maxRanges)
	if err != nil {
		t.Fatal(err)
	}
	for _, most := range []int{100, 10, 1} {
		s, err := m.used(context.Background(), most)
		if err != nil || s.Count() > most || !exact.Subtract(s).Empty() || s.End() > m.Size() {
			t.Errorf("at most %d ranges: %d up to %d, %v", most, s.Count(), s.End(), err)
		}
	}
	if all := extent.NewSet(extent.Range{End: m.Size()}); exact.Count() < 100 || !exact.Subtract(all).Empty() {
		t.Errorf("%d ranges to %d", exact.Count(), exact.End())
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := m.Used(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
