package smbios

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// Table is what the firmware says. The zero value says nothing. What is not
// known is zero; lists stand in the table's order, which is the firmware's and
// stays the same from boot to boot.
type Table struct {
	Major, Minor int // version of the specification; 0.0: not known

	BIOS    BIOS
	System  System
	Board   Board
	Chassis Chassis

	Processors     []Processor
	Caches         []Cache
	Slots          []Slot
	Onboard        []Onboard
	MemoryArrays   []MemoryArray
	MemoryDevices  []MemoryDevice
	IPMI           []IPMI
	HostInterfaces []HostInterface
	TPMs           []TPM

	// Faults tell what is wrong with the table, in words: at most a dozen.
	Faults []string

	damaged bool // structures may be missing
	boards  int  // how well Board is known to be the main board
}

// The most structures of one type, and of faults, that are kept. The largest
// servers have some hundred structures of a type; a table of garbage can have
// 170000.
const (
	mostOfType = 2048
	mostFaults = 12
)

// Where Linux shows the tables.
const (
	entryFile = "/sys/firmware/dmi/tables/smbios_entry_point"
	tableFile = "/sys/firmware/dmi/tables/DMI"
)

// Read reads the machine's table. A machine without one has an empty Table and no
// error. With an error the table may be incomplete: what the kernel itself has
// read at boot, /sys/class/dmi/id, stands in for what is missing of types 0 to 3.
// The table is never nil.
func Read(h sysfs.Host) (*Table, error) {
	raw, err := h.Bytes(tableFile)
	if err != nil {
		t := &Table{}
		t.fill(h)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			err = nil
		case errors.Is(err, fs.ErrPermission):
			err = errors.New("read SMBIOS table: only root may (run as root for serial numbers, memory modules and sockets)")
		default:
			err = fmt.Errorf("read SMBIOS table: %w", err)
		}
		return t, err
	}
	entry, err := h.Bytes(entryFile)
	t := Parse(entry, raw)
	if err != nil {
		err = fmt.Errorf("read SMBIOS entry point: %w", err)
	}
	if t.damaged {
		t.fill(h)
		err = errors.Join(err, t.Err())
	}
	return t, err
}

// Err is the table's faults as one error, nil if there are none.
func (t *Table) Err() error {
	if len(t.Faults) == 0 {
		return nil
	}
	return errors.New("SMBIOS table is faulty (newer firmware may have a better one): " + strings.Join(t.Faults, "; "))
}

// Version is the version of the specification the table follows, "" if not known.
func (t *Table) Version() string {
	if t.Major == 0 && t.Minor == 0 {
		return ""
	}
	return fmt.Sprintf("%d.%d", t.Major, t.Minor)
}

// Parse decodes a table with the entry point that led to it. It takes whatever
// bytes there are.
func Parse(entry, table []byte) *Table {
	t := &Table{}
	e, fault := parseEntry(entry)
	if fault != "" {
		t.fault(fault)
	}
	t.Major, t.Minor = e.major, e.minor
	if e.length > 0 && len(table) > e.length {
		table = table[:e.length]
	}
	if !e.maximum && len(table) < e.length {
		t.damage(fmt.Sprintf("it has %d bytes, not %d", len(table), e.length))
	}
	t.walk(table, e.count, e.maximum)
	return t
}

// decode adds what a structure says.
func (t *Table) decode(s structure) {
	// The least lengths of types 0 to 43, all in version 2.0 or the first that has the type.
	const least = "\x12\x08\x08\x09\x1a\x00\x00\x0f\x00\x0c\x00\x00\x00\x00\x00\x00\x0f\x15\x00\x00\x00\x00" +
		"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10\x00\x00\x0b\x09\x12"
	if int(s.kind) < len(least) && !s.has(int(least[s.kind])) {
		t.fault(fmt.Sprintf("%v of %d bytes is too short", s, len(s.data)))
		return
	}
	switch s.kind {
	case 0:
		t.bios(s)
	case 1:
		t.system(s)
	case 2:
		t.board(s)
	case 3:
		t.chassis(s)
	case 4:
		t.processor(s)
	case 7:
		t.cache(s)
	case 9:
		t.slot(s)
	case 16:
		t.memoryArray(s)
	case 17:
		t.memoryDevice(s)
	case 38:
		t.ipmi(s)
	case 41:
		t.onboard(s)
	case 42:
		t.hostInterface(s)
	case 43:
		t.tpm(s)
	}
}

// fault notes something wrong that leaves the rest sound.
func (t *Table) fault(words string) {
	switch {
	case len(t.Faults) < mostFaults-1:
		t.Faults = append(t.Faults, words)
	case len(t.Faults) == mostFaults-1:
		t.Faults = append(t.Faults, "and more")
	}
}

// damage notes something wrong by which structures may be missing.
func (t *Table) damage(words string) {
	t.damaged = true
	t.fault(words)
}
