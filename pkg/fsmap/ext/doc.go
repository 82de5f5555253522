// Package ext reads ext2, ext3 and ext4 from their metadata on the disk: which
// blocks are in use, and the inodes and block maps that lie behind a journal.
//
// The format is the one of the kernel's Documentation/filesystems/ext4. All
// features up to Linux 6.12 that bear on what is allocated are understood:
// 64bit, flex_bg, meta_bg, bigalloc, sparse_super and sparse_super2, resize
// inodes, multiple mount protection, uninit_bg and metadata_csum, whose
// checksums of superblock, group descriptors and block bitmaps are verified.
//
//	offset 0      boot area, 1024 bytes
//	offset 1024   superblock
//	next block    group descriptors (with meta_bg: one block in each meta group)
//	per group     block bitmap, inode bitmap, inode table: where its descriptor says
//
// A journal that has to be replayed is read too (the jbd2 part of the same
// document), because it may hold block bitmaps that are newer than the ones in
// place. Nothing is ever replayed: a block is in use if any copy says so.
package ext
