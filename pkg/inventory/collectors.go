package inventory

import (
	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/board"
	"github.com/orbit-pxe/orbit/pkg/inventory/device"
	"github.com/orbit-pxe/orbit/pkg/inventory/manage"
	"github.com/orbit-pxe/orbit/pkg/inventory/network"
	"github.com/orbit-pxe/orbit/pkg/inventory/storage"
)

// collectors are all there are, by the order of the document's sections.
func collectors(o Options) []collector {
	nics := one("nics", network.Options{LLDP: o.LLDP, Announce: o.Announce}.NICs, func(d *hardware.Document, v []hardware.NIC) { d.NICs = v })
	nics.patience = max(o.LLDP, 0)
	return []collector{
		one("system", board.System, func(d *hardware.Document, v *hardware.System) { d.System = v }),
		one("firmware", manage.Firmware, func(d *hardware.Document, v *hardware.Firmware) { d.Firmware = v }),
		one("tpm", manage.TPM, func(d *hardware.Document, v *hardware.TPM) { d.TPM = v }),
		one("bmc", manage.BMC, func(d *hardware.Document, v *hardware.BMC) { d.BMC = v }),
		one("cpus", board.CPUs, func(d *hardware.Document, v []hardware.CPU) { d.CPUs = v }),
		one("numa", board.NUMA, func(d *hardware.Document, v []hardware.NUMA) { d.NUMA = v }),
		one("memory", board.Memory, func(d *hardware.Document, v *hardware.Memory) { d.Memory = v }),
		one("disks", storage.Disks, func(d *hardware.Document, v []hardware.Disk) { d.Disks = v }),
		nics,
		one("wireless", network.Wireless, func(d *hardware.Document, v []hardware.Radio) { d.Wireless = v }),
		one("pci", device.PCI, func(d *hardware.Document, v []hardware.PCI) { d.PCI = v }),
		one("usb", device.USB, func(d *hardware.Document, v []hardware.USB) { d.USB = v }),
		one("gpus", device.GPUs, func(d *hardware.Document, v []hardware.GPU) { d.GPUs = v }),
		one("sdrs", device.SDRs, func(d *hardware.Document, v []hardware.SDR) { d.SDRs = v }),
		one("serial_ports", device.SerialPorts, func(d *hardware.Document, v []hardware.SerialPort) { d.SerialPorts = v }),
		one("watchdogs", device.Watchdogs, func(d *hardware.Document, v []hardware.Watchdog) { d.Watchdogs = v }),
		one("sensors", device.Sensors, func(d *hardware.Document, v []hardware.Sensor) { d.Sensors = v }),
	}
}
