package stream

import (
	"bytes"
	"io"
	"os/exec"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// fuzzLimit is how much of a decoded stream a fuzz test looks at.
const fuzzLimit = 32 << 20

// fuzz feeds damaged files of one format to the Reader: it must end, and not
// read beyond its memory.
func fuzz(f *testing.F, format Format) {
	in := sample(3000)
	for _, k := range tools {
		if _, err := exec.LookPath(k.cmd[0]); err == nil && k.format == format {
			packed := k.pack(f, in)
			f.Add(packed)
			f.Add(append(packed, packed...))
			f.Add(packed[:len(packed)/2])
		}
	}
	f.Fuzz(func(t *testing.T, packed []byte) {
		if Detect(packed) != format {
			t.Skip()
		}
		r, err := NewReader(bytes.NewReader(packed), Options{Workers: 2, MaxMemory: 24 << 20})
		if err != nil {
			return
		}
		defer r.Close()
		got, err := io.ReadAll(io.LimitReader(r, fuzzLimit))
		if format == Zstd && err == nil && len(got) < fuzzLimit {
			sameAsLibrary(t, packed, got)
		}
	})
}

// sameAsLibrary compares with the library's plain decoder.
func sameAsLibrary(t *testing.T, packed, got []byte) {
	d, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(anyWindow), zstd.WithDecoderMaxMemory(1<<63))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	want, err := io.ReadAll(d)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("decoded %d bytes; the library decodes %d, %v", len(got), len(want), err)
	}
}

func FuzzReaderGzip(f *testing.F)  { fuzz(f, Gzip) }
func FuzzReaderXz(f *testing.F)    { fuzz(f, Xz) }
func FuzzReaderZstd(f *testing.F)  { fuzz(f, Zstd) }
func FuzzReaderBzip2(f *testing.F) { fuzz(f, Bzip2) }
