package deflate

// bitWriter appends bits, the first the lowest of its byte.
type bitWriter struct {
	out []byte
	acc uint64
	n   uint // bits in acc
}

// put appends the n lowest bits of v, at most 32; the others are zero. It is of no
// use where speed counts.
//
//go:noinline
func (w *bitWriter) put(v uint64, n uint) {
	w.acc |= v << w.n
	for w.n += n; w.n >= 8; w.n -= 8 {
		w.out = append(w.out, byte(w.acc))
		w.acc >>= 8
	}
}

// align fills the last byte.
func (w *bitWriter) align() {
	if w.n > 0 {
		w.out = append(w.out, byte(w.acc))
		w.acc, w.n = 0, 0
	}
}
