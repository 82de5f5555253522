// Package device is a part of inventory.
package device

import (
	"context"
	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// PCI is not collected yet.
func PCI(ctx context.Context, h sysfs.Host) (found []hardware.PCI, err error) { return found, nil }

// USB is not collected yet.
func USB(ctx context.Context, h sysfs.Host) (found []hardware.USB, err error) { return found, nil }

// GPUs is not collected yet.
func GPUs(ctx context.Context, h sysfs.Host) (found []hardware.GPU, err error) { return found, nil }

// SDRs is not collected yet.
func SDRs(ctx context.Context, h sysfs.Host) (found []hardware.SDR, err error) { return found, nil }

// SerialPorts is not collected yet.
func SerialPorts(ctx context.Context, h sysfs.Host) (found []hardware.SerialPort, err error) {
	return found, nil
}

// Watchdogs is not collected yet.
func Watchdogs(ctx context.Context, h sysfs.Host) (found []hardware.Watchdog, err error) {
	return found, nil
}

// Sensors is not collected yet.
func Sensors(ctx context.Context, h sysfs.Host) (found []hardware.Sensor, err error) {
	return found, nil
}
