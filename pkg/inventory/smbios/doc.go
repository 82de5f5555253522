// Package smbios reads the tables by which firmware describes a machine: the
// System Management BIOS Reference Specification, DMTF DSP0134 version 3.7.
// Implemented are the three kinds of entry points (anchors _SM3_, _SM_, _DMI_)
// and the structures of types 0 to 4, 7, 9, 16, 17, 38, 41, 42 and 43.
//
// Firmware is careless with these tables. What can be understood is decoded,
// what is wrong is told in Table.Faults, and nothing is believed about lengths:
// a field beyond the end of its structure is unknown, as is a string whose
// number is beyond the set. Strings are cleaned of white space, control
// characters and placeholders. (u-root's pkg/smbios gives up a whole table for
// one bad structure, decodes by reflection and keeps the placeholders.)
package smbios
