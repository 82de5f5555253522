package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/hardware"
)

var update = flag.Bool("update", false, "write the golden files")

// server is a document that has everything.
func server(t testing.TB) *hardware.Document {
	t.Helper()
	text, err := os.ReadFile("../testdata/server.json")
	if err != nil {
		t.Fatal(err)
	}
	var d hardware.Document
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return &d
}

func show(t testing.TB, d *hardware.Document, o Options) string {
	t.Helper()
	var out bytes.Buffer
	if err := Write(&out, d, o); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestReport(t *testing.T) {
	long := server(t)
	long.Only = []string{"pci", "sensors"}
	for name, test := range map[string]struct {
		document *hardware.Document
		Options
	}{
		"80":   {server(t), Options{Width: 80}},
		"120":  {server(t), Options{Width: 120}},
		"pipe": {server(t), Options{}},
		"long": {&hardware.Document{Only: long.Only, PCI: long.PCI, Sensors: long.Sensors}, Options{Width: 100, Bold: true}},
	} {
		path := filepath.Join("testdata", "server-"+name+".txt")
		got := show(t, test.document, test.Options)
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got), go test -update writes it anew:\n%s", path, diff)
		}
		for line := range strings.Lines(got) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); test.Width > 0 && !test.Bold && n > test.Width {
				t.Errorf("%s: %d columns: %s", name, n, line)
			}
		}
	}
}

// TestReportTellsAll has a narrow report have every word of a wide one, but the
// ends of what is cut.
func TestReportTellsAll(t *testing.T) {
	d := server(t)
	split := func(s string) []string {
		return strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return strings.ContainsRune(" ,\n", r) })
	}
	narrow := split(show(t, d, Options{Width: 80}))
	var missing []string
	for _, word := range split(show(t, d, Options{})) {
		if !slices.Contains(narrow, word) {
			missing = append(missing, word)
		}
	}
	want := []string{"6230", "@", "2.10ghz", "systems", "ltd.", "integrated", "g200ew3", "graphics", "controller",
		"technologies", "mt27800", "[connectx-5]"}
	if diff := cmp.Diff(want, missing); diff != "" {
		t.Errorf("what is missing at 80 columns (-want +got):\n%s", diff)
	}
}

func TestReportOfLittle(t *testing.T) {
	if got := show(t, &hardware.Document{}, Options{Width: 80}); got != "" {
		t.Errorf("of nothing: %q", got)
	}
	d := &hardware.Document{System: &hardware.System{Product: "x\x1b[2J\u009b1m\u202ey\x7f"}, Disks: []hardware.Disk{{Name: "sda", Model: strings.Repeat("long\n", 100)}},
		CPUs: []hardware.CPU{{}}, NICs: []hardware.NIC{{}}, PCI: []hardware.PCI{{Class: "0"}}, Sensors: []hardware.Sensor{{}}, Memory: &hardware.Memory{}}
	for _, width := range []int{0, 1, 20, 80} {
		got := show(t, d, Options{Width: width})
		if strings.ContainsAny(got, "\x1b\u009b\u202e\x7f") || !strings.Contains(got, "x?[2J?1m?y?") {
			t.Errorf("%q", got)
		}
	}
}

func TestTable(t *testing.T) {
	rows := [][]string{{"one", "12", "a long model that has an end", "", "x", ""}, {"two", "7", "b", "", "yy", "held: it\nchanged"}}
	for width, want := range map[int]string{
		0: "  NAME  SIZE  MODEL NAME                    WHERE  STATE\n" +
			"  one     12  a long model that has an end  x\n" +
			"  two      7  b                             yy     held: it?changed\n",
		40: "  NAME  SIZE  MODEL NAME           WHERE\n" +
			"  one     12  a long model that …  x\n" +
			"  two      7  b                    yy\n      state held: it?changed\n",
		30: "  NAME  SIZE\n" +
			"  one     12\n      model name a long model\n      that has an end\n" +
			"  two      7\n      model name b,\n      state held: it?changed\n",
	} {
		var out bytes.Buffer
		if err := Table(&out, "NAME >SIZE ~MODEL_NAME NONE ?WHERE STATE", rows, Options{Width: width}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("%d columns (-want +got):\n%s", width, diff)
		}
	}
}
