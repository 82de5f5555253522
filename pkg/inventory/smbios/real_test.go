package smbios_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/inventory/smbios"
	"github.com/orbit-pxe/orbit/pkg/inventory/smbios/smbiostest"
)

// TestRealLaptop reads a dump of a real machine's tables, made by dmidecode: the
// entry point, and the table behind 32 bytes. It comes with u-root's source.
func TestRealLaptop(t *testing.T) {
	entry, table := dump(t, "satellite_pro_l70_testdata.bin")
	smbiostest.Golden(t, *update, "laptop", smbios.Parse(entry, table))
}

// TestRealQEMU reads what QEMU 7.2 made of options like
// -smbios type=1,manufacturer=Initech,product=Rack,serial=SN-1.
func TestRealQEMU(t *testing.T) {
	b, err := os.ReadFile("testdata/qemu-7.2.bin") // as dmidecode dumps: the table behind 32 bytes
	if err != nil {
		t.Fatal(err)
	}
	smbiostest.Golden(t, *update, "qemu-7.2", smbios.Parse(b[:32], b[32:]))
}

func dump(t testing.TB, name string) (entry, table []byte) {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/u-root/u-root").Output()
	if err != nil {
		t.Skip("no u-root in the module cache: ", err)
	}
	b, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "pkg/smbios/testdata", name))
	if err != nil || len(b) < 32 {
		t.Skip("u-root has no dump: ", err)
	}
	return b[:32], b[32:]
}
