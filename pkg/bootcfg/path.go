package bootcfg

import (
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// readAll reads f, refusing anything but a regular file of at most max bytes.
func readAll(f fs.File, name string, max int64) ([]byte, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("read %s: not a regular file", name)
	}
	b, err := io.ReadAll(io.LimitReader(f, max+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if int64(len(b)) > max {
		return nil, fmt.Errorf("read %s: longer than %d bytes", name, max)
	}
	return b, nil
}

// Clean turns a boot loader's path ("/boot//vmlinuz", "\\EFI\\x", "./a") into
// the form fs.FS wants. Dots that lead above the root stay at the root.
func Clean(p string) string {
	p = path.Clean("/" + strings.ReplaceAll(p, `\`, "/"))
	if p == "/" {
		return "."
	}
	return p[1:]
}

// Join resolves a path of a configuration file: absolute ones from the root of
// the filesystem, others from dir.
func Join(dir, p string) string {
	if strings.HasPrefix(p, "/") || strings.HasPrefix(p, `\`) {
		return Clean(p)
	}
	return Clean(dir + "/" + p)
}
