package manage

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
)

// guid asks for the machine's GUID, as the text that is the machine's UUID where
// it is the same; for the controller's own if it doesn't know that.
func (send ipmi) guid(ctx context.Context, uuid string) (string, error) {
	for _, c := range []ipmiCommand{getSystemGUID, getDeviceGUID} {
		b, err := send.ask(ctx, 16, c)
		if unanswered(err) {
			return "", fmt.Errorf("ask the BMC for its GUID: %w", err)
		}
		if err == nil {
			return guidText([16]byte(b), uuid), nil
		}
	}
	return "", nil // both are optional
}

// guidText writes a GUID. IPMI wants the bytes of RFC 4122 from the last to the
// first (section 20.8); most makers send them as SMBIOS has them, some as the
// RFC has them. So what makes it the machine's own UUID counts, else what makes
// it one of a version there is, else the order in which they came, which Linux
// and ipmitool show too.
func guidText(b [16]byte, uuid string) string {
	if b == [16]byte{} || b == [16]byte(slices.Repeat([]byte{0xff}, 16)) {
		return ""
	}
	smbios, reversed := b, b
	slices.Reverse(smbios[0:4])
	slices.Reverse(smbios[4:6])
	slices.Reverse(smbios[6:8])
	slices.Reverse(reversed[:])
	orders := [][16]byte{smbios, reversed, b}
	for _, o := range orders {
		if text := hyphens(o); text == uuid {
			return text
		}
	}
	for _, o := range orders {
		if version := o[6] >> 4; version >= 1 && version <= 5 && o[8]&0xc0 == 0x80 {
			return hyphens(o)
		}
	}
	return hyphens(b)
}

func hyphens(b [16]byte) string {
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
