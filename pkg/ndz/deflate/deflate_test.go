package deflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
)

// decode reads a whole stream.
func decode(z []byte) ([]byte, error) {
	r := bytes.NewReader(z)
	p, err := io.ReadAll(flate.NewReader(r))
	if err == nil && r.Len() > 0 {
		err = fmt.Errorf("%d bytes follow the stream", r.Len())
	}
	return p, err
}

// inputs are what encoders stumble over.
func inputs() map[string][]byte {
	r := rand.New(rand.NewPCG(1, 1))
	noise := make([]byte, 300000)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	text := make([]byte, 300000)
	for i := range text {
		text[i] = "etaoin shrdlu\n"[min(r.IntN(14), r.IntN(14))]
	}
	skewed := make([]byte, MaxBlock) // with codes of more than 15 bits, if they were allowed
	at := 0
	for c, n := 0, 1; at < len(skewed); c++ {
		for range min(n, len(skewed)-at) {
			skewed[at] = byte(c)
			at++
		}
		n += n/2 + 1
	}
	r.Shuffle(len(skewed), func(i, j int) { skewed[i], skewed[j] = skewed[j], skewed[i] })
	// The same again, as far away as it may be, and too far.
	far := append(append(bytes.Clone(noise[:100]), make([]byte, Window-100)...), noise[:100]...)
	further := append(append(bytes.Clone(noise[:100]), make([]byte, Window-99)...), noise[:100]...)
	mixed := append(append(append(bytes.Clone(text), noise[:100000]...), make([]byte, 100000)...), text[5000:]...)
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	return map[string][]byte{
		"one byte": {7}, "two bytes": {7, 7}, "ten bytes": []byte("abcabcabca"), "nine": make([]byte, 9),
		"zeros": make([]byte, 200000), "noise": noise, "text": text, "skewed": skewed, "far": far,
		"further": further, "mixed": mixed, "every byte": all, "period 3": bytes.Repeat([]byte("xyz"), 70000),
		"258": make([]byte, 259), "261": make([]byte, 262),
	}
}

func TestDecodes(t *testing.T) {
	e := new(Encoder)
	for name, p := range inputs() {
		for _, block := range []int{MaxBlock, 512, 10000, 1} {
			if block == 1 && len(p) > 300 {
				continue
			}
			e.Reset(0)
			var z []byte
			for at := 0; at < len(p); at += block {
				to, had := min(at+block, len(p)), len(z)
				z = e.Append(z, p, at, to)
				if more := len(z) - had - (to - at); more > Overhead {
					t.Errorf("%s: a block of %d bytes is larger by %d", name, to-at, more)
				}
			}
			got, err := decode(append(z, Tail[:]...))
			if err != nil || !bytes.Equal(got, p) {
				t.Errorf("%s in blocks of %d: %v, %d bytes of %d", name, block, err, len(got), len(p))
			}
		}
	}
}

// TestCut joins the first blocks of one stream with new ones and then with others
// of the first, as is done where a chunk ends.
func TestCut(t *testing.T) {
	const block = Window
	e, again := new(Encoder), new(Encoder)
	for name, p := range inputs() {
		e.Reset(0)
		var blocks [][]byte
		for at := 0; at < len(p); at += block {
			blocks = append(blocks, e.Append(nil, p, at, min(at+block, len(p))))
		}
		for i := range blocks {
			begin := i * block
			again.Reset(begin)
			z := again.Append(nil, p, begin, min(begin+block, len(p)))
			for _, b := range blocks[i+1:] {
				z = append(z, b...)
			}
			got, err := decode(append(z, Tail[:]...))
			if err != nil || !bytes.Equal(got, p[begin:]) {
				t.Errorf("%s from block %d: %v", name, i, err)
			}
		}
	}
}

// TestPositions uses an encoder for so long that what its table counts starts anew.
func TestPositions(t *testing.T) {
	p := inputs()["text"][:MaxBlock]
	e := new(Encoder)
	for _, end := range []uint32{0, 1<<31 - 1, 1 << 31, 1<<31 + 1, 1<<31 + 1<<20} {
		e.end = end
		for _, first := range []int{0, 1000, MaxBlock - 100} {
			e.Reset(first)
			got, err := decode(append(e.Append(nil, p, first, len(p)), Tail[:]...))
			if err != nil || !bytes.Equal(got, p[first:]) {
				t.Errorf("end %d, first %d: %v", end, first, err)
			}
		}
	}
}

func TestRatio(t *testing.T) {
	e := new(Encoder)
	for name, most := range map[string]float64{"zeros": 0.004, "text": 0.45, "noise": 1.001} {
		p := inputs()[name]
		e.Reset(0)
		var z []byte
		for at := 0; at < len(p); at += MaxBlock {
			z = e.Append(z, p, at, min(at+MaxBlock, len(p)))
		}
		if got := float64(len(z)) / float64(len(p)); got > most {
			t.Errorf("%s becomes %.4f of itself, want at most %.4f", name, got, most)
		}
	}
}

// TestWindow uses the whole window, and no more.
func TestWindow(t *testing.T) {
	e := new(Encoder)
	size := func(p []byte) int {
		e.Reset(0)
		return len(e.Append(nil, p, 0, len(p)))
	}
	in := inputs()
	if far, further := size(in["far"]), size(in["further"]); far > further-60 {
		t.Errorf("%d bytes with 100 bytes at the end of the window, %d with none", far, further)
	}
}

func FuzzAppend(f *testing.F) {
	for _, p := range inputs() {
		f.Add(p[:min(len(p), 3000)], uint16(100), uint16(3))
	}
	e := new(Encoder)
	f.Fuzz(func(t *testing.T, p []byte, block, first uint16) {
		// Blocks of any size, of a stream that begins anywhere.
		at := min(int(first), len(p))
		want := p[at:]
		e.Reset(at)
		var z []byte
		for at < len(p) {
			to := min(at+1+int(block), len(p))
			z = e.Append(z, p, at, to)
			at = to
		}
		got, err := decode(append(z, Tail[:]...))
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%v, %d bytes of %d", err, len(got), len(want))
		}
	})
}
