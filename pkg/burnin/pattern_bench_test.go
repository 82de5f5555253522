package burnin

import "testing"

func BenchmarkPattern(b *testing.B) {
	words := make([]uint64, 4<<20)
	bad := func(int, uint64) { b.Fatal("it differs") }
	for _, n := range []int{0, 1} {
		p := patternAt(n, 7)
		b.Run("fill "+p.name, func(b *testing.B) {
			b.SetBytes(int64(8 * len(words)))
			for b.Loop() {
				p.fill(words, 0)
			}
		})
		b.Run("turn "+p.name, func(b *testing.B) {
			p.fill(words, 0)
			b.SetBytes(int64(8 * len(words)))
			for b.Loop() {
				p.turn(words, 0, false, bad)
				p = p.inverted()
			}
		})
		b.Run("turn back "+p.name, func(b *testing.B) {
			p.fill(words, 0)
			b.SetBytes(int64(8 * len(words)))
			for b.Loop() {
				p.turn(words, 0, true, bad)
				p = p.inverted()
			}
		})
		b.Run("compare "+p.name, func(b *testing.B) {
			p.fill(words, 0)
			b.SetBytes(int64(8 * len(words)))
			for b.Loop() {
				p.compare(words, 0, bad)
			}
		})
	}
}
