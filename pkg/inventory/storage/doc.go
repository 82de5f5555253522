// Package storage collects the disks of a machine: docs/inventory.md, "disks".
//
// What sysfs knows needs no question to the disk: identity, where it is
// attached, size, link, and for most SATA disks the IDENTIFY DEVICE data in
// vital product data page 89h. What only the disk knows is asked for on the
// running machine alone, of all disks at once: health (NVMe SMART log, ATA
// SMART and device statistics, SCSI log pages), self-encryption, and what its
// first sectors say of partitions and filesystems. Everything is read only, a
// disk that sleeps is left asleep, and one that does not answer in time is
// described without.
//
// The decoders are in packages of their own: nvme, ata, scsi, tcg, superblock.
package storage
