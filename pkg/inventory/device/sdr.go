package device

import (
	"context"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// SDRs lists software-defined radios on USB and PCI.
func SDRs(ctx context.Context, h sysfs.Host) ([]hardware.SDR, error) {
	return nil, nil
}
