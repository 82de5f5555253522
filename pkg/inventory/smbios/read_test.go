package smbios_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/orbit-pxe/orbit/pkg/inventory/smbios"
	"github.com/orbit-pxe/orbit/pkg/inventory/smbios/smbiostest"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// ids are the files of /sys/class/dmi/id.
func ids(t *testing.T, root string) {
	t.Helper()
	dir := filepath.Join(root, "sys/class/dmi/id")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"bios_vendor": "Dell Inc.", "bios_version": "2.4.2", "bios_date": "01/09/2017", "bios_release": "2.4",
		"sys_vendor": "Dell Inc.", "product_name": "PowerEdge  R430 ", "product_serial": "B5RNN2", "product_uuid": "4C4C4544-0042-3510-8052-B4C04F4E4E32", "product_sku": "None",
		"board_vendor": "Dell Inc.", "board_name": "0CN7X8", "chassis_type": "23", "chassis_serial": "B5RNN2",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

var fromIDs = &smbios.Table{
	BIOS:    smbios.BIOS{Vendor: "Dell Inc.", Version: "2.4.2", Date: "01/09/2017", Release: "2.4"},
	System:  smbios.System{Vendor: "Dell Inc.", Product: "PowerEdge R430", Serial: "B5RNN2", UUID: "4c4c4544-0042-3510-8052-b4c04f4e4e32"},
	Board:   smbios.Board{Vendor: "Dell Inc.", Product: "0CN7X8"},
	Chassis: smbios.Chassis{Type: "Rack Mount Chassis", Serial: "B5RNN2"},
}

func TestReadNothing(t *testing.T) {
	got, err := smbios.Read(sysfs.Host{Root: t.TempDir()})
	if err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(&smbios.Table{}, got, cmpopts.IgnoreUnexported(smbios.Table{})); diff != "" {
		t.Error(diff)
	}
}

func TestReadWithoutTables(t *testing.T) {
	root := t.TempDir()
	ids(t, root)
	got, err := smbios.Read(sysfs.Host{Root: root})
	if err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(fromIDs, got, cmpopts.IgnoreUnexported(smbios.Table{})); diff != "" {
		t.Error(diff)
	}
}

// TestReadUnreadable: a directory stands for a file that can't be read, as root
// can read all of them.
func TestReadUnreadable(t *testing.T) {
	root := t.TempDir()
	ids(t, root)
	if err := os.MkdirAll(filepath.Join(root, "sys/firmware/dmi/tables/DMI"), 0o755); err != nil {
		t.Fatal(err)
	}
	got, err := smbios.Read(sysfs.Host{Root: root})
	if err == nil || !strings.HasPrefix(err.Error(), "read SMBIOS table: ") {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff(fromIDs, got, cmpopts.IgnoreUnexported(smbios.Table{})); diff != "" {
		t.Error(diff)
	}
}

// TestReadNotRoot runs itself as somebody who may read the files of
// /sys/class/dmi/id but not the tables.
func TestReadNotRoot(t *testing.T) {
	const variable = "SMBIOS_TEST_ROOT"
	if root := os.Getenv(variable); root != "" {
		got, err := smbios.Read(sysfs.Host{Root: root})
		if err == nil || !strings.Contains(err.Error(), "run as root") {
			t.Errorf("error %v", err)
		}
		if diff := cmp.Diff(fromIDs, got, cmpopts.IgnoreUnexported(smbios.Table{})); diff != "" {
			t.Error(diff)
		}
		return
	}
	if os.Getuid() != 0 {
		t.Skip("only root can become somebody else")
	}
	root, err := os.MkdirTemp("", "smbios") // reachable for everybody, as t.TempDir need not be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	ids(t, root)
	entry, table := smbiostest.Dell()
	smbiostest.Write(t, root, entry, table)
	if err := errors.Join(os.Chmod(root, 0o755), os.Chmod(filepath.Join(root, "sys/firmware/dmi/tables/DMI"), 0o400)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestReadNotRoot$", "-test.v")
	cmd.Dir, cmd.Env = root, append(os.Environ(), variable+"="+root)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS: TestReadNotRoot") {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
}

// TestReadDamaged: what the table has lost is taken from the kernel, which may
// have read more of it.
func TestReadDamaged(t *testing.T) {
	root := t.TempDir()
	ids(t, root)
	entry, table := smbiostest.HP()
	smbiostest.Write(t, root, entry, table[:60])
	got, err := smbios.Read(sysfs.Host{Root: root})
	if err == nil || !strings.Contains(err.Error(), "SMBIOS table is faulty") {
		t.Errorf("error %v", err)
	}
	if got.BIOS.Vendor != "HPE" || got.System != fromIDs.System {
		t.Errorf("read %+v", got)
	}
}
