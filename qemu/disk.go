package qemu

import (
	"fmt"
	"os"
	"strings"
)

// Bus is how a disk is attached.
type Bus string

const (
	Virtio Bus = "virtio" // /dev/vda
	SATA   Bus = "sata"   // /dev/sda, on an AHCI controller
	NVMe   Bus = "nvme"   // /dev/nvme0n1
)

// Disk is one disk of a node, kept in a raw file on the host.
type Disk struct {
	Bus        Bus
	Path       string  // raw file; made sparse with Size if it does not exist
	Size       int64   // bytes, for a new file
	SectorSize int     // logical, bytes; 0 = 512 (4096: virtio and nvme only)
	Serial     string  // "" = made from the index
	Log        string  // file for a log of its writes, see ReadLog; "" = none
	Faults     []Fault // what goes wrong with it
}

// Op is what a disk is asked to do.
type Op string

const (
	Read  Op = "read"
	Write Op = "write"
	Flush Op = "flush"
)

// Fault is a request that the disk answers with an I/O error, each time.
type Fault struct {
	Op    Op
	Off   int64 // bytes: a read or write of the sector there fails
	After int   // so many flushes succeed before they begin to fail
}

func driveName(index int) string { return fmt.Sprintf("disk%d", index) }

// options attaches the disk and makes its file.
func (d Disk) options(index int) ([]string, error) {
	if err := d.create(); err != nil {
		return nil, err
	}
	tail := fmt.Sprintf(",drive=%s,serial=%s,bootindex=%d", driveName(index), orString(d.Serial, fmt.Sprintf("RACK%04d", index)), 2+2*index)
	if d.SectorSize != 0 {
		tail += fmt.Sprintf(",logical_block_size=%d,physical_block_size=%[1]d", d.SectorSize)
	}
	args := []string{"-drive", d.drive(index)}
	switch d.Bus {
	case Virtio, "":
		args = append(args, "-device", "virtio-blk-pci"+tail)
	case NVMe:
		args = append(args, "-device", "nvme"+tail)
	case SATA:
		// q35 has an AHCI controller of its own, with six ports.
		args = append(args, "-device", fmt.Sprintf("ide-hd,bus=ide.%d", index)+tail)
	default:
		return nil, fmt.Errorf("bus %q unknown (want virtio, sata or nvme)", d.Bus)
	}
	return args, nil
}

// create makes the files that are not there. A log begins anew.
func (d Disk) create() error {
	if d.Log != "" {
		if err := os.WriteFile(d.Log, nil, 0o644); err != nil {
			return err
		}
	}
	if _, err := os.Stat(d.Path); !os.IsNotExist(err) {
		return err
	}
	f, err := os.Create(d.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(d.Size); err != nil {
		return fmt.Errorf("make a disk of %d bytes: %w", d.Size, err)
	}
	return nil
}

// drive stacks QEMU's block drivers on the file: raw, then the log, then the
// faults. Flushes pass through all of them, but do not reach the host's disk:
// what the guest wrote is visible to readers of the file anyway.
func (d Disk) drive(index int) string {
	options := []string{"if=none", "id=" + driveName(index), "driver=raw", "cache=writeback", "discard=unmap", "detect-zeroes=unmap"}
	at := "file."
	add := func(name, value string) { options = append(options, at+name+"="+strings.ReplaceAll(value, ",", ",,")) }
	if d.Log != "" {
		add("driver", "blklogwrites")
		add("log.driver", "file")
		add("log.filename", d.Log)
		add("log.cache.no-flush", "on")
		at += "file."
	}
	if len(d.Faults) > 0 {
		add("driver", "blkdebug")
		for i, f := range d.Faults {
			f.rules(i, add)
		}
		at += "image."
	}
	add("driver", "file")
	add("filename", d.Path)
	add("cache.no-flush", "on")
	return strings.Join(options, ",")
}

// rules are those of QEMU's blkdebug for the fault. Flushes that succeed are
// counted by its states, which begin at 1.
func (f Fault) rules(i int, add func(name, value string)) {
	inject := fmt.Sprintf("inject-error.%d.", i)
	add(inject+"iotype", string(f.Op))
	if f.Op != Flush {
		add(inject+"event", "none") // from the beginning
		add(inject+"sector", fmt.Sprint(f.Off/512))
		return
	}
	add(inject+"event", "flush_to_disk")
	add(inject+"state", fmt.Sprint(f.After+1))
	for n := range f.After {
		set := fmt.Sprintf("set-state.%d.", n)
		add(set+"event", "flush_to_disk")
		add(set+"state", fmt.Sprint(n+1))
		add(set+"new_state", fmt.Sprint(n+2))
	}
}
