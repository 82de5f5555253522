package frisbee

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// TestSums computes, writes, reads and checks the sums of files of all kinds of
// ends.
func TestSums(t *testing.T) {
	file := make([]byte, 3*wire.ChunkSize+17)
	rand.NewChaCha8([32]byte{1}).Read(file)
	for _, size := range []int{0, 1, wire.ChunkSize - 1, wire.ChunkSize, wire.ChunkSize + 1, 2 * wire.ChunkSize, len(file)} {
		data := file[:size]
		s, err := Sum(t.Context(), iotest.HalfReader(bytes.NewReader(data)))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := s.AppendText(nil)
		if int64(len(text)) > SumsSize(int64(size)) {
			t.Errorf("%d bytes: %d bytes of text, more than %d", size, len(text), SumsSize(int64(size)))
		}
		again, err := ParseSums(text, int64(size))
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if again.Size() != int64(size) || s.Size() != int64(size) {
			t.Errorf("%d bytes: sums of %d and %d", size, s.Size(), again.Size())
		}
		for k := 0; k*wire.ChunkSize < size; k++ {
			chunk := bytes.Clone(data[k*wire.ChunkSize : min(size, (k+1)*wire.ChunkSize)])
			if !again.Check(int32(k), chunk) {
				t.Errorf("%d bytes: chunk %d is found bad", size, k)
			}
			if again.Check(int32(k), chunk[:len(chunk)-1]) || again.Check(int32(k+1), chunk) || again.Check(int32(k-1), chunk) {
				t.Errorf("%d bytes: what is not chunk %d is found good", size, k)
			}
			chunk[len(chunk)/2] ^= 1
			if again.Check(int32(k), chunk) {
				t.Errorf("%d bytes: chunk %d is found good with a bit changed", size, k)
			}
		}
	}
}

// TestSumsText compares with what b3sum prints.
func TestSumsText(t *testing.T) {
	s, err := Sum(t.Context(), strings.NewReader("abc"))
	if err != nil {
		t.Fatal(err)
	}
	got, _ := s.AppendText(nil)
	const want = "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85\n"
	if string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestParseSumsRefuses(t *testing.T) {
	line := strings.Repeat("0a", 32) + "\n"
	for name, c := range map[string]struct {
		text string
		size int64
	}{
		"a line short":   {line, wire.ChunkSize + 1},
		"a line more":    {line + line, wire.ChunkSize},
		"nothing":        {"", 1},
		"short digest":   {line[1:], 1},
		"long digest":    {"0" + line, 1},
		"not hex":        {"x" + line[1:], 1},
		"a name behind":  {line[:64] + "  file\n", 1},
		"a line broken":  {line[:32] + "\n" + line[32:], wire.ChunkSize + 1},
		"an empty line":  {line + "\n", wire.ChunkSize + 1},
		"a page of HTML": {"<html>\n<body>not found</body>\n</html>\n", 3 * wire.ChunkSize},
	} {
		if _, err := ParseSums([]byte(c.text), c.size); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for name, text := range map[string]string{"no last newline": line[:64], "CRLF": line[:64] + "\r\n", "capitals": strings.ToUpper(line)} {
		if _, err := ParseSums([]byte(text), 1); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSumBreaksOff wants no sums of a file that cannot be read to its end.
func TestSumBreaksOff(t *testing.T) {
	for name, r := range map[string]io.Reader{
		"error": io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(io.ErrClosedPipe)),
		"cut":   io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(io.ErrUnexpectedEOF)),
	} {
		if _, err := Sum(t.Context(), r); err == nil {
			t.Errorf("%s: sums of what was not read", name)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := Sum(ctx, strings.NewReader("abc")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func FuzzParseSums(f *testing.F) {
	f.Add([]byte(strings.Repeat("0a", 32)+"\n"), int64(5))
	f.Add([]byte("\n\n"), int64(1<<21))
	f.Fuzz(func(t *testing.T, text []byte, size int64) {
		if size < 0 {
			return
		}
		s, err := ParseSums(text, size)
		if err != nil {
			return
		}
		out, _ := s.AppendText(nil)
		if again, err := ParseSums(out, size); err != nil || again.Size() != size {
			t.Errorf("%q reads as sums that do not: %v", text, err)
		}
	})
}
