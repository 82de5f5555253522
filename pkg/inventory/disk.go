package inventory

import (
	"context"
	"fmt"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/blockdev"
)

// disks lists the physical disks under root, in the order of blockdev.List.
func disks(ctx context.Context, root string) ([]api.Disk, error) {
	all, err := blockdev.Machine{Root: strings.TrimSuffix(root, "/")}.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list disks: %w", err)
	}
	var found []api.Disk
	for _, d := range all {
		found = append(found, d.Disk)
	}
	return found, nil
}
