// Package manage is a part of inventory.
package manage

import (
	"context"
	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// Firmware is not collected yet.
func Firmware(ctx context.Context, h sysfs.Host) (found *hardware.Firmware, err error) {
	return found, nil
}

// TPM is not collected yet.
func TPM(ctx context.Context, h sysfs.Host) (found *hardware.TPM, err error) { return found, nil }

// BMC is not collected yet.
func BMC(ctx context.Context, h sysfs.Host) (found *hardware.BMC, err error) { return found, nil }
