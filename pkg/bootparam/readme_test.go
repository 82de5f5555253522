package bootparam

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the table of parameters into the README")

// The README's table is this package's, word for word.
func TestReadme(t *testing.T) {
	const name, from, to = "../../README.md", "-update -->\n", "<!-- end of parameters -->"
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), from)
	got, foot, ok2 := strings.Cut(rest, to)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table of parameters", name)
	}
	var table strings.Builder
	table.WriteString("| parameter | value | meaning |\n| --- | --- | --- |\n")
	for _, d := range Docs() {
		table.WriteString("| `" + d.Name + "` | " + d.Value + " | " + d.Meaning + " |\n")
	}
	want := table.String()
	if *update {
		if err := os.WriteFile(name, []byte(head+from+want+to+foot), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("parameters in %s (-want +got), run go test ./pkg/bootparam -update:\n%s", name, diff)
	}
}
