// Package network is a part of inventory.
package network

import (
	"context"
	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// NICs is not collected yet.
func NICs(ctx context.Context, h sysfs.Host) (found []hardware.NIC, err error) { return found, nil }

// Wireless is not collected yet.
func Wireless(ctx context.Context, h sysfs.Host) (found []hardware.Radio, err error) {
	return found, nil
}
