package stream

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"testing/iotest"
)

func TestTools(t *testing.T) {
	for _, k := range tools {
		t.Run(k.name, func(t *testing.T) {
			for _, n := range []int{1, 4096, 100_001, 9<<20 + 5} {
				if n > 1<<20 && k.slow() {
					continue
				}
				in := sample(n)
				got, format, err := decode(t, k.pack(t, in), Options{})
				if err != nil || format != k.format {
					t.Fatalf("%d bytes: format %s, %v; want %s", n, format, err, k.format)
				}
				if !bytes.Equal(got, in) {
					t.Fatalf("%d bytes: decoded %d differ", n, len(got))
				}
			}
		})
	}
}

// TestConcatenated decodes several streams in one file, which do not end on
// borders of blocks.
func TestConcatenated(t *testing.T) {
	parts := [][]byte{sample(5000), {}, sample(9 << 20), sample(4096), sample(100_000), sample(3 << 20)}
	for _, k := range tools {
		t.Run(k.name, func(t *testing.T) {
			var packed, want []byte
			for _, p := range parts {
				if len(p) > 1<<20 && k.slow() {
					p = p[:200_003]
				}
				want = append(want, p...)
				packed = append(packed, k.pack(t, p)...)
				if k.format == Xz {
					packed = append(packed, 0, 0, 0, 0) // stream padding
				}
			}
			for _, o := range []Options{{}, {Workers: 1, MaxMemory: 5 << 20}} {
				if k.name == "zstd long" {
					o.MaxMemory = 256 << 20
				}
				if k.slow() && o.MaxMemory > 0 {
					o.MaxMemory = 32 << 20
				}
				got, _, err := decode(t, packed, o)
				if err != nil {
					t.Fatalf("%+v: %v", o, err)
				}
				if !bytes.Equal(got, want) {
					t.Fatalf("%+v: decoded %d bytes differ from %d", o, len(got), len(want))
				}
			}
		})
	}
}

// TestTruncated cuts a file at every point.
func TestTruncated(t *testing.T) {
	in := sample(300)
	for _, k := range append(tools, tool{name: "own"}) {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			packed := packOwn(t, in)
			if k.cmd != nil {
				packed = k.pack(t, in)
			}
			for n := 1; n < len(packed); n++ {
				got, _, err := decode(t, packed[:n], k.little())
				var cut *TruncatedError
				if !errors.Is(err, io.ErrUnexpectedEOF) || !errors.As(err, &cut) {
					t.Fatalf("%d of %d bytes: %v, decoded %d", n, len(packed), err, len(got))
				}
				if cut.Input != int64(n) || cut.Offset != int64(len(got)) {
					t.Errorf("%d of %d bytes: error says %d, and %d decoded; decoded are %d", n, len(packed), cut.Input, cut.Offset, len(got))
				}
				if !bytes.HasPrefix(in, got) {
					t.Errorf("%d of %d bytes: decoded differ", n, len(packed))
				}
			}
		})
	}
}

// TestTruncatedLarge cuts large files, so that frames are streamed and held.
func TestTruncatedLarge(t *testing.T) {
	in := sample(12 << 20)
	for _, k := range append(tools, tool{name: "own"}) {
		if k.slow() {
			continue // and no different from small ones
		}
		t.Run(k.name, func(t *testing.T) {
			packed := packOwn(t, in)
			if k.cmd != nil {
				packed = k.pack(t, in)
			}
			for _, n := range []int{len(packed) / 3, len(packed) - 5000, len(packed) - 1} {
				got, _, err := decode(t, packed[:n], Options{})
				if !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatalf("%d of %d bytes: %v, decoded %d", n, len(packed), err, len(got))
				}
				if !bytes.HasPrefix(in, got) {
					t.Errorf("%d of %d bytes: decoded differ", n, len(packed))
				}
			}
		})
	}
}

// TestBitFlips damages every byte. Either that is noticed or it does no harm.
func TestBitFlips(t *testing.T) {
	in := sample(300)
	for _, k := range append(tools, tool{name: "own"}) {
		if k.name == "zstd no check" {
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			packed := packOwn(t, in)
			if k.cmd != nil {
				packed = k.pack(t, in)
			}
			noticed := 0
			for i := range packed {
				bad := slices.Clone(packed)
				bad[i] ^= 1 << (i % 8)
				if Detect(bad) == Raw {
					continue // no longer a compressed file for anyone
				}
				got, _, err := decode(t, bad, k.little())
				if err != nil {
					noticed++
				} else if !bytes.Equal(got, in) {
					t.Fatalf("byte %d of %d: damage passes", i, len(packed))
				}
			}
			if noticed < len(packed)/2 {
				t.Errorf("noticed %d of %d", noticed, len(packed))
			}
		})
	}
}

// TestChecksum damages the checksum itself, in held and streamed frames.
func TestChecksum(t *testing.T) {
	for _, n := range []int{3000, 20 << 20} {
		for _, k := range []tool{tools[0], tools[8]} {
			bad := k.pack(t, sample(n))
			at := len(bad) - 2
			if k.format == Gzip {
				at = len(bad) - 6
			}
			bad[at] ^= 4
			got, _, err := decode(t, bad, Options{})
			var f *FormatError
			if !errors.Is(err, ErrChecksum) || !errors.As(err, &f) {
				t.Errorf("%s of %d bytes: %v", k.name, n, err)
			} else if f.Offset != int64(len(got)) {
				t.Errorf("%s of %d bytes: offset %d, decoded %d", k.name, n, f.Offset, len(got))
			}
		}
	}
}

func TestTrailing(t *testing.T) {
	in := sample(5000)
	for _, k := range tools {
		t.Run(k.name, func(t *testing.T) {
			for _, garbage := range []string{"x", "zzzz", "\x00", "some text that is longer than any header of a format, really"} {
				got, _, err := decode(t, append(k.pack(t, in), garbage...), Options{MaxMemory: 300 << 20})
				if err == nil {
					t.Errorf("%q passes", garbage)
				}
				var f *FormatError
				if len(garbage) > 30 && !errors.As(err, &f) {
					t.Errorf("%q: %v is no FormatError", garbage, err)
				}
				if !bytes.Equal(got, in) {
					t.Errorf("%q: the data before it is lost", garbage)
				}
			}
		})
	}
}

// TestSourceError checks that an error of the source comes out as itself, also
// one that wraps the EOF of a connection: the end of that is not the end of the
// file.
func TestSourceError(t *testing.T) {
	broken := &sourceError{io.EOF}
	in := sample(9 << 20)
	for _, k := range tools {
		in := in
		if k.slow() {
			in = in[:100_000]
		}
		t.Run(k.name, func(t *testing.T) {
			packed := k.pack(t, in)
			for _, n := range []int{0, 5, len(packed) / 2, len(packed) - 1, len(packed)} {
				src := io.MultiReader(bytes.NewReader(packed[:n]), iotest.ErrReader(broken))
				r, err := NewReader(src, Options{})
				if err == nil {
					_, err = io.Copy(io.Discard, r)
					r.Close()
				}
				var got *sourceError
				if !errors.As(err, &got) || errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("after %d of %d bytes: %v", n, len(packed), err)
				}
			}
		})
	}
}

type sourceError struct{ error }

func (e *sourceError) Error() string { return "cable pulled: " + e.error.Error() }
func (e *sourceError) Unwrap() error { return e.error }

func TestOddReaders(t *testing.T) {
	in := sample(200_000)
	for _, packed := range [][]byte{in, packOwn(t, in), tools[0].pack(t, in), tools[8].pack(t, in)} {
		for name, src := range map[string]io.Reader{
			"one byte": iotest.OneByteReader(bytes.NewReader(packed)),
			"data err": iotest.DataErrReader(bytes.NewReader(packed)),
			"half":     iotest.HalfReader(bytes.NewReader(packed)),
		} {
			r, err := NewReader(src, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := iotest.TestReader(r, in); err != nil {
				t.Errorf("%s %s: %v", r.Format(), name, err)
			}
			r.Close()
		}
	}
}

// TestMixed reads the same stream by Read, Next and WriteTo in turn.
func TestMixed(t *testing.T) {
	in := sample(10 << 20)
	r, err := NewReader(bytes.NewReader(packOwn(t, in)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got := make([]byte, 1000)
	if _, err := io.ReadFull(r, got); err != nil {
		t.Fatal(err)
	}
	b, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, b.Data...)
	b.Release()
	rest := bytes.NewBuffer(got)
	if _, err := r.WriteTo(rest); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(rest.Bytes(), in) || r.Offset() != int64(len(in)) {
		t.Errorf("%d bytes differ, offset %d", rest.Len(), r.Offset())
	}
}

// TestCloseEarly leaves streams half-read while the consumer holds blocks.
func TestCloseEarly(t *testing.T) {
	in := sample(30 << 20)
	for _, packed := range [][]byte{in, packOwn(t, in), tools[0].pack(t, in), tools[8].pack(t, in)} {
		for held := range MaxHeld + 1 {
			r, err := NewReader(bytes.NewReader(packed), Options{})
			if err != nil {
				t.Fatal(err)
			}
			var blocks []*Block
			for range held {
				b, err := r.Next()
				if err != nil {
					t.Fatal(err)
				}
				blocks = append(blocks, b)
			}
			r.Close()
			for _, b := range blocks {
				b.Release()
			}
			if _, err := r.Next(); err != ErrClosed {
				t.Errorf("next after close: %v", err)
			}
			r.Close()
		}
	}
}

// TestHeld checks that a consumer may sit on MaxHeld blocks all the time.
func TestHeld(t *testing.T) {
	in := sample(40 << 20)
	for _, packed := range [][]byte{in, packOwn(t, in), tools[13].pack(t, in), tools[8].pack(t, in)} {
		for _, o := range []Options{{}, {Workers: 1, MaxMemory: 1}, {Workers: 7}} {
			r, err := NewReader(bytes.NewReader(packed), o)
			if err != nil {
				t.Fatal(err)
			}
			var held []*Block
			var total int
			for {
				b, err := r.Next()
				if o.MaxMemory == 1 && r.Format() == Zstd && errors.As(err, new(*MemoryError)) {
					break
				}
				if err == io.EOF {
					if total != len(in) {
						t.Errorf("%s: %d bytes", r.Format(), total)
					}
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				total += len(b.Data)
				if held = append(held, b); len(held) == MaxHeld {
					held[0].Release()
					held = held[1:]
				}
			}
			r.Close()
		}
	}
}

func TestDetect(t *testing.T) {
	tests := []struct {
		head string
		want Format
	}{
		{"", Raw},
		{"\x1f\x8b\x08\x00", Gzip},
		{"\x1f\x8b\x08\xe0", Raw}, // reserved flags
		{"\x1f\x8b\x07\x00", Raw},
		{"\xfd7zXZ\x00", Xz},
		{"\xfd7zXZ\x01", Raw},
		{"\x28\xb5\x2f\xfd", Zstd},
		{"\x50\x2a\x4d\x18", Zstd},
		{"\x5f\x2a\x4d\x18", Zstd},
		{"\x60\x2a\x4d\x18", Raw},
		{"BZh91AY&SY", Bzip2},
		{"BZh9\x17\x72\x45\x38\x50\x90", Bzip2},
		{"BZh91A", Bzip2},
		{"BZh0no", Raw},
		{"BZh9 is how this raw image begins", Raw},
		{"\xeb\x63\x90\x10\x8e\xd0\xbc\x00\xb0", Raw}, // GRUB's boot sector
	}
	for _, tt := range tests {
		if got := Detect([]byte(tt.head)); got != tt.want {
			t.Errorf("Detect(%q) = %s; want %s", tt.head, got, tt.want)
		}
	}
}

func TestRawIsUntouched(t *testing.T) {
	for _, n := range []int{0, 1, 511, 4096, 5 << 20} {
		in := sample(max(n, 1))[:n]
		got, format, err := decode(t, in, Options{})
		if err != nil || format != Raw || !bytes.Equal(got, in) {
			t.Errorf("%d bytes: %s, %d bytes, %v", n, format, len(got), err)
		}
	}
}

// TestForeignDecoders gives our files to the tools.
func TestForeignDecoders(t *testing.T) {
	for _, n := range []int{0, 1, frameSize, 3*frameSize + 17} {
		in := sample(max(n, 1))[:n]
		file := filepath.Join(t.TempDir(), "own.zst")
		if err := os.WriteFile(file, packOwn(t, in), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, cmd := range [][]string{{"zstd", "-dqc"}, {"pzstd", "-dqc", "-p", "2"}} {
			if _, err := exec.LookPath(cmd[0]); err != nil {
				t.Logf("%s is not installed", cmd[0])
				continue
			}
			got, err := exec.Command(cmd[0], append(cmd[1:], file)...).Output()
			if err != nil || !bytes.Equal(got, in) {
				t.Errorf("%v of %d bytes: %d bytes, %v", cmd, n, len(got), err)
			}
		}
	}
}
