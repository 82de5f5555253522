package storage

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/storage/scsi"
)

// logSize is more than any of the log pages here has.
const logSize = 4096

// askSCSI asks a SAS or other SCSI disk for its health and whether it encrypts.
// Volumes of RAID controllers and virtual disks refuse most of it, which says
// nothing about them.
func askSCSI(d device, a *answer, disk hardware.Disk) error {
	if disk.Bus == "sas" { // and no volume of a controller
		found, err := discover(d)
		refused := scsi.Sense{}
		switch {
		case err == nil:
			a.sed = found.State()
		case errors.As(err, &refused) && refused.Unsupported():
			a.sed = "none"
		}
	}
	list, err := logPage(d, scsi.PageSupported)
	if err != nil {
		if e := unix.Errno(0); errors.As(err, &e) || errors.Is(err, errors.ErrUnsupported) {
			return err
		}
		return nil
	}
	var errs []error
	for _, step := range &logPages {
		if !list.Has(step.page) {
			continue
		}
		l, err := logPage(d, step.page)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		step.take(a, l)
	}
	header := make([]byte, 4)
	if n, _, err := d.scsi(scsi.GrownDefects(), header); err == nil {
		n, ok := scsi.ParseGrownDefects(header[:n])
		a.count(&a.readings.Reallocated, n, ok)
	}
	return errors.Join(errs...)
}

// logPages are what is read, and what of them is kept.
var logPages = [...]struct {
	page byte
	take func(*answer, scsi.Log)
}{
	{scsi.PageExceptions, (*answer).exceptions},
	{scsi.PageTemperature, func(a *answer, l scsi.Log) { t, ok := l.Temperature(); a.number(&a.readings.Temperature, t, ok) }},
	{scsi.PageStartStop, func(a *answer, l scsi.Log) { n, ok := l.Cycles(); a.count(&a.readings.PowerCycles, n, ok) }},
	{scsi.PageSolidState, func(a *answer, l scsi.Log) { n, ok := l.Wear(); a.number(&a.readings.Wear, n, ok) }},
	{scsi.PageBackground, func(a *answer, l scsi.Log) { n, ok := l.Minutes(); a.count(&a.readings.PowerOnHours, n/60, ok) }},
	{scsi.PageReads, func(a *answer, l scsi.Log) {
		n, ok := l.Bytes()
		a.count(&a.readings.BytesRead, n, ok)
		a.lost(l)
	}},
	{scsi.PageWrites, func(a *answer, l scsi.Log) {
		n, ok := l.Bytes()
		a.count(&a.readings.BytesWritten, n, ok)
		a.lost(l)
	}},
	{scsi.PageVerify, (*answer).lost},
}

// exceptions takes what the disk would report of itself.
func (a *answer) exceptions(l scsi.Log) {
	s, t, ok := l.Exception()
	if !ok {
		return
	}
	words, failing := s.Warning()
	a.healthy(!failing)
	if words != "" {
		a.warn(words)
	}
	a.number(&a.readings.Temperature, t, t > 0)
}

// lost adds the errors that were not corrected.
func (a *answer) lost(l scsi.Log) {
	n, ok := l.Uncorrected()
	if m := a.readings.MediaErrors; ok && m != nil {
		n, a.readings.MediaErrors = n+*m, nil
	}
	a.count(&a.readings.MediaErrors, n, ok)
}

func logPage(d device, page byte) (scsi.Log, error) {
	b := make([]byte, logSize)
	n, _, err := d.scsi(scsi.LogSense(page, logSize), b)
	if err != nil {
		return scsi.Log{}, fmt.Errorf("ask for log page %02xh: %w", page, err)
	}
	return scsi.ParseLog(b[:n], page)
}
