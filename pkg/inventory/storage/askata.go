package storage

import (
	"fmt"

	"github.com/orbit-pxe/orbit/pkg/inventory/storage/ata"
	"github.com/orbit-pxe/orbit/pkg/inventory/storage/scsi"
	"github.com/orbit-pxe/orbit/pkg/inventory/storage/tcg"
)

// asleep tells whether the next question would have a disk spin up. These
// questions do not.
func asleep(d device, kind kind) bool {
	switch kind {
	case isATA, maybeATA:
		r, ok := registers(d, ata.CheckPowerMode())
		return ok && r.Asleep()
	case isSCSI:
		b := make([]byte, 252)
		n, _, err := d.scsi(scsi.RequestSense(), b)
		s, ok := scsi.ParseSense(b[:n])
		return err == nil && ok && s.Asleep()
	}
	return false
}

// registers sends an ATA command without data.
func registers(d device, c ata.Command) (ata.Registers, bool) {
	_, sense, _ := d.scsi(c.CDB(), nil)
	r, ok := ata.ParseRegisters(sense)
	return r, ok && r.Status&1 == 0 // the command was not refused
}

// pages sends an ATA command that reads.
func pages(d device, c ata.Command) ([]byte, error) {
	b := make([]byte, 512*c.Pages)
	n, _, err := d.scsi(c.CDB(), b)
	return b[:n], err
}

// askATA asks a disk who it is, for its health, and whether it encrypts.
func askATA(d device, a *answer, kind kind) error {
	b, err := pages(d, ata.IdentifyDevice())
	if err != nil {
		return fmt.Errorf("ask for ATA identity: %w", err)
	}
	id, err := ata.ParseIdentity(b)
	if err != nil {
		return err
	}
	a.firmware, a.rpm, a.security = id.Firmware, id.RPM, string(id.Security)
	a.sed = "none"
	if id.Trusted || id.Encrypts {
		a.sed = "supported"
	}
	if id.Trusted && kind == isATA { // bridges are not to be trusted with rare commands
		if found, err := discover(d); err == nil && (found.State() != "none" || !id.Encrypts) {
			a.sed = found.State()
		}
	}
	if id.Logs && kind == isATA { // some bridges hang at commands of 48 bits
		askStatistics(d, a, id)
	}
	if !id.SMART {
		return nil // and it stays switched off
	}
	return askSMART(d, a, id)
}

// askSMART reads the disk's opinion of itself and the attributes it is made of.
func askSMART(d device, a *answer, id ata.Identity) error {
	data, err := pages(d, ata.ReadData())
	if err != nil {
		return fmt.Errorf("ask for SMART data: %w", err)
	}
	limits, err := pages(d, ata.ReadThresholds())
	if err != nil {
		limits = nil // obsolete since ATA-4: some have none
	}
	s, err := ata.ParseSMART(data, limits)
	if err != nil {
		return err
	}
	failing := false
	for _, at := range s {
		if at.Failing() {
			failing = failing || at.Prefail
			a.warn(fmt.Sprintf("attribute %d is %d, threshold %d", at.ID, at.Value, at.Threshold))
		}
	}
	r, ok := registers(d, ata.ReturnStatus())
	healthy, ok2 := r.Healthy()
	switch {
	case ok && ok2:
		a.healthy(healthy && !failing)
	case limits != nil: // a bridge that loses registers
		a.healthy(!failing)
	}
	attributes(s, a, id)
	return nil
}

// attributes adds those of which makers agree what they count.
func attributes(s ata.SMART, a *answer, id ata.Identity) {
	r := &a.readings
	t, ok := s.Temperature()
	a.number(&r.Temperature, t, ok)
	hours, ok := s.Hours()
	a.count(&r.PowerOnHours, hours, ok)
	count := func(to **int64, ids ...byte) {
		for _, id := range ids {
			n, ok := s.Count(id)
			a.count(to, n, ok)
		}
	}
	count(&r.PowerCycles, 12)
	count(&r.Reallocated, 5)
	count(&r.Pending, 197)
	count(&r.Uncorrectable, 198)
	count(&r.CRCErrors, 199)
	count(&r.MediaErrors, 187)
	if id.Solid {
		count(&r.UnsafeStops, 174, 192, 235)
		wear, ok := s.Wear(id.Model)
		a.number(&r.Wear, wear, ok)
		spare, ok := s.Spare(id.Model)
		a.number(&r.Spare, spare, ok)
	}
}

// askStatistics reads the device statistics log, in which the numbers mean the
// same for every maker. A disk may lack the log or any value.
func askStatistics(d device, a *answer, id ata.Identity) {
	directory, err := pages(d, ata.ReadLog(ata.LogDirectory, 1))
	if err != nil {
		return
	}
	const last = 8 // pages that are of interest
	n := min(ata.Pages(directory, ata.LogStatistics), last)
	if n == 0 {
		return
	}
	b, err := pages(d, ata.ReadLog(ata.LogStatistics, n))
	if err != nil {
		return
	}
	s, err := ata.ParseStatistics(b)
	if err != nil {
		return
	}
	r := &a.readings
	number := func(to **int, get func() (int, bool)) { n, ok := get(); a.number(to, n, ok) }
	count := func(to **int64, get func() (int64, bool)) { n, ok := get(); a.count(to, n, ok) }
	number(&r.Temperature, s.Temperature)
	number(&r.Wear, s.Wear)
	count(&r.PowerOnHours, s.Hours)
	count(&r.PowerCycles, s.PowerCycles)
	count(&r.Reallocated, s.Reallocated)
	count(&r.Pending, s.Pending)
	count(&r.MediaErrors, s.Uncorrectable)
	count(&r.CRCErrors, s.CRCErrors)
	sectors, ok := s.Read()
	a.count(&r.BytesRead, sectors*int64(id.Sector), ok)
	sectors, ok = s.Written()
	a.count(&r.BytesWritten, sectors*int64(id.Sector), ok)
}

// discover asks what a disk can encrypt.
func discover(d device) (tcg.Discovery, error) {
	b := make([]byte, tcg.Size)
	n, _, err := d.scsi(scsi.SecurityIn(tcg.Protocol, tcg.Specific, tcg.Size), b)
	if err != nil {
		return tcg.Discovery{}, err
	}
	return tcg.Parse(b[:n])
}
