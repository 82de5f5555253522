package bootos

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/bootcfg"
	"github.com/orbit-pxe/orbit/pkg/order"
	"golang.org/x/sys/unix"
)

// volume is a partition, or a whole disk that has none.
type volume struct {
	path   string // /dev/sda2: its name as bootcfg.File.Volume
	number int    // of the partition, 0 for the whole disk
	superblock
	err   error // why its files are out of reach, nil where they are not
	trees layers
}

func (v *volume) readable() bool { return len(v.trees) > 0 }

// volumes are the mounted filesystems of one disk; they implement
// bootcfg.Volumes.
type volumes struct {
	disk   string
	list   []*volume
	guards []*guard
}

// mountDisk makes the filesystems of a disk readable without changing a byte
// of it. Volumes that cannot be read stay in the list with the reason.
func mountDisk(disk string, log *slog.Logger) (*volumes, error) {
	path, err := filepath.EvalSymlinks(disk)
	if err != nil {
		return nil, fmt.Errorf("look for an installed system: %w", err)
	}
	list, err := listVolumes("/sys", path)
	if err != nil {
		return nil, err
	}
	vs := &volumes{disk: path, list: list}
	for _, v := range list {
		v.err = vs.mount(v)
		switch {
		case v.err != nil:
			log.Info("volume cannot be read", "volume", v.path, "type", v.Type, "err", v.err)
		default:
			log.Info("volume mounted read-only", "volume", v.path, "type", v.Type, "uuid", v.UUID, "label", v.Label)
		}
	}
	return vs, nil
}

// listVolumes names a disk's partitions in the order of their numbers, or the
// disk itself when it has none.
func listVolumes(sys, path string) ([]*volume, error) {
	name := filepath.Base(path)
	dir := filepath.Join(sys, "class/block", name)
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("look for an installed system on %s: not a block device (attach an image file with losetup -P first)", path)
	}
	parts, err := filepath.Glob(filepath.Join(dir, name+"*", "partition"))
	if err != nil {
		return nil, err
	}
	var list []*volume
	for _, p := range parts {
		b, err := os.ReadFile(p)
		if err != nil {
			continue
		}
		n, err := strconv.Atoi(strings.TrimSpace(string(b)))
		if err != nil {
			continue
		}
		list = append(list, &volume{path: filepath.Join(filepath.Dir(path), filepath.Base(filepath.Dir(p))), number: n})
	}
	if len(list) == 0 {
		return []*volume{{path: path}}, nil
	}
	order.Sort(list, func(a, b *volume) int { return a.number - b.number })
	return list, nil
}

func (vs *volumes) mount(v *volume) error {
	g, err := watch(v.path)
	if err != nil {
		return err
	}
	vs.guards = append(vs.guards, g)
	if v.superblock, err = probe(g.dev); err != nil {
		return err
	}
	switch {
	case v.Type == "":
		return errors.New("no filesystem known to Orbit in it")
	case v.Why != "":
		return errors.New(v.Why)
	}
	// GRUB names files of btrfs from the top level; some distributions from
	// the default subvolume.
	views := []string{""}
	if v.Type == "btrfs" {
		views = []string{"subvolid=5", "", "subvol=@", "subvol=root"}
	}
	for i, view := range views {
		t, err := mount(v.path, v.Type, view)
		if err != nil && i == 0 {
			return err
		}
		if err == nil {
			v.trees = append(v.trees, t)
		}
	}
	return nil
}

// Close unmounts everything and gives the disk back.
func (vs *volumes) Close() error {
	var errs []error
	for _, v := range vs.list {
		for _, t := range v.trees {
			errs = append(errs, t.dir.Close())
		}
		v.trees = nil
	}
	for _, g := range vs.guards {
		errs = append(errs, g.Close())
	}
	vs.guards = nil
	return errors.Join(errs...)
}

func (vs *volumes) find(name string) *volume {
	for _, v := range vs.list {
		if v.path == name {
			return v
		}
	}
	return nil
}

// Open implements bootcfg.Volumes.
func (vs *volumes) Open(name string) (fs.FS, error) {
	v := vs.find(name)
	switch {
	case v == nil:
		return nil, fmt.Errorf("no volume %q on %s", name, vs.disk)
	case v.err != nil:
		return nil, fmt.Errorf("%s cannot be read: %w", name, v.err)
	}
	return v.trees, nil
}

// UUID implements bootcfg.Volumes.
func (vs *volumes) UUID(name string) string {
	if v := vs.find(name); v != nil {
		return v.superblock.UUID
	}
	return ""
}

// Lookup implements bootcfg.Volumes. The disk at hand is hd0, as it is for a
// firmware that starts from it.
func (vs *volumes) Lookup(kind bootcfg.Kind, value string) (string, error) {
	match := func(*volume) bool { return false }
	switch kind {
	case bootcfg.ByUUID:
		match = func(v *volume) bool { return v.superblock.UUID != "" && strings.EqualFold(v.superblock.UUID, value) }
	case bootcfg.ByLabel:
		match = func(v *volume) bool { return v.Label != "" && v.Label == value }
	case bootcfg.ByFile:
		match = func(v *volume) bool {
			if !v.readable() {
				return false
			}
			_, err := fs.Stat(v.trees, bootcfg.Clean(value))
			return err == nil
		}
	case bootcfg.ByDevice:
		if n, ok := grubPartition(value); ok {
			match = func(v *volume) bool { return v.number == n }
		}
	}
	for _, v := range vs.list {
		if match(v) {
			return v.path, nil
		}
	}
	return "", &bootcfg.NotFoundError{Kind: kind, Value: value}
}

// grubPartition reads hd0, hd0,2, hd0,gpt2 and hd0,msdos2.
func grubPartition(name string) (int, bool) {
	disk, part, ok := strings.Cut(name, ",")
	if disk != "hd0" {
		return 0, false
	}
	if !ok {
		return 0, true
	}
	n, err := strconv.Atoi(strings.TrimLeft(part, "abcdefghijklmnopqrstuvwxyz"))
	return n, err == nil && n > 0
}

// fileOn opens a file a configuration names, insisting on a regular one.
func (vs *volumes) fileOn(f bootcfg.File) (*os.File, error) {
	fsys, err := vs.Open(f.Volume)
	if err != nil {
		return nil, err
	}
	file, err := fsys.Open(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the boot configuration names %s, but there is no such file", f)
	}
	if err != nil {
		return nil, err
	}
	st, err := file.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("the boot configuration names %s, which is not a regular file", f)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	osFile := file.(*os.File)
	// Opened non-blocking, in case it was a FIFO; from here on it is a file.
	if err := unix.SetNonblock(int(osFile.Fd()), false); err != nil {
		osFile.Close()
		return nil, err
	}
	return osFile, nil
}
