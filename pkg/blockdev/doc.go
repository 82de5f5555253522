// Package blockdev finds disks and reads and writes them: whole disks with
// their identity from sysfs, a selector language to name one, what holds a disk
// (mounts, swap, stacked devices, loop devices), and a Device that takes
// transfers of any alignment through O_DIRECT, zeroes, discards, and makes the
// kernel read the partition table again. Regular files work in place of disks
// wherever that means something.
//
// Linux only. The sources are Documentation/ABI/stable/sysfs-block, proc(5),
// open(2) on O_DIRECT and O_EXCL, and the BLK* ioctls of linux/fs.h and
// linux/blkpg.h.
package blockdev
