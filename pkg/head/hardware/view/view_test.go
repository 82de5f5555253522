package view

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/hardware/diff"
	inventories "github.com/orbit-pxe/orbit/pkg/head/hardware"
)

func server(t *testing.T) (d hardware.Document) {
	t.Helper()
	text, err := os.ReadFile("../../../hardware/testdata/server.json")
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A server that has something of everything is shown whole.
func TestServer(t *testing.T) {
	d := server(t)
	var b strings.Builder
	for _, fact := range About(d) {
		b.WriteString(fact[0] + ": " + fact[1] + "\n")
	}
	for _, s := range Sections(d) {
		b.WriteString("\n" + s.Title + "\n" + strings.Join(s.Columns, " | ") + "\n")
		for _, row := range s.Rows {
			if len(row) != len(s.Columns) {
				t.Errorf("%s: %d cells in %d columns", s.Title, len(row), len(s.Columns))
			}
			b.WriteString(strings.Join(row, " | ") + "\n")
		}
	}
	b.WriteString("\n" + strings.Join([]string{Machine(d.System), CPUs(d.CPUs), Memory(d.Memory), Disk(d.Disks[0]), NIC(d.NICs[0])}, "\n") + "\n")
	b.WriteString("\n" + strings.Join(Warnings(inventories.Warnings(d)), "\n") + "\n")
	got := strings.Split(strings.ReplaceAll(b.String(), "\u00a0", "_"), "\n")
	for _, line := range []string{
		"System: Dell Inc. PowerEdge R640 1, serial B5RNN2X, SKU SKU=NotProvided;ModelName=PowerEdge R640",
		"Firmware: UEFI, Dell Inc. 2.19.1, 2023-06-04, Secure Boot off",
		"BMC: 10.1.0.17, MAC 4c:d9:8f:12:34:56, firmware 6.10.30, IPMI 2.0, VLAN 12",
		"CPU2 | empty |  |  |  | ",
		"A2 | 32_GiB | DDR4 DIMM 2933 MT/s ECC | Hynix Semiconductor HMA84GR7DJR4N-XN | 53A5E1B7 | 17 corrected, 1 not",
		"sda (sas rotating, write-protected, encryption locked) | 2.2_TiB | SEAGATE ST2400MM0159 | WBM3XXXX | ST52 | failing, 34_°C, 31245_h | gpt: vfat 512_MiB, ext4 2.2_TiB",
		"eno1 (boot) | e4:43:4b:00:00:01 | i40e 9.20 0x8000d95e 22.0.9 | 10_Gbit/s | up 10_Gbit/s full | → rack12-tor ethernet1/1/7 (at an earlier boot), VLAN 100 | 0000:1a:00.0",
		"phy0 0000:3b:00.0 | wifi | 8086:2723 | iwlwifi | 2.4 GHz, 5 GHz | AP, monitor, station | US",
		"USRP X300, X310 | 30F0123 | network | 192.168.40.2 by e4:43:4b:00:00:02",
		"0000:03:00.0 | Matrox Electronics Systems Ltd. Integrated Matrox G200eW3 Graphics Controller | 16_MiB | mgag200",
		"disk naa.5000c500a1b2c3d4 | failed: read 4096 bytes at 1234567168: input/output error | 1.1_GiB, 200_MiB/s | 5.9 s",
		"0000:5e:00.0 | Mellanox Technologies MT27800 Family [ConnectX-5] [15b3:1017] | InfiniBand | none, could be mlx5_core",
		"2-1 | [2500:0020] |  | none, could be usb_b200",
		"(dell_smm fan1) | 0 /min (alarm) | ",
		"Dell Inc. PowerEdge R640", "Intel(R) Xeon(R) Gold 6230 CPU @ 2.10GHz, 40 threads", "192_GiB in 3 modules", "2.2_TiB ST2400MM0159",
		"disks naa.5000c500a1b2c3d4: it says that it is failing; reallocated sectors are above the threshold; 3 sectors that cannot be read; 1 uncorrectable sectors; 24 sectors were replaced",
	} {
		if !slices.Contains(got, line) {
			t.Errorf("there is no line\n%s", line)
		}
	}
	if t.Failed() {
		t.Log(strings.Join(got, "\n"))
	}
}

func TestNothing(t *testing.T) {
	if facts, tables := About(hardware.Document{}), Sections(hardware.Document{}); facts != nil || len(tables) != 0 {
		t.Errorf("of nothing: %v, %v", facts, tables)
	}
	d := hardware.Document{System: &hardware.System{}, Memory: &hardware.Memory{}, NICs: []hardware.NIC{{}}, Disks: []hardware.Disk{{}},
		CPUs: []hardware.CPU{{}}, PCI: []hardware.PCI{{}}, USB: []hardware.USB{{}}, GPUs: []hardware.GPU{{}}, Wireless: []hardware.Radio{{}},
		Sensors: []hardware.Sensor{{}}, Burnin: &hardware.Burnin{Tests: []hardware.BurninTest{{}}}, BMC: &hardware.BMC{}, TPM: &hardware.TPM{}}
	About(d)
	Sections(d)
	if Machine(nil)+Memory(nil)+neighbour(nil) != "" {
		t.Error("words about nothing")
	}
}

func TestWords(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for want, d := range map[string]time.Duration{
		"just now": 59 * time.Second, "1 minute ago": time.Minute, "59 minutes ago": time.Hour - 1, "1 hour ago": time.Hour,
		"47 hours ago": 48*time.Hour - 1, "2 days ago": 48 * time.Hour,
	} {
		if got := Ago(now.Add(-d), now); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	if got := Ago(time.Time{}, now) + Stamp(time.Time{}) + Stamp(now); got != "never2026-11-23 12:00 UTC" {
		t.Errorf("times: %q", got)
	}
	v := inventories.Version{Changes: []diff.Change{{Path: "a", Kind: diff.Added, New: "1"}, {Path: "b", Kind: diff.Added, New: "2"}}, More: 5}
	if diff := cmp.Diff([]string{"a: now 1", "b: now 2", "and 5 more"}, Changes(v, 2)); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"a: now 1", "and 1 more"}, Changes(v, 1)); diff != "" {
		t.Errorf("fewer changes (-want +got):\n%s", diff)
	}
}
