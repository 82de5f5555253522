package deflate

import "slices"

// packed is a code and what follows it: the bits, and how many from bit 24 on.
type packed uint32

func pack(bits, n uint32) packed { return packed(bits | n<<24) }

func (p packed) bits() uint64 { return uint64(p & (1<<24 - 1)) }
func (p packed) len() uint    { return uint(p >> 24) }

// writeBody writes the literals and matches of the block p, and its end.
func (e *Encoder) writeBody(w *bitWriter, p []byte, size int) {
	lits, lens, dists := &e.lit, &e.length, &e.dist
	for sym := range lits {
		lits[sym] = pack(uint32(e.lits.code[sym]), uint32(e.lits.len[sym]))
	}
	for n := range uint32(len(lens)) {
		sym, extra, add := lenSym(n + 3)
		l := uint32(e.lits.len[257+sym])
		lens[n] = pack(uint32(e.lits.code[257+sym])|add<<l, l+extra)
	}
	for sym := range dists {
		dists[sym] = pack(uint32(e.dists.code[sym]), uint32(e.dists.len[sym]))
	}

	out := slices.Grow(w.out, size/8+16)
	at := len(out)
	out = out[:cap(out)]
	acc, n := w.acc, w.n // n is at most 7 whenever bytes have been written
	seqs := e.seqs[:e.nseq]
	for i := 0; ; i++ {
		q := p
		if i < len(seqs) {
			q = p[:seqs[i].lits]
		}
		p = p[len(q):]
		for len(q) >= 4 {
			a, b, c, d := lits[q[0]], lits[q[1]], lits[q[2]], lits[q[3]]
			acc |= a.bits() << (n & 63)
			n += a.len()
			acc |= b.bits() << (n & 63)
			n += b.len()
			acc |= c.bits() << (n & 63)
			n += c.len()
			acc |= d.bits() << (n & 63)
			n += d.len()
			q = q[4:]
			le.PutUint64(out[at:], acc)
			at += int(n >> 3)
			acc >>= n & 0x38
			n &= 7
		}
		if len(q) > 0 {
			for _, c := range q {
				a := lits[c]
				acc |= a.bits() << (n & 63)
				n += a.len()
			}
			le.PutUint64(out[at:], acc)
			at += int(n >> 3)
			acc >>= n & 0x38
			n &= 7
		}
		if i == len(seqs) {
			break
		}
		s := seqs[i]
		p = p[s.len:]
		a := lens[s.len-3]
		acc |= a.bits() << (n & 63)
		n += a.len()
		sym, extra, add := distSym(uint32(s.dist))
		a = dists[sym]
		acc |= a.bits() << (n & 63)
		n += a.len()
		acc |= uint64(add) << (n & 63)
		n += uint(extra)
		le.PutUint64(out[at:], acc)
		at += int(n >> 3)
		acc >>= n & 0x38
		n &= 7
	}
	w.out, w.acc, w.n = out[:at], acc, n
	w.put(lits[endBlock].bits(), lits[endBlock].len())
}
