// Package lvm reads physical volumes of LVM2: which of their extents belong to
// logical volumes, by the metadata that every physical volume carries. All of
// the format lvm2 that matters for allocation is read: label, metadata areas
// with their ring of text, bootloader area, volume groups of one or several
// physical volumes. The older formats lvm1 and pool are not.
//
// The format has no specification besides the sources of LVM2 (the layouts in
// lib/label/label.h, lib/format_text/layout.h) and lvmvgcfg's text as
// described in man lvmsystemid, lvm.conf and pvcreate. All numbers are
// little-endian, a sector is 512 bytes whatever the disk says.
//
// The label lies in one of the first four sectors, usually the second:
//
//	 0  8  "LABELONE"
//	 8  8  number of this sector
//	16  4  checksum of this sector from byte 20 on
//	20  4  where in this sector the header of the physical volume begins (32)
//	24  8  "LVM2 001"
//
// The header of the physical volume, up to the end of the sector:
//
//	 0 32  UUID, without dashes
//	32  8  size of the device in bytes
//	40     data areas, metadata areas: each an offset (8) and a size (8) in
//	       bytes; each of the two lists ends in an offset of zero
//	       extension: version (4), flags (4, bit 0: in use by a group), list
//	       of bootloader areas
//
// A metadata area begins with a sector of its own; the rest of it is a ring
// of texts, one for each change to the group:
//
//	 0  4  checksum of this sector from byte 4 on
//	 4 16  " LVM2 x[5A%r0N*>"
//	20  4  version, 1
//	24  8  offset of this area on the device
//	32  8  size of this area
//	40 24  the text that counts: offset in this area (8), size (8), checksum
//	       (4), flags (4, bit 0: this area is not kept up to date)
//	64 24  the text that is about to count
//
// The checksums are CRC-32 with the usual polynomial, start 0xf597a6cf and no
// inversion.
package lvm
