package storage

import (
	"fmt"

	"github.com/orbit-pxe/orbit/pkg/inventory/storage/nvme"
	"github.com/orbit-pxe/orbit/pkg/inventory/storage/tcg"
)

// askNVMe asks a controller for its health and whether it encrypts.
func askNVMe(d device, a *answer) error {
	b := make([]byte, nvme.LogSize)
	if err := d.admin(nvme.GetLogPage, nvme.AllNamespaces, nvme.HealthLog, 0, b); err != nil {
		return fmt.Errorf("ask for NVMe health log: %w", err)
	}
	h, err := nvme.ParseHealth(b)
	if err != nil {
		return err
	}
	a.healthy(h.Warning == 0)
	for _, w := range h.Warnings() {
		a.warn(w)
	}
	r := &a.readings
	a.number(&r.Temperature, h.Temperature, h.HasTemperature)
	a.number(&r.Wear, h.Used, true)
	a.number(&r.Spare, h.Spare, true)
	a.count(&r.PowerOnHours, h.PowerOnHours, true)
	a.count(&r.PowerCycles, h.PowerCycles, true)
	a.count(&r.UnsafeStops, h.UnsafeStops, true)
	a.count(&r.BytesRead, h.Read, true)
	a.count(&r.BytesWritten, h.Written, true)
	a.count(&r.MediaErrors, h.MediaErrors, true)

	b = make([]byte, nvme.ControllerSize)
	if err := d.admin(nvme.Identify, 0, nvme.IdentifyController, 0, b); err != nil {
		return fmt.Errorf("ask for NVMe controller: %w", err)
	}
	c, err := nvme.ParseController(b)
	if err != nil {
		return err
	}
	a.firmware, a.sed = c.Firmware, "none"
	if !c.Security {
		return nil
	}
	a.sed = ""
	b = make([]byte, tcg.Size)
	if err := d.admin(nvme.SecurityReceive, 0, nvme.ReceiveProtocol(tcg.Protocol, tcg.Specific), tcg.Size, b); err != nil {
		return nil // it takes security commands, but not for this protocol
	}
	if found, err := tcg.Parse(b); err == nil {
		a.sed = found.State()
	}
	return nil
}

// askNamespace asks for a name that the kernel does not give: it has a list of
// controllers that name their namespaces alike, or anew at each boot.
func askNamespace(d device, a *answer, n uint32) error {
	b := make([]byte, nvme.NamespaceSize)
	if err := d.admin(nvme.Identify, n, nvme.IdentifyNamespace, 0, b); err != nil {
		return fmt.Errorf("ask for NVMe namespace: %w", err)
	}
	var err error
	a.namespace, err = nvme.ParseNamespace(b)
	return err
}
