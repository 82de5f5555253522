// Package partition reads and writes disk partition tables: GPT (UEFI 2.10,
// chapter 5) with sectors of 512 and 4096 bytes, and MBR with primary,
// extended and logical partitions (the chain of extended boot records that
// Linux walks in block/partitions/msdos.c). It works on bytes and io
// interfaces only; asking the kernel to look at a table is package blockdev's.
//
// What a table means is decided as Linux does it: GPT needs a protective MBR
// (an entry of type 0xEE that starts at LBA 1), otherwise the MBR counts.
//
// A GPT disk of N sectors, S = sectors of the entry array (32 for 128 entries
// of 128 bytes in 512-byte sectors, 4 in 4096-byte ones):
//
//	LBA 0        protective MBR
//	LBA 1        primary header
//	LBA 2        primary entries, S sectors
//	LBA 2+S      first usable sector (tools align partitions to 1 MiB)
//	LBA N-2-S    last usable sector
//	LBA N-1-S    backup entries
//	LBA N-1      backup header
//
// The header, little-endian:
//
//	 0  8  "EFI PART"
//	 8  4  revision, 0x00010000
//	12  4  header size in bytes, 92 to one sector
//	16  4  CRC-32 of the header with this field zero
//	20  4  reserved
//	24  8  LBA of this header
//	32  8  LBA of the other header
//	40  8  first usable LBA
//	48  8  last usable LBA, inclusive
//	56 16  disk GUID
//	72  8  LBA of the entries
//	80  4  number of entries
//	84  4  size of one entry, 128 times a power of two
//	88  4  CRC-32 of the entries
//
// One entry: type GUID (16), own GUID (16), first LBA (8), last LBA inclusive
// (8), attributes (8), name in UTF-16 (72).
package partition
