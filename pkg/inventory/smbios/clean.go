package smbios

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// placeholders are what makers leave in when they forget to fill a field, in
// lower case, with a bar before and after each.
const placeholders = "|to be filled|" +
	"not specified|not available|not applicable|not provided|not defined|not set|not present|not settable|not asset tag|" +
	"default string|default|none|null|n/a|na|nil|unknown|unknow|undefined|unspecified|invalid|empty|no string|x.x|" +
	"oem|o.e.m|system manufacturer|system product name|system name|system version|system serial number|system sku|" +
	"system sku number|system family|system uuid|product name|serial number|sku number|chassis manufacture|chassis manufacturer|chassis version|" +
	"chassis serial number|chassis asset tag|base board manufacturer|base board product name|base board version|" +
	"base board serial number|base board asset tag|board manufacturer|board product name|board version|board serial number|board asset tag|" +
	"asset tag|asset-1234567890|no asset tag|no asset information|no asset tag information|type1family|type1sku|" +
	"0123456789|1234567890|123456789|01234567890123456789|012345678|bsn12345678901234567|" +
	"03000200-0400-0500-0006-000700080009|ffffffff-ffff-ffff-ffff-ffffffffffff|" +
	"00000000-0000-0000-0000-000000000000|00020003-0004-0005-0006-000700080009|"

// Clean makes a string fit to show: without control characters, with single
// spaces, and blank if it is a placeholder or filled with one digit or sign.
func Clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	low := strings.ToLower(strings.Trim(s, ".[]<>()\"'#: "))
	if low == "" || strings.Contains(placeholders, "|"+low+"|") || filled(low) {
		return ""
	}
	for _, begin := range []string{"type2 - board ", "type3 - chassis ", "oem chassis ", "to be filled by "} {
		if strings.HasPrefix(low, begin) {
			return ""
		}
	}
	return s
}

// filled tells whether a string is nothing but the digit 0 or f, the letter x, or
// signs: "0x00000000", "FFFFFFFF", "xx-xx", "---".
func filled(low string) bool {
	low = strings.TrimPrefix(low, "0x")
	first := rune(0)
	for _, r := range low {
		switch {
		case r != '0' && r != 'f' && r != 'x' && (unicode.IsLetter(r) || unicode.IsDigit(r)):
			return false
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			if first != 0 && r != first {
				return false
			}
			first = r
		}
	}
	return first != 'f' && first != 'x' || strings.Count(low, string(first)) > 3
}

// CleanUUID is a UUID in lower case, "" if it is one that boards share.
func CleanUUID(s string) string { return strings.ToLower(Clean(s)) }

// module cleans what is said of a memory module: makers of firmware number their
// placeholders by slots there.
func module(s structure, at int) string {
	text := s.text(at)
	low := strings.ToLower(strings.TrimRight(text, "0123456789ABCDEF"))
	switch low = strings.TrimRight(low, "_-. "); low {
	case "sernum", "serialnum", "partnum", "assettag", "assettagnum", "array_assettagnum", "modulepartnumber", "moduleserialnumber",
		"manufacturer", "array_manufacturer", "array_sernum", "array_partnum", "no dimm", "no module installed":
		return ""
	}
	if strings.Contains(strings.ToLower(text), "_assettag") { // "DIMM_A1_AssetTag", "P1-DIMMA1_AssetTag (date:20/12)"
		return ""
	}
	return text
}
