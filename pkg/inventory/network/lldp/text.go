package lldp

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// text makes one line of what a stranger wrote: no control characters, no
// broken UTF-8, no runs of blanks. It is never longer than what was there.
func text(b []byte) string {
	line := strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError:
			return '?'
		case !strconv.IsPrint(r):
			return ' '
		}
		return r
	}, string(b))
	return strings.Join(strings.Fields(line), " ")
}

// readable tells text from binary data. Some end text with a zero.
func readable(s string) bool {
	s = strings.TrimRight(s, "\x00")
	for _, r := range s {
		if r == utf8.RuneError || !strconv.IsPrint(r) {
			return false
		}
	}
	return s != ""
}
