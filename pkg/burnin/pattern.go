package burnin

import "fmt"

// pattern is what memory is filled with: word i is base + step × i, which are
// constants and addresses, or a scrambled one.
type pattern struct {
	name       string
	base, step uint64
	scrambled  bool
	invert     uint64 // all ones: the complement
}

// word is the word of the pattern at an index.
func (p *pattern) word(i uint64) uint64 {
	if p.scrambled {
		return mix(p.base+i) ^ p.invert
	}
	return p.base + p.step*i ^ p.invert
}

func (p pattern) inverted() *pattern { p.invert = ^p.invert; return &p }

// mix scatters the bits of x: the finaliser of SplitMix64 (Steele, Lea, Flood 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// patternAt is the nth pattern of those that follow one another without end: each
// word's own address, random ones, and each bit alone walking through the word. All
// are tried inverted, too, which makes walking zeros of walking ones.
func patternAt(n int, seed uint64) *pattern {
	fixed := []pattern{
		{name: "addresses", step: 8},
		{name: "random", scrambled: true},
		{name: "zeros and ones"},
		{name: "checkerboard", base: 0x5555555555555555},
		{name: "stripes", base: 0x00ff00ff00ff00ff},
	}
	// Every fourth one is random again.
	if n >= len(fixed) && n%4 != 0 {
		bit := uint(n-n/4) * 27 % 64 // neighbours in time are not neighbours in the word
		return &pattern{name: fmt.Sprintf("bit %d", bit), base: 1 << bit}
	}
	p := pattern{name: "random", scrambled: true}
	if n < len(fixed) {
		p = fixed[n]
	}
	if p.scrambled {
		p.base = mix(seed + uint64(n))
	}
	return &p
}

// fill writes the pattern. first is the index of words[0].
func (p *pattern) fill(words []uint64, first uint64) {
	invert := p.invert
	if p.scrambled {
		x := p.base + first
		for i := range words {
			words[i] = mix(x) ^ invert
			x++
		}
		return
	}
	x, step := p.base+p.step*first, p.step
	for i := range words {
		words[i] = x ^ invert
		x += step
	}
}

// turn compares words with the pattern, writes their complement in its place, and
// calls bad where they differ: from the first word to the last, or backwards.
func (p *pattern) turn(words []uint64, first uint64, backwards bool, bad func(i int, got uint64)) {
	begin, end, by := 0, len(words), 1
	if backwards {
		begin, end, by = len(words)-1, -1, -1
	}
	invert, i := p.invert, begin
	if p.scrambled {
		for x := p.base + first + uint64(begin); i != end; i, x = i+by, x+uint64(by) {
			want := mix(x) ^ invert
			if got := words[i]; got != want {
				bad(i, got)
			}
			words[i] = ^want
		}
		return
	}
	step := p.step * uint64(by)
	for x := p.base + p.step*(first+uint64(begin)); i != end; i, x = i+by, x+step {
		want := x ^ invert
		if got := words[i]; got != want {
			bad(i, got)
		}
		words[i] = ^want
	}
}

// compare is turn without the writing.
func (p *pattern) compare(words []uint64, first uint64, bad func(i int, got uint64)) {
	invert := p.invert
	if p.scrambled {
		x := p.base + first
		for i, got := range words {
			if got != mix(x)^invert {
				bad(i, got)
			}
			x++
		}
		return
	}
	x, step := p.base+p.step*first, p.step
	for i, got := range words {
		if got != x^invert {
			bad(i, got)
		}
		x += step
	}
}
