package xxhash_test

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/orbit-pxe/orbit/pkg/xxhash"
)

func TestKnown(t *testing.T) {
	for in, want := range map[string]uint64{
		"":    0xEF46DB3751D8E999,
		"a":   0xD24EC4F1A98C6E5B,
		"abc": 0x44BC2CF5AD770999,
	} {
		if got := xxhash.Sum64([]byte(in)); got != want {
			t.Errorf("hash of %q is %#x, want %#x", in, got, want)
		}
	}
}

// TestAsZstd compares with the checksums of another implementation, of every
// length that takes another way through the tail, written in pieces too.
func TestAsZstd(t *testing.T) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderCRC(true))
	if err != nil {
		t.Fatal(err)
	}
	defer enc.Close()
	rnd := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, 5000)
	for i := range data {
		data[i] = byte(rnd.Uint32())
	}
	for n := 1; n < 200; n++ {
		p := data[:n]
		if n > 150 {
			p = data[:n*25]
		}
		frame := enc.EncodeAll(p, nil)
		want := binary.LittleEndian.Uint32(frame[len(frame)-4:])
		if got := uint32(xxhash.Sum64(p)); got != want {
			t.Errorf("hash of %d bytes ends in %#x, want %#x", len(p), got, want)
		}
		h := xxhash.New()
		for rest := p; len(rest) > 0; {
			k := 1 + rnd.IntN(min(50, len(rest)))
			h.Write(rest[:k])
			rest = rest[k:]
		}
		if got := uint32(h.Sum64()); got != want {
			t.Errorf("hash of %d bytes in pieces ends in %#x, want %#x", len(p), got, want)
		}
	}
}

func BenchmarkSum64(b *testing.B) {
	p := make([]byte, 1<<20)
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		xxhash.Sum64(p)
	}
}
