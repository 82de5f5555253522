package inventory

import (
	"context"

	"github.com/orbit-pxe/orbit/pkg/api"
)

func disks(context.Context) ([]api.Disk, error) { return nil, nil }
