package api

import "time"

// Hello is a node's first word to the head, sent each time the agent starts.
type Hello struct {
	MAC      string   `json:"mac"`                // of the interface it reached the head by: the node's name at the head
	MACs     []string `json:"macs,omitempty"`     // every Ethernet interface
	Address  string   `json:"address,omitempty"`  // its address on that interface
	UUID     string   `json:"uuid,omitempty"`     // SMBIOS system UUID
	Serial   string   `json:"serial,omitempty"`   // SMBIOS system serial number
	Product  string   `json:"product,omitempty"`  // SMBIOS manufacturer and product
	Firmware string   `json:"firmware,omitempty"` // "bios" or "uefi"
	CPUs     int      `json:"cpus,omitempty"`
	Memory   int64    `json:"memory,omitempty"` // bytes
	Disks    []Disk   `json:"disks,omitempty"`
	Version  string   `json:"version,omitempty"` // of the agent
	Boot     string   `json:"boot,omitempty"`    // the kernel's boot_id: another one, another boot
	Uptime   float64  `json:"uptime,omitempty"`  // seconds since the kernel started
}

// Disk is what identifies and sizes one disk.
type Disk struct {
	Path     string `json:"path"`          // /dev/nvme0n1
	Size     int64  `json:"size"`          // bytes
	Sector   int    `json:"sector"`        // logical sector, bytes
	Physical int    `json:"physical"`      // physical sector, bytes
	Bus      string `json:"bus,omitempty"` // nvme, sata, scsi, virtio, usb, mmc
	Model    string `json:"model,omitempty"`
	Serial   string `json:"serial,omitempty"`
	WWN      string `json:"wwn,omitempty"`
}

// JobState is how far a job is, as the head knows.
type JobState string

const (
	Assigned  JobState = "assigned" // waiting for the node
	Running   JobState = "running"
	Succeeded JobState = "succeeded"
	Broken    JobState = "failed"
)

// Node is the head's record of one node.
type Node struct {
	ID      string    `json:"id"` // MAC address, lower case, colons
	Hello   *Hello    `json:"hello,omitempty"`
	Job     *Job      `json:"job,omitempty"`
	State   JobState  `json:"state,omitempty"`   // of Job
	Events  []Event   `json:"events,omitempty"`  // of Job; progress events thinned
	Console string    `json:"console,omitempty"` // last failure in words
	Held    string    `json:"held,omitempty"`    // why the head keeps Job back though the node asked for it
	Seen    time.Time `json:"seen,omitzero"`     // last word from the node
}
