package images

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/frisbee"
)

// stored writes a file of size random bytes, and opens it as an image.
func stored(t *testing.T, s *Store, name string, size int) (*os.File, []byte) {
	t.Helper()
	data := make([]byte, size)
	rand.NewChaCha8([32]byte{byte(size)}).Read(data)
	if err := os.WriteFile(filepath.Join(s.dir, name), data, 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := s.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, data
}

// allSums reads sums as a server does.
func allSums(ctx context.Context, s *Store, f *os.File, size int) ([]byte, error) {
	var all []byte
	for want := SumsSize(int64(size)); int64(len(all)) < want; {
		more, err := s.Sums(ctx, f, int64(len(all)))
		if err != nil {
			return all, err
		}
		if len(more) == 0 {
			return all, io.ErrUnexpectedEOF
		}
		all = append(all, more...)
	}
	return all, nil
}

func TestSums(t *testing.T) {
	s := open(t, t.TempDir())
	for _, size := range []int{0, 1, 1 << 20, 1<<20 + 1, 40<<20 + 7} {
		f, data := stored(t, s, "a", size)
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				text, err := allSums(t.Context(), s, f, size)
				if err != nil {
					t.Errorf("%d bytes: %v", size, err)
					return
				}
				sums, err := frisbee.ParseSums(text, int64(size))
				if err != nil {
					t.Errorf("%d bytes: %v", size, err)
					return
				}
				for off := 0; off < size; off += 1 << 20 {
					if !sums.Check(int32(off>>20), data[off:min(off+1<<20, size)]) {
						t.Errorf("%d bytes: chunk %d does not match", size, off>>20)
					}
				}
			})
		}
		all.Wait()
		if more, err := s.Sums(t.Context(), f, SumsSize(int64(size))); err != nil || len(more) > 0 {
			t.Errorf("%d bytes: behind the end %d, %v", size, len(more), err)
		}
	}
}

// What one has computed who went away is there for the next.
func TestSumsInterrupted(t *testing.T) {
	s := open(t, t.TempDir())
	const size = 40 << 20
	f, _ := stored(t, s, "a", size)
	ctx, stop := context.WithCancel(t.Context())
	first, err := s.Sums(ctx, f, 0)
	if err != nil || len(first) == 0 || int64(len(first)) >= SumsSize(size) {
		t.Fatalf("first piece: %d bytes, %v", len(first), err)
	}
	stop()
	if _, err := s.Sums(ctx, f, int64(len(first))); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of the context: %v", err)
	}
	if again, err := s.Sums(ctx, f, 0); err == nil && string(again) != string(first) {
		t.Error("another first piece")
	}
	if text, err := allSums(t.Context(), s, f, size); err != nil || string(text[:len(first)]) != string(first) {
		t.Errorf("the next: %v", err)
	}
}

// An image that is written to has no sums that are of neither version.
func TestSumsOfChanging(t *testing.T) {
	s := open(t, t.TempDir())
	const size = 40 << 20
	f, _ := stored(t, s, "a", size)
	if _, err := s.Sums(t.Context(), f, 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(f.Name(), size-5); err != nil {
		t.Fatal(err)
	}
	text, err := allSums(t.Context(), s, f, size-5)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := frisbee.ParseSums(text, size-5); err != nil {
		t.Error(err)
	}
	if n := len(s.sums.known); n != 2 {
		t.Errorf("%d versions are known, want 2", n)
	}
}

func TestSumsBounded(t *testing.T) {
	s := open(t, t.TempDir())
	f, _ := stored(t, s, "a", 3)
	for i := range 3 * sumsMost {
		if err := os.Truncate(f.Name(), int64(3+i)); err != nil {
			t.Fatal(err)
		}
		if _, err := allSums(t.Context(), s, f, 3+i); err != nil {
			t.Fatal(err)
		}
	}
	var text int64
	for _, e := range s.sums.known {
		text += e.bytes
	}
	if len(s.sums.known) != sumsMost || text != s.sums.bytes {
		t.Errorf("%d versions of %d bytes are kept, counted as %d", len(s.sums.known), text, s.sums.bytes)
	}
}
