package inflate

import "math/bits"

// entry is what a table says about the next bits of the input:
//
//	bits 0-7    how many bits to consume: code word and extra bits
//	bits 8-11   how many of them are the code word; of a link, the bits that
//	            index the second table
//	bits 13-15  flags: end of block, link, and irregular, which is set along
//	            with the others and alone for what has no meaning
//	bits 16-30  the literal, the base of a length or distance, or where the
//	            second table starts
//	bit 31      flag: literal
type entry = uint32

const (
	endOfBlock entry = 1 << 13
	link       entry = 1 << 14
	irregular  entry = 1 << 15
	literal    entry = 1 << 31

	valueShift = 16
	wordShift  = 8
)

const (
	maxBits   = 15 // of a code word
	lengthKey = 11 // bits that index the first table of literals and lengths
	offsetKey = 8  // the same of distances
	symbolKey = 7  // the same of code lengths, which need no second table

	// maxOffsetBits is what the longest code word of a distance and the most
	// extra bits take.
	maxOffsetBits = maxBits + 13

	literals  = 256
	maxCounts = 288 + 32
)

// The sizes of the tables are the most that a complete code of so many
// symbols, such a key and words of 15 bits can fill.
type (
	lengthTable [2342]entry
	offsetTable [402]entry
	symbolTable [1 << symbolKey]entry
)

// lengthValues are the entries of the symbols from 256 on (RFC 1951, section
// 3.2.5), without their code words. The last two have no meaning.
var lengthValues = [...]entry{
	irregular | endOfBlock,
	3 << 16, 4 << 16, 5 << 16, 6 << 16, 7 << 16, 8 << 16, 9 << 16, 10 << 16,
	11<<16 | 1, 13<<16 | 1, 15<<16 | 1, 17<<16 | 1,
	19<<16 | 2, 23<<16 | 2, 27<<16 | 2, 31<<16 | 2,
	35<<16 | 3, 43<<16 | 3, 51<<16 | 3, 59<<16 | 3,
	67<<16 | 4, 83<<16 | 4, 99<<16 | 4, 115<<16 | 4,
	131<<16 | 5, 163<<16 | 5, 195<<16 | 5, 227<<16 | 5,
	258 << 16, irregular, irregular,
}

// offsetValues are the same for distances.
var offsetValues = [...]entry{
	1 << 16, 2 << 16, 3 << 16, 4 << 16,
	5<<16 | 1, 7<<16 | 1, 9<<16 | 2, 13<<16 | 2,
	17<<16 | 3, 25<<16 | 3, 33<<16 | 4, 49<<16 | 4,
	65<<16 | 5, 97<<16 | 5, 129<<16 | 6, 193<<16 | 6,
	257<<16 | 7, 385<<16 | 7, 513<<16 | 8, 769<<16 | 8,
	1025<<16 | 9, 1537<<16 | 9, 2049<<16 | 10, 3073<<16 | 10,
	4097<<16 | 11, 6145<<16 | 11, 8193<<16 | 12, 12289<<16 | 12,
	16385<<16 | 13, 24577<<16 | 13, irregular, irregular,
}

// builder makes tables from the lengths of code words. It is the scratch space
// for that.
type builder struct {
	lens   [maxCounts]uint8  // the lengths of a block's two codes
	counts [maxBits + 1]int  // code words of each length
	sorted [maxCounts]uint16 // symbols by length, then by number
}

// alphabet is what the symbols of a code stand for: first a number of
// literals, then values.
type alphabet struct {
	literals int
	values   []entry
}

// value returns the entry of a symbol, but for its code word.
func (a *alphabet) value(symbol int) entry {
	if symbol < a.literals {
		return literal | entry(symbol)<<valueShift
	}
	return a.values[symbol-a.literals]
}

// shape is how well code words fill the space of codes.
type shape uint8

const (
	empty shape = iota
	single
	complete
	broken
)

// sort orders the symbols for build and judges the code.
func (b *builder) sort(lens []uint8) shape {
	b.counts = [maxBits + 1]int{}
	for _, n := range lens {
		b.counts[n&maxBits]++
	}
	var starts [maxBits + 1]int
	used, start := 0, 0
	for n := 1; n <= maxBits; n++ {
		starts[n] = start
		start += b.counts[n]
		used += b.counts[n] << (maxBits - n)
	}
	for symbol, n := range lens {
		if n &= maxBits; n != 0 {
			b.sorted[starts[n]] = uint16(symbol)
			starts[n]++
		}
	}
	switch {
	case used == 1<<maxBits:
		return complete
	case start == 0:
		return empty
	case start == 1 && b.counts[1] == 1:
		return single
	}
	return broken
}

// build fills a table with the code that was sorted last, the first 1<<key
// entries being the first table.
func (b *builder) build(table []entry, key int, form shape, letters alphabet) {
	if form != complete {
		// What is not a code word has no meaning.
		table[0], table[1] = irregular|1, irregular|1
		if form == single {
			table[0] = letters.value(int(b.sorted[0])) + 1<<wordShift + 1
		}
		for size := 2; size < 1<<key; size *= 2 {
			copy(table[size:2*size], table[:size])
		}
		return
	}
	// Code words count up from zero, their highest bit first, but the lowest
	// bit of the input is its first: so word is kept reversed. Every first
	// table of n bits is two copies of that of n-1 bits and what has n bits.
	next, word := 0, 0
	for n := 1; n <= key; n++ {
		if n > 1 {
			copy(table[1<<(n-1):1<<n], table[:1<<(n-1)])
		}
		for range b.counts[n] {
			table[word] = letters.value(int(b.sorted[next])) + entry(n)<<wordShift + entry(n)
			word = following(word, n)
			next++
		}
	}
	b.buildSecond(table, key, letters, next, word)
}

// buildSecond fills the second tables, for code words that are longer than
// key: the symbols from next on, the first of which has this word.
func (b *builder) buildSecond(table []entry, key int, letters alphabet, next, word int) {
	prefix, start, end, second := -1, 0, 1<<key, 0
	for n := key + 1; n <= maxBits; n++ {
		rest := n - key
		for left := b.counts[n]; left > 0; left-- {
			if p := word & (1<<key - 1); p != prefix {
				// A table starts. It is as wide as the code words that
				// share the prefix need to be.
				prefix, start, second = p, end, rest
				for space, m := left, n; space < 1<<second; {
					m++
					second++
					space = space<<1 + b.counts[m]
				}
				end = start + 1<<second
				table[prefix] = irregular | link | entry(start)<<valueShift | entry(second)<<wordShift | entry(key)
			}
			e := letters.value(int(b.sorted[next])) + entry(rest)<<wordShift + entry(rest)
			for i := start + word>>key; i < end; i += 1 << rest {
				table[i] = e
			}
			word = following(word, n)
			next++
		}
	}
}

// following returns the reversed code word of n bits after this one, zero
// after the last.
func following(word, n int) int {
	zeros := word ^ (1<<n - 1)
	if zeros == 0 {
		return 0
	}
	high := 1 << (bits.Len(uint(zeros)) - 1)
	return word&(high-1) | high
}
