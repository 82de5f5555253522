// Package lvmtest makes real LVM2 volumes with the real tools, without a
// device mapper: only the metadata, nothing is activated.
package lvmtest

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

// Tools runs LVM's commands on some files and on nothing else of this
// machine.
type Tools struct {
	t      testing.TB
	dir    string
	Device []string // of each file
}

// Slice is a part of a file that is to be a device; the zero Size is all of it.
type Slice struct {
	File      string
	Off, Size int64
}

// New makes devices of slices until the test ends. Without root or the tools
// the test is skipped.
func New(t testing.TB, slices ...Slice) *Tools {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("loop devices need root")
	}
	for _, tool := range []string{"lvm", "losetup"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no %s here", tool)
		}
	}
	l := &Tools{t: t, dir: t.TempDir()}
	accept := ""
	for _, s := range slices {
		args := []string{"--find", "--show", "--offset", fmt.Sprint(s.Off)}
		if s.Size > 0 {
			args = append(args, "--sizelimit", fmt.Sprint(s.Size))
		}
		device := strings.TrimSpace(maptest.Tool(t, "losetup", append(args, s.File)...))
		l.Device = append(l.Device, device)
		accept += fmt.Sprintf("%q, ", "a|^"+device+"$|")
	}
	t.Cleanup(l.Close)
	conf := fmt.Sprintf(`devices {
	dir = "/dev"
	scan = ["/dev"]
	filter = [%s"r|.*|"]
	use_devicesfile = 0
	obtain_device_list_from_udev = 0
	external_device_info_source = "none"
	md_component_detection = 0
	multipath_component_detection = 0
	hints = "none"
}
global {
	activation = 0
	use_lvmpolld = 0
	event_activation = 0
	locking_dir = %q
	etc = %q
}
activation { monitoring = 0 }
backup {
	backup = 0
	archive = 0
}
`, accept, filepath.Join(l.dir, "lock"), l.dir)
	if err := os.WriteFile(filepath.Join(l.dir, "lvm.conf"), []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	return l
}

// Close gives the devices back early.
func (l *Tools) Close() {
	for _, d := range l.Device {
		maptest.Tool(l.t, "losetup", "--detach", d)
	}
	l.Device = nil
}

// Run runs one of the commands and gives its standard output.
func (l *Tools) Run(args ...string) string {
	l.t.Helper()
	cmd := exec.Command("lvm", args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "LVM_SYSTEM_DIR="+l.dir, "LVM_SUPPRESS_FD_WARNINGS=1")
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		l.t.Fatalf("lvm %s: %v\n%s%s", strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String()
}

// Group makes physical volumes of all devices and a group of them.
func (l *Tools) Group(name string, options ...string) {
	l.t.Helper()
	l.Run(slices.Concat([]string{"pvcreate", "-q"}, options, l.Device)...)
	l.Run(append([]string{"vgcreate", "-q", name}, l.Device...)...)
}

// Volume makes a logical volume of so many extents, on the extents that
// places name ("/dev/loop0:3-5"), or anywhere.
func (l *Tools) Volume(group, name string, extents int, places ...string) {
	l.t.Helper()
	args := []string{"lvcreate", "-q", "-an", "-Zn", "-Wn", "-l", fmt.Sprint(extents), "-n", name, group}
	l.Run(append(args, places...)...)
}

// Report runs pvs, vgs or lvs and gives what it tells as rows of fields.
func (l *Tools) Report(args ...string) []map[string]string {
	l.t.Helper()
	out := l.Run(append(args, "--reportformat", "json", "--units", "b", "--nosuffix")...)
	var report struct {
		Report []map[string][]map[string]string
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		l.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	var rows []map[string]string
	for _, r := range report.Report {
		for _, list := range r {
			rows = append(rows, list...)
		}
	}
	return rows
}

// Text is the metadata of a group.
func (l *Tools) Text(group string) string {
	l.t.Helper()
	file := filepath.Join(l.dir, "text")
	l.Run("vgcfgbackup", "-f", file, group)
	b, err := os.ReadFile(file)
	if err != nil {
		l.t.Fatal(err)
	}
	return string(b)
}

// SetText makes text the metadata of a group.
func (l *Tools) SetText(group, text string) {
	l.t.Helper()
	file := filepath.Join(l.dir, "text")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		l.t.Fatal(err)
	}
	l.Run("vgcfgrestore", "--force", "-f", file, group)
}
