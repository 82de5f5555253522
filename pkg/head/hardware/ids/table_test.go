package ids

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

const list = `# comment

8086  Intel Corporation
	1533  I210 Gigabit Network Connection
		103c 0003  Ethernet I210-T1 GbE NIC
# in between
	1572  Ethernet Controller X710 for 10GbE SFP+
80e  short
zzzz  no number
10ec  Realtek
	8168
	8139  RTL` + "\x01\xff" + `-8139
AT 0101  USB Streaming
	9999  of nothing
C 02  Network controller
	00  Ethernet controller
		01  deeper
C 03  Display controller
	00  VGA compatible controller
`

func TestTable(t *testing.T) {
	table, err := Parse(strings.NewReader(list))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{
		"vendor":          table.Vendor("8086"),
		"capitals":        table.Vendor("10EC"),
		"unknown vendor":  table.Vendor("1234"),
		"bad vendor":      table.Vendor("zzzz"),
		"long vendor":     table.Vendor("08086"),
		"device":          table.Device("8086", "1533"),
		"after a comment": table.Device("8086", "1572"),
		"of another":      table.Device("10ec", "1533"),
		"nameless":        table.Device("10ec", "8168"),
		"hostile":         table.Device("10ec", "8139"),
		"orphan":          table.Device("10ec", "9999"),
		"subclass":        table.Class("020000"),
		"class":           table.Class("028000"),
		"interface":       table.Class("030001"),
		"unknown class":   table.Class("ff0000"),
		"no class":        table.Class("02"),
	}
	want := map[string]string{
		"vendor": "Intel Corporation", "capitals": "Realtek", "unknown vendor": "", "bad vendor": "", "long vendor": "",
		"device": "I210 Gigabit Network Connection", "after a comment": "Ethernet Controller X710 for 10GbE SFP+",
		"of another": "", "nameless": "", "hostile": "RTL-8139", "orphan": "",
		"subclass": "Ethernet controller", "class": "Network controller", "interface": "VGA compatible controller",
		"unknown class": "", "no class": "",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	var none *Table
	if none.Vendor("8086")+none.Device("8086", "1533")+none.Class("020000") != "" {
		t.Error("names out of no table")
	}
}

func TestBounds(t *testing.T) {
	for name, text := range map[string]string{
		"line":  "8086  " + strings.Repeat("x", 2*mostLine),
		"file":  strings.Repeat("# a comment\n", mostFile/12+1),
		"lines": entries(mostEntries + 1),
	} {
		if _, err := Parse(strings.NewReader(text)); err == nil {
			t.Errorf("too long a %s taken", name)
		}
	}
	table, err := Parse(strings.NewReader("8086  " + strings.Repeat("ä", mostName) + "\n"))
	if err != nil || len(table.Vendor("8086")) > mostName || !utf8.ValidString(table.Vendor("8086")) {
		t.Errorf("long name: %q, %v", table.Vendor("8086"), err)
	}
}

func entries(n int) string {
	const hex = "0123456789abcdef"
	var b strings.Builder
	word := func(n int) string {
		return string([]byte{hex[n>>12&15], hex[n>>8&15], hex[n>>4&15], hex[n&15]})
	}
	for i := 0; i < n; i++ {
		if i&0xffff == 0 {
			b.WriteString(word(i>>16) + "  V\n")
		}
		b.WriteString("\t" + word(i&0xffff) + "  D\n")
	}
	return b.String()
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "pci.ids")
	f := At(filepath.Join(dir, "none"), path)
	now := time.Now()
	vendor := func(when string, want string, fails bool) {
		t.Helper()
		table, err := f.Table(now)
		if got := table.Vendor("8086"); got != want || (err != nil) != fails {
			t.Errorf("%s: %q, %v, want %q", when, got, err, want)
		}
	}
	write := func(text string, age time.Duration) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	vendor("without a file", "", false)
	write("8086  Intel\n", time.Hour)
	vendor("right after", "", false)
	now = now.Add(patience)
	vendor("later", "Intel", false)
	write("8086  Lintel\n", time.Minute)
	now = now.Add(patience)
	vendor("replaced", "Lintel", false)
	write("8086  Gintel\n"+strings.Repeat("x", 2*mostLine), time.Second)
	now = now.Add(patience)
	vendor("broken", "Lintel", true)
	vendor("said once", "Lintel", false)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	now = now.Add(patience)
	vendor("gone", "", false)
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	now = now.Add(patience)
	vendor("a directory", "", true)
	var none *File
	if table, err := none.Table(now); table != nil || err != nil {
		t.Errorf("no file: %v, %v", table, err)
	}
}

// The lists of this system, where it has any, are read whole.
func TestRealLists(t *testing.T) {
	for _, test := range []struct {
		name         string
		file         *File
		vendor, want string
	}{
		{"pci.ids", PCI(), "8086", "Intel Corporation"},
		{"usb.ids", USB(), "1d6b", "Linux Foundation"},
	} {
		table, err := test.file.Table(time.Now())
		if err != nil {
			t.Error(err)
		}
		if table == nil {
			t.Logf("no %s on this system", test.name)
			continue
		}
		if got := table.Vendor(test.vendor); got != test.want {
			t.Errorf("%s: vendor %s is %q", test.name, test.vendor, got)
		}
		if len(table.vendors) < 1000 || len(table.devices) < 10000 || len(table.classes) < 50 {
			t.Errorf("%s: %d vendors, %d devices, %d classes", test.name, len(table.vendors), len(table.devices), len(table.classes))
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(list))
	f.Add([]byte("C \n\t\n8086  \n\t  \nC 02  x\n\t00  y"))
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := Parse(strings.NewReader(string(data)))
		if err != nil {
			return
		}
		for _, names := range []string{table.Vendor("8086"), table.Device("8086", "1533"), table.Class("020000")} {
			if !utf8.ValidString(names) || len(names) > mostName {
				t.Errorf("name %q", names)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	data, err := os.ReadFile("/usr/share/misc/pci.ids")
	if err != nil {
		b.Skip("no pci.ids on this system (Debian: apt install pci.ids)")
	}
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := Parse(strings.NewReader(string(data))); err != nil {
			b.Fatal(err)
		}
	}
}
