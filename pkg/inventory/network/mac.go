package network

import (
	"encoding/hex"
	"strings"
)

// mac writes an interface's address: that of Ethernet as it is; of InfiniBand's
// 20 bytes the last 8, the port's GUID, because the first change from boot to
// boot. It is "" for other lengths and for all zeros.
func mac(b []byte) string {
	if len(b) == 20 {
		b = b[12:]
	} else if len(b) != 6 {
		return ""
	}
	var zero byte
	for _, x := range b {
		zero |= x
	}
	if zero == 0 {
		return ""
	}
	digits := hex.EncodeToString(b)
	pairs := make([]string, len(b))
	for i := range pairs {
		pairs[i] = digits[2*i : 2*i+2]
	}
	return strings.Join(pairs, ":")
}

// parseMAC reads an address as sysfs writes it.
func parseMAC(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, ":", ""))
	if err != nil {
		return nil
	}
	return b
}
