// Package adapt fits a system that was just written onto a disk to the disk
// and to the machine: the last partition and its filesystem grow to the disk's
// end, and the system gets a name, a machine-id, keys and files of its own.
//
// Nothing of the system is run and no tool is needed. A filesystem is mounted
// detached, so that it appears in no directory and goes away with its last
// descriptor, however the process ends. It is grown by its own driver:
//
//	ext2, 3, 4  EXT4_IOC_RESIZE_FS, linux/fs/ext4/resize.c
//	xfs         XFS_IOC_FSGROWFSDATA, xfsprogs libxfs/xfs_fs.h
//	btrfs       BTRFS_IOC_RESIZE, linux/btrfs.h
//	swap        its header is written anew, linux/swap.h
//
// Paths inside the system mean what they mean to the system: an absolute
// symbolic link starts at its root, and below a mount point of its fstab the
// filesystem that belongs there is looked for on the same disk. os.Root makes
// sure that nothing outside is touched, whatever the links say.
//
// Files are written under another name first, made durable together, and then
// renamed: a power cut leaves each file whole, old or new.
package adapt
