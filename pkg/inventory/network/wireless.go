package network

import (
	"context"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// Wireless is not collected yet.
func Wireless(ctx context.Context, h sysfs.Host) (found []hardware.Radio, err error) {
	return found, nil
}
