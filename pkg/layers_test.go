// Package pkg holds the tests on the structure of the whole module: imports
// point one way, and the node binary links nothing that only others need.
package pkg

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/orbit-pxe/orbit/"

// commands is the floor under the roof.
const commands = 5

// layers gives every package prefix its floor of the house. A package imports
// from floors below its own, or from its own family (bootcfg/grub from
// bootcfg, head/dhcp from head/boot).
var layers = map[string]int{
	// Values and formats: no operating system, only io interfaces.
	"pkg/api":          0,
	"pkg/bootcfg":      0,
	"pkg/bootparam":    0,
	"pkg/extent":       0,
	"pkg/fsmap":        0,
	"pkg/hardware":     0,
	"pkg/image":        0,
	"pkg/ndz":          0,
	"pkg/order":        0,
	"pkg/frisbee/wire": 0,
	"pkg/partition":    0,
	"pkg/qcow2":        0,
	"pkg/sign":         0,
	"pkg/stream":       0,
	"pkg/units":        0,
	"pkg/version":      0,
	"pkg/xxhash":       0,

	// One piece of the system each.
	"pkg/blockdev":  1,
	"pkg/console":   1,
	"pkg/fsmount":   1,
	"pkg/kexec":     1,
	"pkg/layout":    1,
	"pkg/multicast": 1,
	"pkg/netup":     1,
	"pkg/pid1":      1,
	"pkg/progress":  1,
	"pkg/scrub":     1,
	"pkg/transfer":  1,

	// What carries a file to a room, over several of them.
	"pkg/frisbee": 2,

	// Engines.
	"pkg/adapt":     3,
	"pkg/bootos":    3,
	"pkg/burnin":    3,
	"pkg/imaging":   3,
	"pkg/inventory": 3,

	// Roles.
	"pkg/agent":  4,
	"pkg/head":   4,
	"pkg/rejoin": 4,

	// Commands, and what builds and tries the whole.
	"cmds":      commands,
	"bench":     commands,
	"kernel":    commands,
	"initramfs": commands,
	"qemu":      commands,
}

// values may be imported from their own floor too: they are the vocabulary of
// the formats.
var values = map[string]bool{"pkg/api": true, "pkg/extent": true, "pkg/order": true, "pkg/units": true, "pkg/version": true, "pkg/xxhash": true}

// forbidden on a node: reflection that keeps dead code alive, and what only
// the head needs.
var forbidden = []string{
	"text/template", "html/template", "encoding/gob", "encoding/xml", "go/ast",
	module + "pkg/head", module + "pkg/hardware/query", module + "pkg/hardware/schema", module + "pkg/sign/secret", module + "pkg/imaging/imagefile", "github.com/pin/tftp",
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func list(t *testing.T, args ...string) []goPackage {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports"}, args...)...)
	cmd.Dir = ".."
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var pkgs []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

// family is the longest prefix of a package's path that layers knows.
func family(path string) (string, bool) {
	path = strings.TrimPrefix(path, module)
	for path != "" {
		if _, ok := layers[path]; ok {
			return path, true
		}
		path = path[:max(strings.LastIndexByte(path, '/'), 0)]
	}
	return "", false
}

func TestImportsPointDown(t *testing.T) {
	for _, p := range list(t, "./...") {
		from, ok := family(p.ImportPath)
		if !ok {
			if p.ImportPath != module+"pkg" {
				t.Errorf("%s has no layer: add it to the table in this test", p.ImportPath)
			}
			continue
		}
		for _, imp := range p.Imports {
			to, ok := family(imp)
			if !strings.HasPrefix(imp, module) || !ok || to == from {
				continue
			}
			if layers[to] == layers[from] && (values[to] || layers[from] == commands) {
				continue
			}
			if layers[to] >= layers[from] {
				t.Errorf("%s (layer %d) imports %s (layer %d): imports point down", p.ImportPath, layers[from], imp, layers[to])
			}
		}
	}
}

func TestNodeLinksOnlyWhatItNeeds(t *testing.T) {
	pkgs := list(t, "-tags=node", "-deps", "./cmds/orbit", "./cmds/imagenode", "./cmds/savenode", "./cmds/inventory")
	if len(pkgs) < 100 {
		t.Fatalf("go list found only %d packages behind the node's commands", len(pkgs))
	}
	for _, p := range pkgs {
		for _, f := range forbidden {
			if p.ImportPath == f || strings.HasPrefix(p.ImportPath, f+"/") {
				t.Errorf("the node's commands link %s: it costs size, find who imports it with go mod why -m or go list -deps", p.ImportPath)
			}
		}
	}
}
