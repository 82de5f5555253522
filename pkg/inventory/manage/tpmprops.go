package manage

import (
	"errors"
	"fmt"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/smbios"
)

// Properties of a TPM: TPM_PT.
const (
	firstProperty    = 0x100
	ptManufacturer   = 0x105
	ptVendorString   = 0x106 // and the next three
	ptFirmware       = 0x10b // and the next
	ptReadAtOnce     = 0x12c // TPM_PT_NV_BUFFER_MAX
	mostProperties   = 64
	leastReadAtOnce  = 32
	normalReadAtOnce = 512
	mostReadAtOnce   = 2048
)

type properties map[uint32]uint32

// properties asks for those that are the same from start to start.
func (t tpm2) properties() (properties, error) {
	list, err := t.list(capProperties, firstProperty, mostProperties, 2)
	if err != nil {
		return nil, err
	}
	p := properties{}
	for i := 0; i < len(list); i += 2 {
		p[list[i]] = list[i+1]
	}
	if p[ptManufacturer] == 0 {
		return nil, errors.New("it doesn't tell its maker")
	}
	return p, nil
}

func (p properties) describe() hardware.TPM {
	t := hardware.TPM{Version: "2.0", Vendor: smbios.Clean(letters(p[ptManufacturer]))}
	model := ""
	for i := range uint32(4) {
		model += letters(p[ptVendorString+i])
	}
	t.Model = smbios.Clean(model)
	if a, b := p[ptFirmware], p[ptFirmware+1]; a != 0 || b != 0 {
		c, d := b>>16, b&0xffff
		if t.Vendor == "IFX" { // which gives the last part 8 bits
			c, d = b>>8&0xffff, b&0xff
		}
		t.Firmware = fmt.Sprintf("%d.%d.%d.%d", a>>16, a&0xffff, c, d)
	}
	return t
}

// chunk is how much can be read from its memory at once.
func (p properties) chunk() uint32 {
	n := p[ptReadAtOnce]
	if n < leastReadAtOnce {
		return normalReadAtOnce
	}
	return min(n, mostReadAtOnce)
}

// letters are the four of a number, without the padding.
func letters(n uint32) string {
	s := string([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
	return strings.ReplaceAll(s, "\x00", "")
}
