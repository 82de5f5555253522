package smbios_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

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
			golden(t, name, got)
		})
	}
}

// golden compares a value with testdata/NAME.json.
func golden(t *testing.T, name string, value any) {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(value); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}
