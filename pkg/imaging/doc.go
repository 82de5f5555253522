// Package imaging writes disk images to disks and saves disks as images.
//
// [Write] goes through five chapters, in this order:
//
//	plan    everything that can be known is checked: which disk, whether it is
//	        free, what is on it, whether the image is one, is to be trusted, and
//	        fits. Nothing has been changed when this ends in a [RefusedError].
//	wipe    before the first byte is changed, the old partition tables, their
//	        backups and whatever else the disk and its old partitions could be
//	        known by become zeros, so that from now on the disk does not look
//	        like anything.
//	write   an image with an index is compared with the disk, span by span, and
//	        what differs is fetched, decoded, checked and written; any other one
//	        is fetched, decoded and written from its first byte to its last.
//	        What would make the disk look whole is held back: the first MiB and
//	        the partition tables.
//	verify  the image was complete, its digests match, and all that was written
//	        is on stable storage, and read back if that is wanted.
//	commit  what was held back is written: the backup partition table, at the
//	        end of this disk, then the first MiB, its first sector last. The
//	        kernel rereads the partitions.
//
// A power cut, an error or a signal at any point leaves a disk without a
// partition table, or the complete and verified image. Writing again goes on from
// there: what the disk holds already is not fetched. A disk that holds all of the image
// is not changed.
//
// An image may come by multicast ([Room]): then chunks of its file arrive in any
// order, once for a whole room, and HTTP brings the rest. Of an .ndz that comes by
// multicast alone the chunks with the head of the disk are received first.
//
// A regular file may stand for the disk. It is created, or emptied first, and
// becomes exactly as long as the image; with [WriteOptions.FileSize] it is
// a disk of that size, which an image must fit into like into any other.
//
// [Save] goes through these:
//
//	survey  package layout tells what of the disk is in use, package scrub what
//	        is to be left out
//	pack    used ranges are read, hashed and compressed on all cores, in spans,
//	        and written in order as package image says
//	publish the image gets its name, complete and durable
package imaging
