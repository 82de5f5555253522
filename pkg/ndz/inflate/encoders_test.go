package inflate

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zlib"
)

// TestGo decodes what the encoders of the standard library and of klauspost
// make.
func TestGo(t *testing.T) {
	var r Reader
	for name, data := range corpus(t) {
		if testing.Short() && len(data) > 800<<10 {
			data = data[:800<<10]
		}
		for _, level := range []int{-2, 0, 1, 3, 6, 9} {
			src := compress(t, data, level)
			if got, used, err := all(&r, src); err != nil || used != len(src) || !bytes.Equal(got, data) {
				t.Errorf("standard %s, level %d: %d bytes from %d of %d: %v", name, level, len(got), used, len(src), err)
			}
			var buf bytes.Buffer
			w, err := zlib.NewWriterLevel(&buf, level)
			if err != nil {
				t.Fatal(err)
			}
			// A flush ends a block and appends an empty one.
			w.Write(data[:len(data)/3])
			w.Flush()
			w.Write(data[len(data)/3:])
			w.Close()
			if got, used, err := all(&r, buf.Bytes()); err != nil || used != buf.Len() || !bytes.Equal(got, data) {
				t.Errorf("klauspost %s, level %d: %d bytes from %d of %d: %v", name, level, len(got), used, buf.Len(), err)
			}
		}
	}
}

// encode compresses its input with many settings of zlib itself. It writes
// each stream behind its length.
const encode = `
import struct, sys, zlib
data = sys.stdin.buffer.read()
for wbits in (9, 10, 12, 15):
    for level in (1, 4, 9):
        for strategy in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FIXED):
            if level != 4 and strategy != zlib.Z_DEFAULT_STRATEGY:
                continue
            for mem in (1, 9):
                c = zlib.compressobj(level, zlib.DEFLATED, wbits, mem, strategy)
                out = b''
                for i in range(0, len(data), 65536):
                    out += c.compress(data[i:i+65536]) + c.flush(zlib.Z_SYNC_FLUSH)
                out += c.flush()
                sys.stdout.buffer.write(struct.pack('<I', len(out)) + out)
`

// TestZlib decodes what zlib makes, with every strategy and small windows.
func TestZlib(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 to run zlib with")
	}
	var r Reader
	for name, data := range corpus(t) {
		data = data[:min(len(data), 150<<10)]
		cmd := exec.Command(python, "-c", encode)
		cmd.Stdin, cmd.Stderr = bytes.NewReader(data), os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		count := 0
		for ; len(out) > 4; count++ {
			n := 4 + binary.LittleEndian.Uint32(out)
			src := out[4:n]
			out = out[n:]
			if got, used, err := all(&r, src); err != nil || used != len(src) || !bytes.Equal(got, data) {
				t.Errorf("%s, stream %d: %d bytes from %d of %d: %v", name, count, len(got), used, len(src), err)
			}
		}
		if want := 4 * (2 + 5) * 2; count != want {
			t.Errorf("%s: %d streams; want %d", name, count, want)
		}
	}
}

// TestWindow decodes a distance beyond the window that the header announces,
// as zlib does when it is not told to enforce the window.
func TestWindow(t *testing.T) {
	random := corpus(t)["random"][:3000]
	data := append(random[:3000:3000], random...)
	src := compress(t, data, 9)
	src[0], src[1] = 0x18, 0x19
	var r Reader
	if !compare(t, &r, src) {
		t.Error("refused")
	}
}

// TestGolden decodes every chunk that the real tools made, but for those that
// are encrypted.
func TestGolden(t *testing.T) {
	paths, _ := filepath.Glob(filepath.FromSlash("../../../../shared/testdata/ndz/*.ndz.gz"))
	if len(paths) == 0 {
		t.Skip("no images of the real tools")
	}
	const (
		chunkSize  = 1 << 20
		headerSize = 4096
	)
	var r Reader
	for _, path := range paths {
		if strings.Contains(path, "encrypted") {
			continue
		}
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		z, err := gzip.NewReader(file)
		if err != nil {
			t.Fatal(err)
		}
		image, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		for n := 0; n*chunkSize < len(image); n++ {
			chunk := image[n*chunkSize:][:chunkSize]
			src := chunk[headerSize:][:binary.LittleEndian.Uint32(chunk[4:])]
			if !compare(t, &r, src) || r.Consumed() != len(src) {
				t.Errorf("%s: chunk %d: used %d of %d", filepath.Base(path), n, r.Consumed(), len(src))
			}
		}
	}
}
