package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/hardware"
)

// questions are what one disk is asked.
type questions struct {
	c    collector
	sys  string // its directory in sysfs
	path string // of its device
	disk hardware.Disk
	tell func(note) // never blocks
}

// notesEach is how often tell is called for one disk at most.
const notesEach = 5

var errAsleep = errors.New("it sleeps and was not woken: health and contents are not known")

// ask asks for everything. Contents and health are asked for at the same time:
// each says something where the other cannot be had.
func (q questions) ask() {
	defer q.tell(note{last: true})
	q.try(q.attempt)
}

// attempt opens the disk and asks.
func (q questions) attempt() (nothing func(*hardware.Disk), err error) {
	if q.c.h.Text(q.sys+"/device/power/runtime_status") == "suspended" {
		return nil, errAsleep // any command would wake it
	}
	d, err := q.c.open(q.path)
	if err != nil && gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	kind := q.kind()
	if asleep(d, kind) {
		return nil, errAsleep
	}
	var wait sync.WaitGroup
	wait.Go(func() {
		q.try(func() (func(*hardware.Disk), error) {
			c, err := readTable(d, q.disk)
			if err != nil {
				return c.put, err
			}
			q.tell(note{put: c.put}) // there may be more partitions than time
			c, err = c.recognise(d, q.disk.Size)
			return c.put, err
		})
	})
	wait.Go(func() {
		q.try(func() (func(*hardware.Disk), error) {
			a, err := q.health(d, kind)
			return a.put, err
		})
	})
	wait.Wait()
	return nil, nil
}

// try tells what f finds. Hardware that lies in a new way must not take the
// other facts with it.
func (q questions) try(f func() (func(*hardware.Disk), error)) {
	var n note
	defer func() {
		if p := recover(); p != nil {
			n = note{err: fmt.Errorf("internal error: %v", p)}
		}
		q.tell(n)
	}()
	n.put, n.err = f()
}

// health asks what the disk says of itself.
func (q questions) health(d device, kind kind) (a answer, err error) {
	switch kind {
	case isNVMe:
		err = askNVMe(d, &a)
		if n, ok := q.c.h.Int(q.sys + "/nsid"); ok && strings.HasPrefix(q.disk.WWN, "nvme.") {
			err = errors.Join(err, askNamespace(d, &a, uint32(n)))
		}
	case isATA, maybeATA:
		err = askATA(d, &a, kind)
	case isSCSI:
		err = askSCSI(d, &a, q.disk)
	}
	if kind == maybeATA || errors.Is(err, errors.ErrUnsupported) {
		err = nil // many bridges pass no questions
	}
	return a, err
}

// gone tells what is no fault: the disk was unplugged or has no medium, or a
// copy of a machine's files has no device.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENOMEDIUM)
}

// kind is the language that a disk speaks.
type kind int

const (
	isOther kind = iota // virtio, MMC, Xen: there is nothing to ask
	isNVMe
	isATA    // behind the kernel's or a controller's translation
	maybeATA // a USB bridge, which may translate
	isSCSI
)

func (q questions) kind() kind {
	switch {
	case strings.HasPrefix(q.disk.Name, "nvme"):
		return isNVMe
	case !strings.HasPrefix(q.disk.Name, "sd"):
		return isOther
	case q.disk.Bus == "sata":
		return isATA
	case q.disk.Bus == "usb":
		// udev asks the same of these, and of no sticks and card readers.
		if q.disk.Removable {
			return isOther
		}
		return maybeATA
	}
	return isSCSI
}

// answer is what a disk said.
type answer struct {
	sed, security, firmware, namespace string
	rpm                                int
	readings                           hardware.DiskReadings
	any                                bool // there are readings
}

// put adds it to the disk's description.
func (a answer) put(d *hardware.Disk) {
	set := func(to *string, s string) {
		if s != "" {
			*to = s
		}
	}
	set(&d.SED, a.sed)
	set(&d.Security, a.security)
	set(&d.Firmware, a.firmware)
	set(&d.Namespace, a.namespace)
	if a.rpm > 0 {
		d.RPM = a.rpm
	}
	if a.any {
		d.Readings = &a.readings
	}
}

// count puts a count where it belongs, if there is one. Of two, the first
// counts. It is called in many places, and would fill pages if inlined.
//
//go:noinline
func (a *answer) count(to **int64, n int64, ok bool) {
	if ok && *to == nil {
		*to, a.any = &n, true
	}
}

// number is count for smaller numbers.
//
//go:noinline
func (a *answer) number(to **int, n int, ok bool) {
	if ok && *to == nil {
		*to, a.any = &n, true
	}
}

func (a *answer) healthy(is bool) { a.readings.Healthy, a.any = &is, true }

func (a *answer) warn(words string) {
	a.readings.Warnings, a.any = append(a.readings.Warnings, words), true
}
