package boot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Files is the fixed set of files that firmware may fetch.
type Files struct {
	Loaders   []string // directories searched for iPXE, in order
	Artifacts string   // directory of Orbit's kernel, initramfs and EFI image
}

// SystemLoaders are the places where distributions put iPXE.
func SystemLoaders() []string {
	return []string{"/usr/lib/ipxe", "/usr/share/ipxe", "/usr/share/ipxe/x86_64", "/boot/ipxe"}
}

// loaders and artifacts are the only names there are.
func loaders() []string   { return []string{Undionly, IPXEEFI, SnpEFI} }
func artifacts() []string { return []string{OrbitEFI, "vmlinuz", "initramfs"} }

// Open finds a file by the name that firmware asks for. Firmware may put a
// slash before it, or bytes 0xff after it (a ROM that reads past the end of
// option 67). Only whole names out of the fixed set are ever looked up.
func (f Files) Open(name string) (*os.File, error) {
	name = strings.TrimRight(strings.TrimPrefix(name, "/"), "\xff\x00")
	var dirs []string
	switch {
	case slices.Contains(loaders(), name):
		dirs = f.Loaders
	case slices.Contains(artifacts(), name):
		dirs = []string{f.Artifacts}
	case name == NoFile:
		return nil, fmt.Errorf("this node has no job, it boots its own disk: %w", fs.ErrNotExist)
	default:
		return nil, fmt.Errorf("no boot file %q: %w", name, fs.ErrNotExist)
	}
	for _, dir := range dirs {
		file, err := os.Open(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		return file, err
	}
	return nil, fmt.Errorf("no boot file %s in %s: %w", name, strings.Join(dirs, ", "), fs.ErrNotExist)
}

// Missing lists what is not there, so that it can be said before a node needs it.
func (f Files) Missing() []string {
	var missing []string
	for _, name := range append(loaders(), artifacts()...) {
		file, err := f.Open(name)
		if err != nil {
			missing = append(missing, name)
			continue
		}
		file.Close()
	}
	return missing
}
