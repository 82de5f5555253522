package deflate

import "math/bits"

// lenOrder is the order in which lengths of codes of lengths are written.
var lenOrder = [lenCodes]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// lenSym is the symbol of a length of a match, less 257, how many bits follow it,
// and how much they add.
func lenSym(n uint32) (sym, extra, add uint32) {
	n -= 3
	if n < 8 {
		return n, 0, 0
	}
	if n == maxMatch-3 {
		return 28, 0, 0
	}
	extra = uint32(bits.Len32(n)) - 3
	return extra<<2 + n>>extra, extra, n & (1<<extra - 1)
}

// distSym is the symbol of a distance less one.
func distSym(d uint32) (sym, extra, add uint32) {
	if d < 4 {
		return d, 0, 0
	}
	extra = uint32(bits.Len32(d)) - 2
	return extra<<1 + d>>extra, extra, d & (1<<extra - 1)
}

// count counts the symbols of the block p.
func (e *Encoder) count(p []byte) {
	lits, dists := &e.lits.freq, &e.dists.freq
	clear(lits[:])
	clear(dists[:distCodes])
	lits[endBlock] = 1
	for _, s := range e.seqs[:e.nseq] {
		for _, c := range p[:s.lits] {
			lits[c]++
		}
		p = p[s.lits+uint32(s.len):]
		sym, _, _ := lenSym(uint32(s.len))
		lits[257+sym]++
		sym, _, _ = distSym(uint32(s.dist))
		dists[sym]++
	}
	for _, c := range p {
		lits[c]++
	}
}

// plan chooses the codes and returns the size of the block in bits.
func (e *Encoder) plan() int {
	e.lits.build(litCodes, maxBits)
	e.dists.build(distCodes, maxBits)

	size := 3 + 8 + 8*5
	for sym, f := range &e.lits.freq {
		size += int(f) * int(e.lits.len[sym])
		if sym >= 265 && sym < 285 {
			size += int(f) * ((sym - 261) >> 2)
		}
	}
	for sym, f := range e.dists.freq[:distCodes] {
		size += int(f) * int(e.dists.len[sym])
		if sym >= 4 {
			size += int(f) * (sym>>1 - 1)
		}
	}
	return size + e.planLens()
}

// planLens turns the lengths of both codes into symbols, and chooses the code of
// these. It returns the size of all that in bits.
func (e *Encoder) planLens() int {
	e.nlit, e.ndist = litCodes, distCodes
	for e.lits.len[e.nlit-1] == 0 {
		e.nlit--
	}
	for e.dists.len[e.ndist-1] == 0 {
		e.ndist--
	}
	var all [litCodes + distCodes]uint8
	n := copy(all[:], e.lits.len[:e.nlit])
	n += copy(all[n:], e.dists.len[:e.ndist])

	clear(e.lens.freq[:lenCodes])
	e.nrun = 0
	for i := 0; i < n; {
		l := all[i]
		k := 1
		for i+k < n && all[i+k] == l {
			k++
		}
		i += k
		if l > 0 {
			e.run(uint16(l))
			k--
		}
		for k > 0 {
			switch {
			case l == 0 && k >= 11:
				m := min(k, 138)
				e.run(18 | uint16(m-11)<<5)
				k -= m
			case l == 0 && k >= 3:
				e.run(17 | uint16(k-3)<<5)
				k = 0
			case l > 0 && k >= 3:
				m := min(k, 6)
				e.run(16 | uint16(m-3)<<5)
				k -= m
			default:
				e.run(uint16(l))
				k--
			}
		}
	}
	e.lens.build(lenCodes, maxLenBits)
	e.nlen = lenCodes
	for e.nlen > 4 && e.lens.len[lenOrder[e.nlen-1]] == 0 {
		e.nlen--
	}
	size := 14 + 3*e.nlen
	for sym, f := range e.lens.freq[:lenCodes] {
		size += int(f) * int(e.lens.len[sym]+runBits[max(sym, 15)-15])
	}
	return size
}

// runBits is how many bits follow the symbols from 15 on.
var runBits = [4]uint8{0, 2, 3, 7}

//go:noinline
func (e *Encoder) run(r uint16) {
	e.runs[e.nrun] = r
	e.nrun++
	e.lens.freq[r&31]++
}

// write appends the block p, as planned, and what fills its last byte.
func (e *Encoder) write(dst, p []byte, size int) []byte {
	w := bitWriter{out: dst}
	e.writeHead(&w)
	e.writeBody(&w, p, size)
	// An empty stored block begins anywhere, and its content at a byte.
	w.put(0, 3)
	w.align()
	return append(w.out, 0, 0, 0xff, 0xff)
}

func (e *Encoder) writeHead(w *bitWriter) {
	w.put(2<<1, 3)
	w.put(uint64(e.nlit-257)|uint64(e.ndist-1)<<5|uint64(e.nlen-4)<<10, 14)
	for _, sym := range lenOrder[:e.nlen] {
		w.put(uint64(e.lens.len[sym]), 3)
	}
	for _, r := range e.runs[:e.nrun] {
		sym := r & 31
		w.put(uint64(e.lens.code[sym]), uint(e.lens.len[sym]))
		w.put(uint64(r>>5), uint(runBits[max(sym, 15)-15]))
	}
}
