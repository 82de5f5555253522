// Package bls reads boot menus as the Boot Loader Specification lays them down
// (UAPI.1, https://uapi-group.org/specifications/specs/boot_loader_specification/):
// type #1 entries, the files loader/entries/*.conf, with the order the
// specification gives them, boot counters in file names, and the default of
// systemd-boot's loader/loader.conf (loader.conf(5)).
//
// Type #2 entries (unified kernel images) are listed with the reason why they
// cannot be started: kexec_file_load wants a bzImage.
package bls

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/bootcfg"
	"github.com/orbit-pxe/orbit/pkg/order"
)

const (
	maxEntries = 1000     // files in loader/entries
	maxSize    = 64 << 10 // bytes of one file
)

// Parse reads the menu that systemd-boot would show for the filesystem fsys,
// which vols knows by the name volume.
func Parse(ctx context.Context, fsys fs.FS, volume string) (bootcfg.Menu, error) {
	var menu bootcfg.Menu
	entries, notes, err := ReadDir(ctx, fsys, "loader/entries")
	menu.Notes = notes
	if err != nil {
		return menu, err
	}
	Sort(entries)
	for _, e := range entries {
		menu.Entries = append(menu.Entries, e.resolve(volume))
	}
	patterns, err := defaults(fsys)
	if err != nil {
		menu.Notes = append(menu.Notes, err.Error())
	}
	for _, p := range patterns {
		if i := match(entries, p); i >= 0 {
			menu.Default = i
			return menu, nil
		}
		menu.Notes = append(menu.Notes, fmt.Sprintf("default %q of loader.conf names no entry, the first one counts", p))
	}
	// Without a choice systemd-boot takes the first that is not a failed try.
	menu.Default = max(0, slices.IndexFunc(entries, func(e Entry) bool { return !e.Bad() }))
	return menu, nil
}

// ReadDir decodes every *.conf of a directory, in the order of their names.
// Files that are no entries, or are for other machines, become notes. No entry
// at all is an error that wraps bootcfg.ErrNoEntries or fs.ErrNotExist.
func ReadDir(ctx context.Context, fsys fs.FS, dir string) (entries []Entry, notes []string, err error) {
	files, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return nil, nil, fmt.Errorf("list boot entries: %w", err)
	}
	for _, f := range files {
		if ctx.Err() != nil {
			return nil, notes, ctx.Err()
		}
		if !strings.HasSuffix(f.Name(), ".conf") || strings.HasPrefix(f.Name(), ".") {
			continue
		}
		if len(entries) == maxEntries {
			notes = append(notes, fmt.Sprintf("%s holds more than %d entries, the rest is passed over", dir, maxEntries))
			break
		}
		b, err := bootcfg.ReadFile(fsys, path.Join(dir, f.Name()), maxSize)
		if err != nil {
			notes = append(notes, err.Error())
			continue
		}
		e, err := Decode(f.Name(), b)
		switch {
		case err != nil:
			notes = append(notes, err.Error())
		case e.Architecture != "" && e.Architecture != "x64" && e.Architecture != "x86_64":
			notes = append(notes, fmt.Sprintf("entry %s is for architecture %s", e.ID, e.Architecture))
		default:
			entries = append(entries, e)
		}
	}
	if len(entries) == 0 {
		return nil, notes, fmt.Errorf("list boot entries in %s: %w", dir, bootcfg.ErrNoEntries)
	}
	return entries, notes, nil
}

// Sort orders entries as a menu shows them: failed tries last; those with a
// sort-key first, by key and machine, then by version, the newest first; the
// others by name, the newest first.
func Sort(entries []Entry) {
	order.Stable(entries, func(a, b Entry) int {
		if c := boolean(a.Bad(), b.Bad()); c != 0 {
			return c
		}
		if c := boolean(a.SortKey == "", b.SortKey == ""); c != 0 {
			return c
		}
		if a.SortKey != "" {
			if c := cmp.Or(cmp.Compare(a.SortKey, b.SortKey), cmp.Compare(a.MachineID, b.MachineID), CompareVersions(b.Version, a.Version)); c != 0 {
				return c
			}
		}
		return CompareVersions(b.ID, a.ID)
	})
}

// boolean orders false before true.
func boolean(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// resolve makes a menu entry of it.
func (e Entry) resolve(volume string) bootcfg.Entry {
	b := bootcfg.Entry{ID: e.ID, Title: e.title(), Version: e.Version, Cmdline: e.Options, Source: "loader/entries/" + e.File}
	switch {
	case e.Linux != "":
		b.Kernel = bootcfg.File{Volume: volume, Path: bootcfg.Clean(e.Linux)}
	case e.UKI != "":
		b.Err = fmt.Errorf("entry starts a unified kernel image (%s), which kexec cannot take apart", e.UKI)
	default:
		b.Err = fmt.Errorf("entry starts an EFI program (%s), not a Linux kernel", e.EFI)
	}
	for _, i := range e.Initrds {
		b.Initrds = append(b.Initrds, bootcfg.File{Volume: volume, Path: bootcfg.Clean(i)})
	}
	return b
}

// defaults reads the patterns of loader.conf, the preferred one last in the
// file first in the result. No file is no error.
func defaults(fsys fs.FS) ([]string, error) {
	b, err := bootcfg.ReadFile(fsys, "loader/loader.conf", maxSize)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var preferred, fallback []string
	for line := range strings.Lines(string(b)) {
		switch f := strings.Fields(line); {
		case len(f) != 2:
		case f[0] == "default":
			fallback = []string{f[1]}
		case f[0] == "preferred": // since systemd 258
			preferred = []string{f[1]}
		}
	}
	return append(preferred, fallback...), nil
}

// match finds the first entry whose name fits a pattern of loader.conf. The
// names have .conf since systemd 240, many files still leave it out.
func match(entries []Entry, pattern string) int {
	pattern = strings.TrimSuffix(strings.ToLower(pattern), ".conf")
	return slices.IndexFunc(entries, func(e Entry) bool {
		ok, err := path.Match(pattern, strings.ToLower(e.ID))
		return err == nil && ok
	})
}
