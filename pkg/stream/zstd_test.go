package stream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// zeros is an endless file of zeros.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestHostileWindow offers frames that ask for more memory than allowed.
func TestHostileWindow(t *testing.T) {
	if _, err := exec.LookPath("zstd"); err != nil {
		t.Skip("zstd is not installed")
	}
	c := exec.Command("zstd", "--ultra", "--long=31", "-1", "-qc")
	c.Stdin = io.LimitReader(zeros{}, 40<<20)
	packed, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = decode(t, packed, Options{})
	var m *MemoryError
	if !errors.As(err, &m) || m.Need != 1<<31 || m.Max != 128<<20 {
		t.Fatalf("window of 2 GiB: %v", err)
	}
	if want := "needs a window of 2048 MiB, 128 MiB are allowed"; !strings.Contains(err.Error(), want) {
		t.Errorf("message %q lacks %q", err, want)
	}
	got, _, err := decode(t, packed, Options{MaxMemory: 4 << 30})
	if err != nil || len(got) != 40<<20 {
		t.Errorf("with memory for it: %d bytes, %v", len(got), err)
	}
}

// TestExpansion decodes frames that say they are much smaller or larger than they are.
func TestExpansion(t *testing.T) {
	rle := func(content uint64, blocks int) []byte {
		b := append([]byte(zstdMagic), 0xe0) // single segment, 8 bytes of content size
		b = binary.LittleEndian.AppendUint64(b, content)
		for i := range blocks {
			v := uint32(zstdBlockLimit<<3 | blockRLE<<1)
			if i == blocks-1 {
				v |= 1
			}
			b = append(b, byte(v), byte(v>>8), byte(v>>16), 7)
		}
		return b
	}
	tests := []struct {
		name    string
		content uint64
		blocks  int
		ok      bool
	}{
		{"true", 10 * zstdBlockLimit, 10, true},
		{"true and streamed", 100 * zstdBlockLimit, 100, true},
		{"more than said", 10 * zstdBlockLimit, 2000, false},
		{"more than said, just", 10 * zstdBlockLimit, 11, false},
		{"less than said", 10 * zstdBlockLimit, 9, false},
		{"less than said, streamed", 900 * zstdBlockLimit, 100, false},
		{"absurd", 1 << 62, 1, false},
	}
	for _, tt := range tests {
		got, _, err := decode(t, rle(tt.content, tt.blocks), Options{})
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
		if tt.ok && !bytes.Equal(got, bytes.Repeat([]byte{7}, int(tt.content))) {
			t.Errorf("%s: %d bytes differ", tt.name, len(got))
		}
	}
}

// TestManySmallFrames decodes frames that are put together in batches, with
// other frames between.
func TestManySmallFrames(t *testing.T) {
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer enc.Close()
	in := sample(3 << 20)
	var packed []byte
	for i := 0; i < len(in); i += 777 {
		packed = enc.EncodeAll(in[i:min(i+777, len(in))], packed)
		if i%5 == 0 {
			packed = append(packed, "\x5a\x2a\x4d\x18\x03\x00\x00\x00abc"...)
		}
	}
	got, _, err := decode(t, packed, Options{})
	if err != nil || !bytes.Equal(got, in) {
		t.Errorf("%d bytes of %d, %v", len(got), len(in), err)
	}
}

func TestDictionaryRefused(t *testing.T) {
	packed := append([]byte(zstdMagic), 0x01, 0x58, 0x2a, 1, 0, 0)
	_, _, err := decode(t, packed, Options{})
	if err == nil || !strings.Contains(err.Error(), "dictionary 42") {
		t.Error(err)
	}
}

func TestWriterError(t *testing.T) {
	full := errors.New("disk full")
	w, err := NewWriter(failing{full}, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(w, io.LimitReader(zeros{}, 64<<20))
	if !errors.Is(err, full) {
		t.Errorf("write: %v", err)
	}
	if err := w.Close(); !errors.Is(err, full) {
		t.Errorf("close: %v", err)
	}
	if _, err := NewWriter(io.Discard, 23, 0); err == nil {
		t.Error("level 23 passes")
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// TestZeroFrames checks that frames of zeros are marked so, and no others; and
// that their checksums count.
func TestZeroFrames(t *testing.T) {
	in := append(make([]byte, 3*frameSize), sample(frameSize)...)
	in = append(in, make([]byte, 2*frameSize+100)...)
	packed := packOwn(t, in)
	r, err := NewReader(bytes.NewReader(packed), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var got []byte
	zero := 0
	for {
		b, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, b.Data...)
		if b.Zero {
			zero += len(b.Data)
			if bytes.Trim(b.Data, "\x00") != nil {
				t.Error("a block that is not zero is marked so")
			}
		}
		b.Release()
	}
	if !bytes.Equal(got, in) {
		t.Error("decoded differ")
	}
	if zero < 5*frameSize {
		t.Errorf("%d bytes of zeros found; want %d", zero, 5*frameSize)
	}
	first := len(packOwn(t, in[:frameSize]))
	packed[2*first-1] ^= 1 // of the second one: the first is known by then
	if _, _, err := decode(t, packed, Options{}); !errors.Is(err, ErrChecksum) {
		t.Errorf("wrong checksum of zeros: %v", err)
	}
}
