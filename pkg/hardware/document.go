// Package hardware is the vocabulary of inventories: the document that the
// inventory command prints, nodes send and the head keeps, version 1.
// Package schema has its JSON Schema, docs/inventory.md explains it.
//
// Rules that hold everywhere in it: a fact that is not known is absent. Sizes
// are in bytes. Whatever is a member of a list has an id that stays the same
// from boot to boot as long as the thing is the same. What changes by itself on
// an unchanged machine (temperatures, counters, link state) stands in an object
// named readings; names that the kernel gives in the order of its finds stand in
// name. Both are left out of comparisons.
package hardware

import "time"

// Schema names the version of the document.
const Schema = "orbit-inventory/1"

// Document describes one machine.
type Document struct {
	Schema string   `json:"schema"`
	ID     string   `json:"id"`             // of the machine: its UUID, else its serial number, else its lowest MAC address
	Only   []string `json:"only,omitempty"` // the sections that were asked for; absent: all

	System   *System   `json:"system,omitempty"`
	Firmware *Firmware `json:"firmware,omitempty"`
	TPM      *TPM      `json:"tpm,omitempty"`
	BMC      *BMC      `json:"bmc,omitempty"`
	CPUs     []CPU     `json:"cpus,omitempty"` // one per socket
	NUMA     []NUMA    `json:"numa,omitempty"`
	Memory   *Memory   `json:"memory,omitempty"`
	Disks    []Disk    `json:"disks,omitempty"`
	NICs     []NIC     `json:"nics,omitempty"`
	Wireless []Radio   `json:"wireless,omitempty"`
	PCI      []PCI     `json:"pci,omitempty"`
	USB      []USB     `json:"usb,omitempty"`
	GPUs     []GPU     `json:"gpus,omitempty"`
	SDRs     []SDR     `json:"sdrs,omitempty"`

	SerialPorts []SerialPort `json:"serial_ports,omitempty"`
	Watchdogs   []Watchdog   `json:"watchdogs,omitempty"`
	Sensors     []Sensor     `json:"sensors,omitempty"`

	Burnin *Burnin `json:"burnin,omitempty"` // the last one that ended

	Errors   []Problem `json:"errors,omitempty"` // what could not be learned, in order of Collector
	Readings *Taken    `json:"readings,omitempty"`
}

// Problem is a collector that failed, wholly or in part.
type Problem struct {
	ID    string `json:"id"` // name of the collector
	Error string `json:"error"`
}

// Taken says when and how a document was made.
type Taken struct {
	Time       time.Time     `json:"time"`
	Kernel     string        `json:"kernel,omitempty"`  // release of the system that looked
	Version    string        `json:"version,omitempty"` // of Orbit
	Boot       string        `json:"boot,omitempty"`    // the kernel's boot_id: another one, another boot
	Took       float64       `json:"took"`              // seconds
	Collectors []CollectTime `json:"collectors,omitempty"`
}

// CollectTime is how long one collector took.
type CollectTime struct {
	ID   string  `json:"id"`
	Took float64 `json:"took"` // seconds
}
