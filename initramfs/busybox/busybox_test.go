package busybox

import (
	"debug/buildinfo"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/initramfs/multicall"
)

// twoCommands builds testdata's, each of which would print what the other's
// initialisation left behind.
func twoCommands(t *testing.T) Build {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	const pkg = "github.com/orbit-pxe/orbit/initramfs/busybox/testdata/"
	dir := filepath.Join("initramfs", "_bbtest")
	t.Cleanup(func() { os.RemoveAll(filepath.Join(root, dir)) })
	return Build{
		Root: root, Module: "github.com/orbit-pxe/orbit", Dir: dir,
		List: List{
			Commands: []Command{{pkg + "one", "test"}, {pkg + "two", "test"}},
			Aliases:  []multicall.Alias{{Name: "uno", Command: "one", Args: []string{"alias"}}},
		},
		Tags:  []string{"tagged"},
		Stamp: []string{"github.com/orbit-pxe/orbit/pkg/version.version=v9.8.7"},
	}
}

func TestBuild(t *testing.T) {
	b := twoCommands(t)
	binary := filepath.Join(t.TempDir(), "bb")
	if err := b.Run(t.Context(), binary); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		args   []string
		want   string
		status int
	}{
		{"first", []string{"/bbin/one", "a"}, "one [a] initialised: one, version v9.8.7\n", 0},
		{"second", []string{"/bbin/two"}, "two [] initialised: two, embedded text, tagged\n", 3},
		{"alias", []string{"uno", "b"}, "one [alias b] initialised: one, version v9.8.7\n", 0},
		{"through the binary's own name", []string{"bb", "two", "c"}, "two [c] initialised: two, embedded text, tagged\n", 3},
		{"unknown", []string{"three"}, "", 127},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := &exec.Cmd{Path: binary, Args: tt.args}
			out, err := cmd.Output()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			if string(out) != tt.want || cmd.ProcessState.ExitCode() != tt.status {
				t.Errorf("status %d, output %q; want %d, %q", cmd.ProcessState.ExitCode(), out, tt.status, tt.want)
			}
			if exit != nil && tt.status == 127 && !strings.Contains(string(exit.Stderr), "commands: one two uno") {
				t.Errorf("no list of commands: %q", exit.Stderr)
			}
		})
	}
	alone := filepath.Join(t.TempDir(), "two")
	if err := b.Go(t.Context(), alone, "./initramfs/busybox/testdata/two"); err != nil {
		t.Fatal(err)
	}
	if out, _ := exec.Command(alone).Output(); string(out) != "two [] initialised: two, embedded text\n" {
		t.Errorf("alone: %q, want it without the busybox's tags", out)
	}
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range info.Settings {
		if s.Key == "DefaultGODEBUG" || s.Key == "vcs.revision" {
			t.Errorf("build setting %s=%s", s.Key, s.Value)
		}
	}
}

func TestBuildRefuses(t *testing.T) {
	for name, want := range map[string]string{
		"broken":  "undefined: nothing", // what the compiler says, not only that something failed
		"library": "is no command",
		"missing": "missing",
	} {
		t.Run(name, func(t *testing.T) {
			b := twoCommands(t)
			b.List = List{Commands: []Command{{"./initramfs/busybox/testdata/" + name, "test"}}}
			err := b.Run(t.Context(), filepath.Join(t.TempDir(), "bb"))
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want an error with %q", err, want)
			}
		})
	}
}
