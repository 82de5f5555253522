package image

import (
	"crypto/sha256"
	"math/rand/v2"
	"testing"
)

// The choice of the digest; GODEBUG=cpu.sha=off shows machines without SHA
// instructions.
func BenchmarkDigest(b *testing.B) {
	span := make([]byte, Span)
	rand.NewChaCha8([32]byte{}).Read(span)
	b.Run("blake3", func(b *testing.B) {
		b.SetBytes(Span)
		for b.Loop() {
			Sum(span)
		}
	})
	b.Run("sha256", func(b *testing.B) {
		b.SetBytes(Span)
		for b.Loop() {
			sha256.Sum256(span)
		}
	})
}
