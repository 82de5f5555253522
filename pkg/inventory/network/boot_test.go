package network

import (
	"encoding/binary"
	"testing"
	"unicode/utf16"
)

// loadOption is a variable Boot#### with a device path.
func loadOption(path string) string {
	b := binary.LittleEndian.AppendUint32(nil, 7) // attributes of the variable
	b = binary.LittleEndian.AppendUint32(b, 1)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(path)))
	for _, c := range utf16.Encode([]rune("UEFI PXEv4\x00")) {
		b = binary.LittleEndian.AppendUint16(b, c)
	}
	return string(b) + path
}

const (
	acpiNode = "\x02\x01\x0c\x00\xd0\x41\x03\x0a\x00\x00\x00\x00"
	pciNode  = "\x01\x01\x06\x00\x00\x03"
	macNode  = "\x03\x0b\x25\x00\x52\x54\x00\x12\x34\x56" + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" + "\x01"
	ipv4Node = "\x03\x0c\x1b\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	endNode  = "\x7f\xff\x04\x00"
)

func TestBoot(t *testing.T) {
	const (
		efi  = "sys/firmware/efi/efivars/"
		guid = "-8be4df61-93ca-11d2-aa0d-00e098032b8c"
	)
	for _, test := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"nobody tells", nil, ""},
		{"command line", map[string]string{"proc/cmdline": "orbit.foo=1 BOOTIF=01-AA-BB-CC-DD-EE-FF quiet\n"}, "aa:bb:cc:dd:ee:ff"},
		{"UEFI", map[string]string{"proc/cmdline": "quiet\n", efi + "BootCurrent" + guid: "\x06\x00\x00\x00\x0a\x00",
			efi + "Boot000A" + guid: loadOption(acpiNode + pciNode + macNode + ipv4Node + endNode)}, "52:54:00:12:34:56"},
		{"UEFI from a disk", map[string]string{efi + "BootCurrent" + guid: "\x06\x00\x00\x00\x0a\x00",
			efi + "Boot000A" + guid: loadOption(acpiNode + pciNode + endNode + macNode)}, ""},
		{"UEFI without the option", map[string]string{efi + "BootCurrent" + guid: "\x06\x00\x00\x00\x0a\x00"}, ""},
		{"UEFI, cut off", map[string]string{efi + "BootCurrent" + guid: "\x06\x00\x00\x00\x0a"}, ""},
		{"iSCSI", map[string]string{"sys/firmware/ibft/ethernet0/flags": "1\n", "sys/firmware/ibft/ethernet0/mac": "52:54:00:00:00:01\n",
			"sys/firmware/ibft/ethernet1/flags": "3\n", "sys/firmware/ibft/ethernet1/mac": "52:54:00:00:00:02\n",
			"sys/firmware/ibft/target0/flags": "3\n"}, "52:54:00:00:00:02"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Boot(plant(t, test.files)); got != test.want {
				t.Errorf("booted by %q, want %q", got, test.want)
			}
		})
	}
}

func FuzzLoadOption(f *testing.F) {
	whole := loadOption(acpiNode + pciNode + macNode + ipv4Node + endNode)[4:]
	f.Add([]byte(whole))
	f.Add([]byte(whole[:30]))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got := loadOptionMAC(b); got != "" && len(got) != len("52:54:00:12:34:56") {
			t.Errorf("address %q", got)
		}
	})
}
