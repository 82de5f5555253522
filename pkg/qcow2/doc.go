// Package qcow2 reads disk images in QEMU's qcow2 format, versions 2 and 3
// (docs/interop/qcow2.txt in the QEMU sources), at random and from many
// goroutines at once. It takes compressed clusters (deflate and zstd), zero
// clusters and extended L2 entries. Internal snapshots, refcounts and dirty
// bitmaps are passed over: they say nothing about the content of the disk.
// What needs more than this one file is refused: backing files, external data
// files, encryption.
//
// All numbers are big-endian. The header:
//
//	  0  4  "QFI\xfb"
//	  4  4  version, 2 or 3
//	  8  8  offset of the backing file's name, 0 for none
//	 16  4  length of that name
//	 20  4  cluster bits: clusters have 1 << bits bytes, 9 to 21
//	 24  8  virtual size in bytes
//	 32  4  encryption: 0 none, 1 AES, 2 LUKS
//	 36  4  number of L1 entries
//	 40  8  offset of the L1 table
//	 72  8  version 3: incompatible features, see the constants below
//	100  4  version 3: length of the header, 104 at least
//	104  1  version 3, if that long: compression, 0 deflate, 1 zstd
//
// The disk is cut into clusters. One L2 table is one cluster of entries for
// consecutive ones, 8 bytes each (16 if extended); the L1 table says where the
// L2 tables are:
//
//	L1 entry   bits 9-55 offset of the L2 table, 0 for none
//	L2 entry   bit 62 clear: bit 0 reads as zeros (version 3),
//	           bits 9-55 offset of the cluster, 0 for none
//	           bit 62 set: with x = 62 - (cluster bits - 8)
//	           bits 0 to x-1 offset of the compressed data, to the byte,
//	           bits x to 61 number of 512-byte sectors it reaches into
//	           besides the one it begins in
//	extended   a second word: bits 0-31 subcluster n is in the cluster,
//	           bits 32-63 subcluster n-32 reads as zeros
//
// Compressed data is a raw deflate stream or zstd frames, decodes to exactly
// one cluster, and may be followed by anything up to the end of its sectors.
package qcow2
