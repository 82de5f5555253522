package device

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/orbit-pxe/orbit/pkg/inventory/smbios"
)

// longest is the most characters of a device's words: a USB string has 126.
const longest = 128

// words are what a device says of itself. Whoever made it may have put anything
// there, so only one line of printable characters is left; placeholders are no
// words.
func words(s string) string {
	var b strings.Builder
	n, space := 0, false
	for len(s) > 0 && n < longest {
		r, size := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && size == 1 || r == ' ' || !strconv.IsPrint(r) {
			space = true
		} else {
			if space && n > 0 {
				b.WriteByte(' ')
				n++
			}
			space = false
			b.WriteString(s[:size])
			n++
		}
		s = s[size:]
	}
	return smbios.Clean(b.String())
}
