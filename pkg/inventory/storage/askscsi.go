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
	found, err := discover(d)
	refused := scsi.Sense{}
	switch {
	case err == nil:
		a.sed = found.State()
	case disk.Bus == "sas" && errors.As(err, &refused) && refused.Unsupported():
		a.sed = "none"
	}
	list, err := logPage(d, scsi.PageSupported)
	if err != nil {
		if e := unix.Errno(0); errors.As(err, &e) || errors.Is(err, errors.ErrUnsupported) {
			return err
		}
		return nil
	}
	r := &a.readings
	var errs []error
	read := func(page byte, use func(scsi.Log)) {
		if !list.Has(page) {
			return
		}
		l, err := logPage(d, page)
		if err != nil {
			errs = append(errs, err)
			return
		}
		use(l)
	}
	read(scsi.PageExceptions, func(l scsi.Log) {
		s, t, ok := l.Exception()
		if !ok {
			return
		}
		words, failing := s.Warning()
		a.healthy(!failing)
		if words != "" {
			a.warn("%s", words)
		}
		a.number(&r.Temperature, t, t > 0)
	})
	read(scsi.PageTemperature, func(l scsi.Log) {
		t, ok := l.Temperature()
		a.number(&r.Temperature, t, ok)
	})
	read(scsi.PageStartStop, func(l scsi.Log) {
		n, ok := l.Cycles()
		a.count(&r.PowerCycles, n, ok)
	})
	read(scsi.PageSolidState, func(l scsi.Log) {
		n, ok := l.Wear()
		a.number(&r.Wear, n, ok)
	})
	read(scsi.PageBackground, func(l scsi.Log) {
		n, ok := l.Minutes()
		a.count(&r.PowerOnHours, n/60, ok)
	})
	var lost int64
	known := false
	uncorrected := func(l scsi.Log) {
		n, ok := l.Uncorrected()
		lost, known = lost+n, known || ok
	}
	read(scsi.PageReads, func(l scsi.Log) {
		n, ok := l.Bytes()
		a.count(&r.BytesRead, n, ok)
		uncorrected(l)
	})
	read(scsi.PageWrites, func(l scsi.Log) {
		n, ok := l.Bytes()
		a.count(&r.BytesWritten, n, ok)
		uncorrected(l)
	})
	read(scsi.PageVerify, uncorrected)
	a.count(&r.MediaErrors, lost, known)
	header := make([]byte, 4)
	if n, _, err := d.scsi(scsi.GrownDefects(), header); err == nil {
		n, ok := scsi.ParseGrownDefects(header[:n])
		a.count(&r.Reallocated, n, ok)
	}
	return errors.Join(errs...)
}

func logPage(d device, page byte) (scsi.Log, error) {
	b := make([]byte, logSize)
	n, _, err := d.scsi(scsi.LogSense(page, logSize), b)
	if err != nil {
		return scsi.Log{}, fmt.Errorf("ask for log page %02xh: %w", page, err)
	}
	return scsi.ParseLog(b[:n], page)
}
