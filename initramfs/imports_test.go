package main

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// heavy are packages that must not get into our commands on the node, and what
// is wrong with them.
var heavy = map[string]string{
	"text/template":                    "calls methods by name, so the linker must keep all of them",
	"html/template":                    "calls methods by name, so the linker must keep all of them",
	"encoding/gob":                     "reflection, and 200 KB",
	"encoding/xml":                     "reflection, and 150 KB",
	"go/ast":                           "a compiler's data structure",
	"testing":                          "belongs to tests",
	"expvar":                           "drags in a server",
	"net/http/pprof":                   "drags in text/template",
	"database/sql":                     "only the head has a database",
	"github.com/spf13/cobra":           "drags in text/template",
	"github.com/pin/tftp/v3":           "only the head serves TFTP",
	"github.com/u-root/u-root/pkg/pci": "embeds 1.2 MB of names that sysfs' numbers do without",
}

func TestImports(t *testing.T) {
	for _, command := range []string{"orbit", "imagenode", "savenode", "inventory"} {
		t.Run(command, func(t *testing.T) {
			pkg := "../cmds/" + command
			deps, err := goCommand("list", "-tags=node", "-deps", pkg).Output()
			if err != nil {
				t.Fatalf("go list -deps %s: %v", pkg, err)
			}
			for _, dep := range strings.Fields(string(deps)) {
				if why, bad := heavy[dep]; bad {
					t.Errorf("it imports %s (%s) through %s", dep, why, importers(t, pkg, dep))
				}
				if strings.HasPrefix(dep, "github.com/orbit-pxe/orbit/pkg/head") {
					t.Errorf("it imports %s, which only the head needs", dep)
				}
			}
		})
	}
}

// importers are the packages among pkg's dependencies that import dep.
func importers(t *testing.T, pkg, dep string) string {
	out, err := goCommand("list", "-tags=node", "-deps", "-f", `{{.ImportPath}} {{join .Imports " "}}`, pkg).Output()
	if err != nil {
		t.Fatal(err)
	}
	var who []string
	for line := range strings.Lines(string(out)) {
		if words := strings.Fields(line); slices.Contains(words[1:], dep) {
			who = append(who, words[0])
		}
	}
	return strings.Join(who, ", ")
}

// Where code can call any method by its name, the linker keeps every method
// of every type it keeps: megabytes.
func TestMethodsArePruned(t *testing.T) {
	if testing.Short() {
		t.Skip("links the node's commands")
	}
	for _, command := range []string{"orbit", "imagenode", "savenode", "inventory"} {
		out, err := goCommand("build", "-tags=node", "-o", os.DevNull, "-ldflags=-dumpdep", "../cmds/"+command).CombinedOutput()
		if err != nil {
			t.Fatalf("build %s: %v\n%.2000s", command, err, out)
		}
		if !strings.Contains(string(out), "runtime.main") {
			t.Fatal("the linker did not print dependencies")
		}
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, "<ReflectMethod>") {
				t.Errorf("%s: all methods are kept because of %s", command, line)
			}
		}
	}
}

// goCommand is the go command as the build of the node runs it.
func goCommand(args ...string) *exec.Cmd {
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	return cmd
}
