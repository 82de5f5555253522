package smbios_test

import (
	"flag"
	"maps"
	"slices"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/inventory/smbios"
	"github.com/orbit-pxe/orbit/pkg/inventory/smbios/smbiostest"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

var update = flag.Bool("update", false, "write what the golden files should have")

// TestMachines reads the tables of whole machines as Linux shows them.
func TestMachines(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(smbiostest.Machines())) {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			entry, table := smbiostest.Machines()[name]()
			smbiostest.Write(t, root, entry, table)
			got, err := smbios.Read(sysfs.Host{Root: root})
			if err != nil {
				t.Error(err)
			}
			smbiostest.Golden(t, *update, name, got)
		})
	}
}
