package stream

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"unsafe"
)

// tool makes a compressed file; each is a real program.
type tool struct {
	name   string
	format Format
	cmd    []string
}

var tools = []tool{
	{"gzip", Gzip, []string{"gzip", "-nc"}},
	{"gzip with name", Gzip, []string{"gzip", "-c"}},
	{"pigz", Gzip, []string{"pigz", "-c"}},
	{"xz", Xz, []string{"xz", "-c"}},
	{"xz crc32", Xz, []string{"xz", "-c", "--check=crc32"}},
	{"xz sha256", Xz, []string{"xz", "-c", "--check=sha256"}},
	{"xz x86 delta", Xz, []string{"xz", "-c", "--x86", "--delta=dist=4", "--lzma2=preset=1"}},
	{"xz blocks", Xz, []string{"xz", "-c", "-T2", "--block-size=64KiB"}},
	{"zstd", Zstd, []string{"zstd", "-qc"}},
	{"zstd 19", Zstd, []string{"zstd", "-19", "-qc"}},
	{"zstd threads", Zstd, []string{"zstd", "-T2", "-qc"}},
	{"zstd long", Zstd, []string{"zstd", "--long=27", "-qc"}},
	{"zstd no check", Zstd, []string{"zstd", "--no-check", "-qc"}},
	{"pzstd", Zstd, []string{"pzstd", "-qc", "-p", "2"}},
	{"bzip2", Bzip2, []string{"bzip2", "-c"}},
	{"bzip2 small blocks", Bzip2, []string{"bzip2", "-1c"}},
	{"lbzip2", Bzip2, []string{"lbzip2", "-c"}},
}

// slow tools get less to do.
func (k tool) slow() bool {
	return k.format == Xz || k.format == Bzip2 || k.name == "zstd 19"
}

// little memory is enough for small files, and quicker to get.
func (k tool) little() Options {
	if k.format == Xz {
		return Options{MaxMemory: 20 << 20}
	}
	return Options{Workers: 1, MaxMemory: 2 << 20}
}

// pack runs the tool on in, or skips where it is not installed.
func (k tool) pack(t testing.TB, in []byte) []byte {
	t.Helper()
	if _, err := exec.LookPath(k.cmd[0]); err != nil {
		t.Skipf("%s is not installed", k.cmd[0])
	}
	c := exec.Command(k.cmd[0], k.cmd[1:]...)
	c.Stdin = bytes.NewReader(in)
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v: %v", k.cmd, err)
	}
	return out
}

// packOwn compresses by NewWriter.
func packOwn(t testing.TB, in []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := NewWriter(&buf, 3, 2)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(in); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// sample is n bytes like those of a disk: text, noise, and runs of one byte.
func sample(n int) []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, 0, n+1<<20)
	for len(b) < n {
		size := 1 + rng.IntN(n/5+100)
		switch rng.IntN(4) {
		case 0:
			for range size / 8 {
				b = append(b, fmt.Sprintf("%x orbit ", rng.IntN(500))...)
			}
		case 1:
			for range size {
				b = append(b, byte(rng.Uint32()))
			}
		case 2:
			b = append(b, make([]byte, size)...)
		default:
			b = append(b, bytes.Repeat([]byte{0xff}, size)...)
		}
	}
	return b[:n]
}

// decode reads all of a stream by Next, checking what Next promises.
func decode(t testing.TB, packed []byte, o Options) ([]byte, Format, error) {
	t.Helper()
	r, err := NewReader(bytes.NewReader(packed), o)
	if err != nil {
		return nil, "", err
	}
	defer r.Close()
	var out []byte
	odd := false
	for {
		b, err := r.Next()
		if err != nil {
			if r.Offset() != int64(len(out)) {
				t.Errorf("offset %d after %d bytes", r.Offset(), len(out))
			}
			if err == io.EOF {
				err = nil
			}
			return out, r.Format(), err
		}
		if odd {
			t.Fatal("a block follows one that is no multiple of Align")
		}
		odd = len(b.Data)%Align != 0
		if uintptr(unsafe.Pointer(&b.Data[0]))%Align != 0 {
			t.Fatal("block is not aligned in memory")
		}
		out = append(out, b.Data...)
		b.Release()
	}
}
