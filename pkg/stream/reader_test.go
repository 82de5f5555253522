package stream

import (
	"bytes"
	"io"
	"testing"
)

func TestRoundTrip(t *testing.T) {
	for _, n := range []int{0, 1, 4095, frameSize, 3*frameSize + 17} {
		in := bytes.Repeat([]byte("orbit "), n/6+1)[:n]
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
		r, err := NewReader(&buf, Options{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, in) {
			t.Errorf("%d bytes: got %d, %v", n, len(got), err)
		}
		r.Close()
	}
}
