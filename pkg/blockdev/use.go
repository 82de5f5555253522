package blockdev

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// UseKind is a way of holding a disk.
type UseKind string

const (
	Mounted UseKind = "mount"
	Swap    UseKind = "swap"
	Holder  UseKind = "holder" // a device mapper, md or bcache device on top
	Loop    UseKind = "loop"   // a loop device on top of a file or disk
	Opened  UseKind = "open"   // a process has it open
)

// Use is one thing that holds a disk, one of its partitions, or a file.
type Use struct {
	Kind   UseKind
	Device string // /dev/sda2, or the file
	By     string // mount point, holder's device, or process; empty for swap
}

// String is the use in words: "/dev/sda2 is mounted on /home".
func (u Use) String() string {
	switch u.Kind {
	case Mounted:
		return u.Device + " is mounted on " + u.By
	case Swap:
		return u.Device + " is used for swapping"
	case Holder:
		return u.Device + " is part of " + u.By
	case Loop:
		return u.Device + " is behind " + u.By
	}
	return u.Device + " is open in " + u.By
}

// InUse lists what holds the disk, partition or regular file at path: mounts
// and swap, on it and its partitions and on whatever is stacked on those. None
// is an empty list. Mounts of other mount namespaces do not show; opening with
// Options.Exclusive finds those.
func InUse(path string) ([]Use, error) { return Machine{}.InUse(path) }

// InUse is the function InUse on m. A path under /dev that m has only in sysfs
// is looked up by name.
func (m Machine) InUse(path string) ([]Use, error) {
	s, err := m.survey()
	if err != nil {
		return nil, fmt.Errorf("see what uses %s: %w", path, err)
	}
	real := path
	if r, err := filepath.EvalSymlinks(m.path(path)); err == nil {
		real = strings.TrimPrefix(r, m.Root)
	} else if m.Root == "" {
		return nil, fmt.Errorf("see what uses %s: %w", path, err)
	}
	if s.sysDir(real) == "" {
		return s.onFile(real), nil
	}
	return s.onDevice(real, 0), nil
}

// survey is what the kernel says of mounts, swap and loop devices at one time.
type survey struct {
	m      Machine
	mounts []mount
	swaps  []string
	loops  map[string][]string // backing file to loop devices
}

type mount struct{ dev, source, point string }

func (m Machine) survey() (*survey, error) {
	s := &survey{m: m, loops: map[string][]string{}}
	b, err := os.ReadFile(m.path("/proc/self/mountinfo"))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		for i := 6; i+2 < len(f); i++ { // optional fields end in "-"
			if f[i] == "-" {
				s.mounts = append(s.mounts, mount{dev: f[2], point: unescape(f[4]), source: unescape(f[i+2])})
				break
			}
		}
	}
	b, err = os.ReadFile(m.path("/proc/swaps"))
	if err != nil && !errors.Is(err, os.ErrNotExist) { // a kernel without swap
		return nil, err
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 && strings.HasPrefix(f[0], "/") {
			s.swaps = append(s.swaps, unescape(f[0]))
		}
	}
	files, _ := filepath.Glob(m.path("/sys/block/loop*/loop/backing_file"))
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // detached while we looked
		}
		dev := "/dev/" + filepath.Base(filepath.Dir(filepath.Dir(f)))
		file := strings.TrimSuffix(string(b), "\n")
		s.loops[file] = append(s.loops[file], dev)
	}
	return s, nil
}

// sysDir is the sysfs directory of a block device, "" if dev is none.
func (s *survey) sysDir(dev string) string {
	if s.m.Root == "" {
		var st unix.Stat_t
		if unix.Stat(dev, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFBLK {
			return ""
		}
		return fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev))
	}
	name, ok := strings.CutPrefix(dev, "/dev/")
	if !ok {
		return ""
	}
	dirs, _ := filepath.Glob(s.m.path("/sys/block/*/" + name))
	for _, d := range append(dirs, s.m.path("/sys/block/"+name)) {
		if _, err := os.Stat(d); err == nil {
			return strings.TrimPrefix(d, s.m.Root)
		}
	}
	return ""
}

// onDevice lists the uses of a device, its partitions and what is stacked on
// them. Stacks are not deep; the limit guards against a loop.
func (s *survey) onDevice(dev string, depth int) []Use {
	dir := s.sysDir(dev)
	if dir == "" || depth > 8 {
		return nil
	}
	uses := s.direct(dev, s.m.word(dir+"/dev"))
	holders, _ := os.ReadDir(s.m.path(dir + "/holders"))
	for _, h := range holders {
		uses = append(uses, s.stacked(Holder, dev, "/dev/"+h.Name(), depth)...)
	}
	for _, l := range s.loops[dev] {
		uses = append(uses, s.stacked(Loop, dev, l, depth)...)
	}
	parts, _ := filepath.Glob(s.m.path(dir + "/*/partition"))
	for _, p := range parts {
		uses = append(uses, s.onDevice("/dev/"+filepath.Base(filepath.Dir(p)), depth+1)...)
	}
	return uses
}

// stacked is the use of dev by the device on top, which says in By what that
// one is for in turn.
func (s *survey) stacked(kind UseKind, dev, top string, depth int) []Use {
	by := top
	if name := s.m.word(s.sysDir(top) + "/dm/name"); name != "" {
		by += " (" + name + ")"
	}
	list := []Use{{kind, dev, by}}
	return append(list, s.onDevice(top, depth+1)...)
}

// direct lists mounts and swap of exactly this device.
func (s *survey) direct(dev, number string) []Use {
	var uses []Use
	for _, mt := range s.mounts {
		// btrfs and some others mount under a number of their own: there
		// the source tells.
		if number != "" && mt.dev == number || mt.source == dev || s.sameDevice(mt.source, number) {
			uses = append(uses, Use{Mounted, dev, mt.point})
		}
	}
	for _, sw := range s.swaps {
		if sw == dev || s.sameDevice(sw, number) {
			uses = append(uses, Use{Swap, dev, ""})
		}
	}
	return uses
}

// sameDevice tells whether path, such as /dev/mapper/x or /dev/root, is the
// device with this number.
func (s *survey) sameDevice(path, number string) bool {
	if number == "" || !strings.HasPrefix(path, "/dev/") || s.m.Root != "" {
		return false
	}
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return false
	}
	return number == strconv.Itoa(int(unix.Major(st.Rdev)))+":"+strconv.Itoa(int(unix.Minor(st.Rdev)))
}

// onFile lists loop devices and swap on a regular file.
func (s *survey) onFile(file string) []Use {
	var uses []Use
	for _, l := range s.loops[file] {
		uses = append(uses, s.stacked(Loop, file, l, 0)...)
	}
	for _, sw := range s.swaps {
		if sw == file {
			uses = append(uses, Use{Swap, file, ""})
		}
	}
	return uses
}

// unescape undoes the octal escapes of mountinfo and swaps.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// openers lists the processes other than this one that have path open: for the
// message about a device that is busy without a mount. It sees what this user
// may see.
func openers(path string) []Use {
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	self := "/proc/" + strconv.Itoa(os.Getpid()) + "/"
	seen := map[string]bool{}
	var uses []Use
	for _, l := range links {
		if strings.HasPrefix(l, self) {
			continue
		}
		if to, err := os.Readlink(l); err != nil || to != path {
			continue
		}
		proc := filepath.Dir(filepath.Dir(l))
		if seen[proc] || len(uses) == 8 {
			continue
		}
		seen[proc] = true
		name, _ := os.ReadFile(proc + "/comm")
		uses = append(uses, Use{Opened, path, fmt.Sprintf("%s (pid %s)", clean(string(name)), filepath.Base(proc))})
	}
	return uses
}
