// Package burnin collects the result of the last burn-in: docs/inventory.md and
// docs/burnin.md.
package burnin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// mostTests is more than any machine has disks.
const mostTests = 4096

// Last reads what orbit burnin has left. A machine that was not tried since it
// started has nothing.
func Last(_ context.Context, h sysfs.Host) (*hardware.Burnin, error) {
	text, err := h.Bytes(hardware.BurninFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the result of the last burn-in: %w", err)
	}
	b := &hardware.Burnin{}
	if err := json.Unmarshal(text, b); err != nil {
		return nil, fmt.Errorf("read the result of the last burn-in: %s: %w", hardware.BurninFile, err)
	}
	if len(b.Tests) == 0 || len(b.Tests) > mostTests {
		return nil, fmt.Errorf("read the result of the last burn-in: %s: %d tests", hardware.BurninFile, len(b.Tests))
	}
	return b, nil
}
