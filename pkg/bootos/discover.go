package bootos

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/bootcfg"
	"github.com/orbit-pxe/orbit/pkg/bootcfg/bls"
	"github.com/orbit-pxe/orbit/pkg/bootcfg/grub"
	"github.com/orbit-pxe/orbit/pkg/bootcfg/syslinux"
)

// System is one installed system: a boot loader's configuration that could be
// read, with its menu.
type System struct {
	Disk   string
	Loader string       // "GRUB", "systemd-boot", "syslinux"
	Config bootcfg.File // the configuration file
	Menu   bootcfg.Menu
}

// Default is the entry that starts without anyone at the keyboard.
func (s System) Default() bootcfg.Entry { return s.Menu.Entries[s.Menu.Default] }

// NoSystemError says that nothing was found that the disk would boot, with
// everything that was looked at.
type NoSystemError struct {
	Disk    string
	Volumes []string // "/dev/sda1 (vfat): no boot configuration", one for each
	Failed  []error  // configurations that were found and could not be used
}

func (e *NoSystemError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "find an installed system on %s: ", e.Disk)
	if len(e.Failed) > 0 {
		for i, err := range e.Failed {
			if i > 0 {
				b.WriteString("; ")
			}
			b.WriteString(err.Error())
		}
	} else {
		b.WriteString("no GRUB, systemd-boot or syslinux configuration on it")
	}
	fmt.Fprintf(&b, "; looked at %s; reboot to let the firmware try, or start a shell (orbit.then=shell) and use orbit boot", strings.Join(e.Volumes, ", "))
	return b.String()
}

func (e *NoSystemError) Unwrap() []error { return e.Failed }

// loader is one kind of configuration: where it lies and how it is read.
type loader struct {
	name  string
	globs []string
	read  func(ctx context.Context, vs *volumes, v *volume, name string) (bootcfg.Menu, error)
}

// loaders are tried in this order, each on every volume. Configurations on an
// EFI system partition come first among GRUB's: they are what firmware starts,
// and they lead to the real one.
var loaders = []loader{
	{"GRUB", []string{
		"EFI/*/grub.cfg",
		"boot/grub/grub.cfg", "boot/grub2/grub.cfg", "grub/grub.cfg", "grub2/grub.cfg",
		"*/boot/grub/grub.cfg", "*/boot/grub2/grub.cfg", // btrfs subvolumes
	}, readGRUB},
	{"systemd-boot", []string{"loader/entries"}, readBLS},
	{"syslinux", []string{
		"boot/extlinux/extlinux.conf", "extlinux/extlinux.conf", "extlinux.conf",
		"boot/syslinux/syslinux.cfg", "boot/syslinux/extlinux.conf", "syslinux/syslinux.cfg", "syslinux.cfg",
		"EFI/syslinux/syslinux.cfg", "isolinux/isolinux.cfg",
	}, readSyslinux},
}

func readGRUB(ctx context.Context, vs *volumes, v *volume, name string) (bootcfg.Menu, error) {
	platform := "pc"
	if _, err := os.Stat("/sys/firmware/efi"); err == nil {
		platform = "efi"
	}
	return grub.Parse(ctx, v.trees, name, grub.Env{Volumes: vs, Volume: v.path, Platform: platform})
}

func readBLS(ctx context.Context, vs *volumes, v *volume, _ string) (bootcfg.Menu, error) {
	return bls.Parse(ctx, v.trees, v.path)
}

func readSyslinux(ctx context.Context, vs *volumes, v *volume, name string) (bootcfg.Menu, error) {
	return syslinux.Parse(ctx, v.trees, v.path, name)
}

// systems reads every boot configuration of the mounted volumes, the one the
// disk most likely boots by first.
func (vs *volumes) systems(ctx context.Context, log *slog.Logger) ([]System, error) {
	var found []System
	none := &NoSystemError{Disk: vs.disk}
	seen := map[*volume]int{}
	for _, l := range loaders {
		for _, v := range vs.list {
			for _, name := range v.glob(l.globs) {
				seen[v]++
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				config := bootcfg.File{Volume: v.path, Path: name}
				menu, err := l.read(ctx, vs, v, name)
				for _, n := range menu.Notes {
					log.Info("boot configuration", "file", config, "note", n)
				}
				if err != nil {
					log.Warn("boot configuration cannot be used", "loader", l.name, "file", config, "err", err)
					none.Failed = append(none.Failed, fmt.Errorf("%s configuration %s: %w", l.name, config, err))
					continue
				}
				found = append(found, System{Disk: vs.disk, Loader: l.name, Config: config, Menu: menu})
			}
		}
	}
	if len(found) > 0 {
		return found, nil
	}
	for _, v := range vs.list {
		what := "no boot configuration"
		switch {
		case v.err != nil:
			what = v.err.Error()
		case seen[v] > 0:
			what = "boot configuration unusable"
		}
		if v.Dirty {
			what += " (it was not unmounted cleanly, and its journal is not replayed here)"
		}
		fstype := v.Type
		if fstype == "" {
			fstype = "unknown"
		}
		none.Volumes = append(none.Volumes, fmt.Sprintf("%s (%s): %s", v.path, fstype, what))
	}
	return nil, none
}

// glob lists what is there of several paths, which may have * for one element,
// in the order given.
func (v *volume) glob(patterns []string) []string {
	var names []string
	if !v.readable() {
		return nil
	}
	for _, p := range patterns {
		for _, name := range expand(v.trees, p) {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// expand resolves one pattern. It stats instead of comparing names, so that
// the filesystem decides about case: vfat does not mind.
func expand(fsys fs.FS, pattern string) []string {
	dir, rest, ok := strings.Cut(pattern, "*/")
	if !ok {
		if _, err := fs.Stat(fsys, pattern); err != nil {
			return nil
		}
		return []string{pattern}
	}
	dir = path.Clean(dir)
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return nil
	}
	var names []string
	for i, e := range entries {
		if i == 1000 {
			break
		}
		name := path.Join(dir, e.Name(), rest)
		if _, err := fs.Stat(fsys, name); err != nil {
			continue
		}
		names = append(names, name)
	}
	return names
}
