package btrfs

import (
	"encoding/hex"
	"strings"
	"testing"
)

// The values are of b2sum -l 256. All four algorithms are proven by the
// filesystems that mkfs.btrfs and the kernel sum.
func TestBLAKE2b(t *testing.T) {
	for _, v := range []struct {
		name, in, want string
	}{
		{"empty", "", "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8"},
		{"abc", "abc", "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319"},
		{"block", strings.Repeat("a", 128), "ae2aa48507885c4c950fb809b2076f959cde9f8ea6da260d9a3587df33dac450"},
		{"blocks", strings.Repeat("a", 300), "3c1292de00a518e36823f9ff908ac2da46be38718c018713403461df077e15f6"},
	} {
		t.Run(v.name, func(t *testing.T) {
			got := blake2b([]byte(v.in))
			if hex.EncodeToString(got[:]) != v.want {
				t.Errorf("got %x, want %s", got, v.want)
			}
		})
	}
}
