package busybox

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/initramfs/multicall"
)

func TestParseList(t *testing.T) {
	got, err := ParseList(strings.NewReader(`
# a comment
./cmds/orbit   the agent

example.org/x/cmds/gosh  a shell
sh=gosh                  another name
init=orbit,init,-v       with arguments
`))
	if err != nil {
		t.Fatal(err)
	}
	want := List{
		Commands: []Command{{"./cmds/orbit", "the agent"}, {"example.org/x/cmds/gosh", "a shell"}},
		Aliases:  []multicall.Alias{{Name: "sh", Command: "gosh", Args: []string{}}, {Name: "init", Command: "orbit", Args: []string{"init", "-v"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"orbit", "gosh", "sh", "init"}, got.Names()); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"orbit", "init"}, got.Without("gosh").Names()); diff != "" {
		t.Errorf("names without gosh (-want +got):\n%s", diff)
	}
}

func TestParseListRefuses(t *testing.T) {
	for _, tt := range []struct{ name, list, want string }{
		{"no reason", "example.org/ls", "line 1: example.org/ls has no reason"},
		{"twice", "a/ls x\n\nb/ls y", "line 3: ls is already on line 1"},
		{"alias of a command's name", "a/ls x\nls=ls y", "line 2: ls is already on line 1"},
		{"alias of nothing", "a/ls x\nsh=gosh y", "line 2: sh stands for gosh"},
		{"bad name", "a/.. x", "no name for a command"},
		{"empty", "# nothing\n", "names no command"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseList(strings.NewReader(tt.list))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

// go.mod must hold what the commands of the list import; `go mod tidy` sees
// them through the blank imports of the package's file pins.go.
func TestListIsPinned(t *testing.T) {
	f, err := os.Open("../commands")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	list, err := ParseList(f)
	if err != nil {
		t.Fatal(err)
	}
	pins, err := os.ReadFile("pins.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list.Commands {
		if pin := "_ \"" + c.Package + "\""; !strings.HasPrefix(c.Package, "./") && !strings.Contains(string(pins), pin) {
			t.Errorf("pins.go lacks %s: run go generate ./initramfs/busybox", pin)
		}
	}
}
