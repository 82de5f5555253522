// Package packed makes .ndz images for the tests of others. It is none of ndztest,
// which the tests of ndz itself use.
package packed

import (
	"bytes"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/ndz"
)

// Disk is the .ndz image of a disk, all of which is in use.
func Disk(t testing.TB, disk []byte) []byte {
	t.Helper()
	return Used(t, disk, extent.NewSet(extent.Range{End: int64(len(disk))}))
}

// Used is the .ndz image of a disk of which only used counts.
func Used(t testing.TB, disk []byte, used extent.Set) []byte {
	t.Helper()
	var file bytes.Buffer
	if _, err := ndz.Write(t.Context(), &file, bytes.NewReader(disk), int64(len(disk)), used, ndz.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}
