// Package board is a part of inventory.
package board

import (
	"context"
	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// System is not collected yet.
func System(ctx context.Context, h sysfs.Host) (found *hardware.System, err error) { return found, nil }

// CPUs is not collected yet.
func CPUs(ctx context.Context, h sysfs.Host) (found []hardware.CPU, err error) { return found, nil }

// NUMA is not collected yet.
func NUMA(ctx context.Context, h sysfs.Host) (found []hardware.NUMA, err error) { return found, nil }

// Memory is not collected yet.
func Memory(ctx context.Context, h sysfs.Host) (found *hardware.Memory, err error) { return found, nil }
