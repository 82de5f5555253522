package manage

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/smbios/smbiostest"
)

func TestFirmware(t *testing.T) {
	const vars, global = "sys/firmware/efi/efivars/", "-8be4df61-93ca-11d2-aa0d-00e098032b8c"
	yes, no := true, false
	stub := func(b byte) string { return strings.Repeat("\x00", 0x1ec) + string(b) + strings.Repeat("\x00", 100) }
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  hardware.Firmware
	}{
		{"BIOS", map[string]string{"sys/kernel/boot_params/data": stub(3)}, hardware.Firmware{Mode: "bios"}},
		{"UEFI", map[string]string{"sys/firmware/efi/systab": ""}, hardware.Firmware{Mode: "uefi"}},
		{"secure", map[string]string{vars + "SecureBoot" + global: "\x06\x00\x00\x00\x01", vars + "SetupMode" + global: "\x06\x00\x00\x00\x00"},
			hardware.Firmware{Mode: "uefi", SecureBoot: &yes, SetupMode: &no}},
		{"to be set up", map[string]string{vars + "SecureBoot" + global: "\x06\x00\x00\x00\x00", vars + "SetupMode" + global: "\x06\x00\x00\x00\x01"},
			hardware.Firmware{Mode: "uefi", SecureBoot: &no, SetupMode: &yes}},
		{"nonsense", map[string]string{vars + "SecureBoot" + global: "\x06\x00\x00\x00\x07", vars + "SetupMode" + global: "\x06\x00\x00\x00\x01\x00"},
			hardware.Firmware{Mode: "uefi"}},
		{"secure, without efivarfs", map[string]string{"sys/firmware/efi/systab": "", "sys/kernel/boot_params/data": stub(3)},
			hardware.Firmware{Mode: "uefi", SecureBoot: &yes}},
		{"insecure, without efivarfs", map[string]string{"sys/firmware/efi/systab": "", "sys/kernel/boot_params/data": stub(2)},
			hardware.Firmware{Mode: "uefi", SecureBoot: &no}},
		{"kexec, without efivarfs", map[string]string{"sys/firmware/efi/systab": "", "sys/kernel/boot_params/data": stub(0)},
			hardware.Firmware{Mode: "uefi"}},
		{"by the kernel's words", map[string]string{"sys/class/dmi/id/bios_vendor": "SeaBIOS\n", "sys/class/dmi/id/bios_date": "04/01/2014\n"},
			hardware.Firmware{Mode: "bios", Vendor: "SeaBIOS", Date: "2014-04-01"}},
	} {
		got, err := Firmware(t.Context(), tree(t, tt.files))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(&tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	h := tree(t, nil)
	entry, table := smbiostest.HP()
	smbiostest.Write(t, h.Root, entry, table)
	got, err := Firmware(t.Context(), h)
	want := &hardware.Firmware{Mode: "bios", Vendor: "HPE", Version: "U30", Date: "2022-05-17", Release: "2.68", SMBIOS: "3.3"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestDay(t *testing.T) {
	for text, want := range map[string]string{
		"07/15/2019": "2019-07-15", "7/5/2019": "2019-07-05", "04/13/99": "1999-04-13", "04/13/02": "2002-04-13", "20190715": "2019-07-15",
		"2019-07-15": "2019-07-15", "2019/7/15": "2019-07-15", "15.07.2019": "15.07.2019", "13/13/2019": "13/13/2019", "": "",
	} {
		if got := day(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
