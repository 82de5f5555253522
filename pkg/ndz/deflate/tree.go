package deflate

import "math/bits"

const (
	litCodes  = 286
	distCodes = 30
	lenCodes  = 19
	endBlock  = 256

	// maxBits is the longest code of a literal, a length or a distance. The
	// format allows 15; with 14, four literals fit into what is written at once.
	maxBits = 14

	// maxLenBits is the longest code of the length of a code.
	maxLenBits = 7
)

// tree is a Huffman code.
type tree struct {
	freq [litCodes]uint32
	len  [litCodes]uint8
	code [litCodes]uint16 // first bit lowest

	sorted, swap [litCodes]uint32 // symbols that occur: freq<<9 | symbol
}

// build chooses the lengths of the codes of the first n symbols, of at most limit
// bits. At least two symbols get one, so that no code is incomplete.
func (t *tree) build(n, limit int) {
	have := 0
	for sym := range n {
		t.len[sym] = 0
		if f := t.freq[sym]; f > 0 {
			t.sorted[have] = f<<9 | uint32(sym)
			have++
		}
	}
	for sym := 0; have < 2; sym++ {
		if t.freq[sym] == 0 {
			t.sorted[have] = 1<<9 | uint32(sym)
			have++
		}
	}
	syms := t.sorted[:have]
	sort(syms, t.swap[:have])

	var count [33]int // codes of a length
	w := t.swap[:have]
	for i, s := range syms {
		w[i] = s >> 9
	}
	depths(w)
	for _, d := range w {
		count[min(int(d), limit)]++
	}
	balance(&count, limit)

	// The rarest symbols get the longest codes.
	at := 0
	for l := limit; l > 0; l-- {
		for range count[l] {
			t.len[syms[at]&511] = uint8(l)
			at++
		}
	}
	t.assign(n, &count)
}

// depths turns weights, in ascending order, into the depths of their leaves in a
// Huffman tree, in descending order: in place, after Moffat and Katajainen.
func depths(a []uint32) {
	n := len(a)
	// Every inner node, in the place of some leaf behind, gets its weight, then
	// the place of its parent.
	a[0] += a[1]
	root, leaf := 0, 2
	for next := 1; next < n-1; next++ {
		if leaf >= n || a[root] < a[leaf] {
			a[next] = a[root]
			a[root] = uint32(next)
			root++
		} else {
			a[next] = a[leaf]
			leaf++
		}
		if leaf >= n || root < next && a[root] < a[leaf] {
			a[next] += a[root]
			a[root] = uint32(next)
			root++
		} else {
			a[next] += a[leaf]
			leaf++
		}
	}
	a[n-2] = 0
	for next := n - 3; next >= 0; next-- {
		a[next] = a[a[next]] + 1
	}
	// What is not an inner node at a depth is a leaf.
	avail, depth := 1, uint32(0)
	inner, next := n-2, n-1
	for avail > 0 {
		used := 0
		for inner >= 0 && a[inner] == depth {
			used++
			inner--
		}
		for avail > used {
			a[next] = depth
			next--
			avail--
		}
		avail = 2 * used
		depth++
	}
}

// balance makes a complete code of one whose codes were cut to limit bits.
func balance(count *[33]int, limit int) {
	total := 0 // of the space of codes, in codes of limit bits
	for l := 1; l <= limit; l++ {
		total += count[l] << (limit - l)
	}
	for ; total > 1<<limit; total-- {
		// One of the longest codes moves next to a shorter one, which gets longer
		// by a bit for that.
		count[limit]--
		l := limit - 1
		for count[l] == 0 {
			l--
		}
		count[l]--
		count[l+1] += 2
	}
}

// assign gives out the codes (RFC 1951, section 3.2.2).
func (t *tree) assign(n int, count *[33]int) {
	var next [16]uint16
	code := 0
	for l := 1; l < 16; l++ {
		code = (code + count[l-1]) << 1
		next[l] = uint16(code)
	}
	for sym := range n {
		if l := t.len[sym]; l > 0 {
			t.code[sym] = bits.Reverse16(next[l]) >> (16 - l)
			next[l]++
		}
	}
}

// sort orders symbols by how often they occur, which is at most MaxBlock/2 or so
// times: it looks at 18 bits, and symbols stay in order otherwise.
func sort(a, tmp []uint32) {
	for _, shift := range [2]uint{9, 18} {
		var at [512]uint16
		for _, v := range a {
			at[v>>shift&511]++
		}
		sum := uint16(0)
		for i, n := range at {
			at[i] = sum
			sum += n
		}
		for _, v := range a {
			d := v >> shift & 511
			tmp[at[d]] = v
			at[d]++
		}
		a, tmp = tmp, a
	}
}
