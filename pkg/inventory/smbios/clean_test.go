package smbios_test

import (
	"testing"

	"github.com/orbit-pxe/orbit/pkg/inventory/smbios"
)

func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		"  PowerEdge   R430 ":                  "PowerEdge R430",
		"To be filled by O.E.M.":               "",
		"To Be Filled By O.E.M. (by O.E.M.)":   "",
		"Default string":                       "",
		"  Not Specified":                      "",
		"None":                                 "",
		"N/A":                                  "",
		"[Empty]":                              "",
		"<Not Available>":                      "",
		"System Serial Number":                 "",
		"Type2 - Board Serial Number":          "",
		"0123456789":                           "",
		"0":                                    "",
		"0000000000":                           "",
		"0x00000000":                           "",
		"FFFFFFFF":                             "",
		"ffff":                                 "",
		"xxxxxxx":                              "",
		"x.x":                                  "",
		"----":                                 "",
		"........":                             "",
		"\xff\xff\xff\xff":                     "",
		"\x01\x02":                             "",
		"":                                     "",
		"00000000-0000-0000-0000-000000000000": "",
		"sku":                                  "sku", // somebody's, in short
		"0001":                                 "0001",
		"F":                                    "F",
		"FF0":                                  "FF0",
		"1.0":                                  "1.0",
		"x11":                                  "x11",
		".5RJ8NK2.CNIVC0083A0123.":             ".5RJ8NK2.CNIVC0083A0123.",
		"Gehäuse":                              "Gehäuse",
		"Geh\xe4use":                           "Geh use", // Latin-1 is not told from rubbish
		"S/N\t42\r\n":                          "S/N 42",
	} {
		if got := smbios.Clean(text); got != want {
			t.Errorf("Clean(%q) = %q; want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"4C4C4544-0042-3510-8052-B4C04F4E4E32": "4c4c4544-0042-3510-8052-b4c04f4e4e32",
		"03000200-0400-0500-0006-000700080009": "",
		"FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF": "",
		"00000000-0000-0000-0000-ac1f6b010203": "00000000-0000-0000-0000-ac1f6b010203",
	} {
		if got := smbios.CleanUUID(text); got != want {
			t.Errorf("CleanUUID(%q) = %q; want %q", text, got, want)
		}
	}
}
