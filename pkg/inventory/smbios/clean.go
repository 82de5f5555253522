// Package smbios reads the tables by which firmware describes a machine: the
// System Management BIOS Reference Specification, DSP0134 version 3.7.
package smbios

import "strings"

// Clean blanks what makers leave in when they forget to fill a field.
func Clean(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	switch strings.ToLower(strings.Trim(s, ".")) {
	case "to be filled by o.e.m", "not specified", "default string", "none", "n/a", "system serial number",
		"system product name", "system manufacturer", "0", "0123456789", "00000000-0000-0000-0000-000000000000":
		return ""
	}
	return s
}

// CleanUUID is a UUID in lower case, "" if it is one that boards share.
func CleanUUID(s string) string {
	s = strings.ToLower(Clean(s))
	if s == "03000200-0400-0500-0006-000700080009" {
		return ""
	}
	return s
}
