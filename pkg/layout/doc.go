// Package layout says what of a whole disk is in use: partition table, boot
// areas, and in each partition or LVM2 volume what its filesystem says.
//
// What is kept, besides the blocks in use of filesystems that are understood:
//
//   - Everything before the first partition, up to 32 MiB: sector 0, the table,
//     what GRUB embeds behind it, the loaders of ARM boards.
//   - Both copies of a GPT, all extended boot records, and the last MiB of the
//     disk, where firmware RAID and Windows' dynamic disks have their
//     metadata.
//   - The first and the last MiB of every other gap between partitions, so a
//     gap of less than 2 MiB as a whole. The rest of a gap is nobody's.
//   - Behind a filesystem that is smaller than its partition: a MiB and a 32nd
//     of its size, because hash trees of dm-verity lie there without any
//     signature, and the last MiB of the partition.
//   - What the entries of a hybrid MBR cover and no GPT partition of the same
//     place does.
//
// A volume is saved whole where there is any doubt: if it is unknown; if its
// filesystem refuses (fsmap.UnsafeError) or cannot be read; if it may be two
// things at once, such as a filesystem with the superblock of an md mirror
// behind it; if it has partitions of its own; if its partition's type is one
// of RAID, encryption, dynamic disks or disklabels. So is the whole disk if
// the table is broken or contradicts itself, if something was put on the disk
// as a whole beside a table with partitions, and if a suspended system lies in
// a swap area: it remembers more of its filesystems than they tell. All of
// that comes with a warning.
//
// A disk without a table is one volume; so is one whose boot sector names no
// partition, or a single one that begins at byte 0.
//
// In LVM2 a linear volume that is on one physical volume is mapped by its
// filesystem; all other kinds count as a whole.
package layout
