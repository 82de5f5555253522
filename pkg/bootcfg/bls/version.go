package bls

import (
	"cmp"
	"strings"
)

// CompareVersions orders versions as the UAPI Version Format Specification
// does: below 0 when a is older than b. "~" sorts before everything, then the
// end of the string, "-", "^", ".", then letters and digits; runs of digits
// compare as numbers.
func CompareVersions(a, b string) int {
	for {
		a, b = strings.TrimLeftFunc(a, ignored), strings.TrimLeftFunc(b, ignored)
		if lead := special(a, b, '~', -1); lead != 0 {
			return lead
		}
		if a == "" || b == "" {
			if both(a, b, '~') {
				a, b = a[1:], b[1:]
				continue
			}
			return cmp.Compare(len(a), len(b))
		}
		if both(a, b, '~') || both(a, b, '-') || both(a, b, '^') || both(a, b, '.') {
			a, b = a[1:], b[1:]
			continue
		}
		for _, c := range []byte("-^.") {
			if lead := special(a, b, c, -1); lead != 0 {
				return lead
			}
		}
		if digit(rune(a[0])) || digit(rune(b[0])) {
			na, nb := run(&a, digit), run(&b, digit)
			na, nb = strings.TrimLeft(na, "0"), strings.TrimLeft(nb, "0")
			if c := cmp.Or(cmp.Compare(len(na), len(nb)), strings.Compare(na, nb)); c != 0 {
				return c
			}
			continue
		}
		la, lb := run(&a, letter), run(&b, letter)
		if c := strings.Compare(la, lb); c != 0 {
			return c
		}
	}
}

// special is lead where only a begins with c, -lead where only b does, else 0.
func special(a, b string, c byte, lead int) int {
	inA, inB := a != "" && a[0] == c, b != "" && b[0] == c
	switch {
	case inA && !inB:
		return lead
	case inB && !inA:
		return -lead
	}
	return 0
}

func both(a, b string, c byte) bool { return a != "" && b != "" && a[0] == c && b[0] == c }

// run cuts the longest beginning of *s that consists of one class.
func run(s *string, class func(rune) bool) string {
	rest := strings.TrimLeftFunc(*s, class)
	head := (*s)[:len(*s)-len(rest)]
	*s = rest
	return head
}

func digit(r rune) bool  { return r >= '0' && r <= '9' }
func letter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

// ignored are the characters outside the specification's alphabet.
func ignored(r rune) bool { return !digit(r) && !letter(r) && !strings.ContainsRune("~-^.", r) }
