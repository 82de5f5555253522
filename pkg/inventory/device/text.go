package device

import "github.com/orbit-pxe/orbit/pkg/inventory/smbios"

// longest is the most characters of a device's words: a USB string has 126.
const longest = 128

// words are what a device says of itself. Whoever made it may have put anything
// there, so only a short line of printable characters is left; placeholders are
// no words.
func words(s string) string {
	s = smbios.Clean(s[:min(len(s), 4096)]) // a page, the most that sysfs has
	n := 0
	for i := range s {
		if n == longest {
			return smbios.Clean(s[:i])
		}
		n++
	}
	return s
}
