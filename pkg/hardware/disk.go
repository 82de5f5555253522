package hardware

// Disk is one physical disk, as a person who may have to replace it sees it.
type Disk struct {
	ID        string `json:"id"`             // WWN or EUI, else model and serial number, else its path
	Name      string `json:"name"`           // kernel's: sda, nvme0n1
	Path      string `json:"path,omitempty"` // where it is attached, as udev's by-path: "pci-0000:00:1f.2-ata-1"
	Model     string `json:"model,omitempty"`
	Vendor    string `json:"vendor,omitempty"`
	Serial    string `json:"serial,omitempty"`
	WWN       string `json:"wwn,omitempty"`       // "naa.5000c500a1b2c3d4", "eui.0025385b71b01234", as the kernel writes it
	Namespace string `json:"namespace,omitempty"` // EUI-64 or NGUID, as an NVMe disk says of which the kernel does not believe it; may be that of others too
	Firmware  string `json:"firmware,omitempty"`
	Size      int64  `json:"size"`               // bytes
	Sector    int    `json:"sector,omitempty"`   // logical, bytes
	Physical  int    `json:"physical,omitempty"` // physical sector, bytes
	Bus       string `json:"bus,omitempty"`      // nvme, sata, sas, scsi, virtio, usb, mmc
	Driver    string `json:"driver,omitempty"`   // of its controller
	Address   string `json:"address,omitempty"`  // PCI address of its controller

	Rotational bool   `json:"rotational,omitempty"`
	RPM        int    `json:"rpm,omitempty"`
	Removable  bool   `json:"removable,omitempty"`
	ReadOnly   bool   `json:"read_only,omitempty"` // write-protected
	SED        string `json:"sed,omitempty"`       // self-encryption: "none", "supported", "enabled", "locked"
	Security   string `json:"security,omitempty"`  // ATA security: "disabled", "enabled", "locked", "frozen"
	Link       string `json:"link,omitempty"`      // "6.0 Gbps", "8.0 GT/s x4"

	Table      string      `json:"table,omitempty"` // "gpt", "mbr"; absent: none
	TableID    string      `json:"table_id,omitempty"`
	Filesystem *Filesystem `json:"filesystem,omitempty"` // of a disk without a table; of one with a table, if it is a member of a RAID set as well
	Partitions []Partition `json:"partitions,omitempty"`

	Readings *DiskReadings `json:"readings,omitempty"`
}

// Partition is a part of a disk.
type Partition struct {
	ID         string      `json:"id"` // its number
	Name       string      `json:"name,omitempty"`
	Start      int64       `json:"start"` // bytes
	Size       int64       `json:"size"`
	Type       string      `json:"type,omitempty"` // GUID, or two hexadecimal digits
	UUID       string      `json:"uuid,omitempty"`
	Label      string      `json:"label,omitempty"` // of the partition
	Filesystem *Filesystem `json:"filesystem,omitempty"`
}

// Filesystem is what a partition holds.
type Filesystem struct {
	Type  string `json:"type"` // ext4, xfs, btrfs, vfat, ntfs, swap, LVM2_member, crypto_LUKS, ...
	UUID  string `json:"uuid,omitempty"`
	Label string `json:"label,omitempty"`
}

// DiskReadings is a disk's state of health: NVMe's SMART log, or ATA SMART.
type DiskReadings struct {
	Healthy       *bool    `json:"healthy,omitempty"`     // in its own opinion
	Warnings      []string `json:"warnings,omitempty"`    // what it warns of
	Temperature   *int     `json:"temperature,omitempty"` // degrees Celsius
	Wear          *int     `json:"wear,omitempty"`        // percent of its life used; may pass 100
	Spare         *int     `json:"spare,omitempty"`       // percent of spare blocks left
	PowerOnHours  *int64   `json:"power_on_hours,omitempty"`
	PowerCycles   *int64   `json:"power_cycles,omitempty"`
	UnsafeStops   *int64   `json:"unsafe_shutdowns,omitempty"`
	BytesRead     *int64   `json:"bytes_read,omitempty"`
	BytesWritten  *int64   `json:"bytes_written,omitempty"`
	MediaErrors   *int64   `json:"media_errors,omitempty"`
	Reallocated   *int64   `json:"reallocated_sectors,omitempty"`
	Pending       *int64   `json:"pending_sectors,omitempty"`
	Uncorrectable *int64   `json:"uncorrectable_sectors,omitempty"`
	CRCErrors     *int64   `json:"crc_errors,omitempty"` // of the cable
}
