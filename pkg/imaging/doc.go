// Package imaging writes disk images to disks and saves disks as images.
//
// [Write] goes through five chapters, in this order:
//
//	plan    everything that can be known is checked: which disk, whether it is
//	        free, what is on it, whether the image is one and fits. Nothing
//	        has been changed when this ends in a [RefusedError].
//	wipe    the old partition table, its backup and whatever else the first
//	        and last MiB of the disk hold become zeros, so that from now on the
//	        disk does not look like anything.
//	stream  the image is fetched, decoded and written, all at once, except for
//	        what would make the disk look whole: its first MiB and its backup
//	        partition table.
//	verify  the image was complete, its digests match, and all that was written
//	        is on stable storage.
//	commit  what was held back is written: the backup partition table, at the
//	        end of this disk, then the first MiB, its first sector last. The
//	        kernel rereads the partitions.
//
// A power cut, an error or a signal at any point leaves a disk without a
// partition table, or the complete and verified image.
//
// A regular file may stand for the disk. It is created, or emptied first, and
// becomes exactly as long as the image; with [WriteOptions.FileSize] it is
// a disk of that size, which an image must fit into like into any other.
//
// [Save] reads a disk into a zstd stream of many frames, which every zstd tool
// unpacks and which [Write] decodes on all cores.
package imaging
