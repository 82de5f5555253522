// Package sysfs reads the small files by which Linux shows hardware, under a
// root that tests replace.
package sysfs

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/order"
)

// Host is the machine to look at.
type Host struct {
	Root string // "" or "/": this machine
}

// Live tells whether it is this machine, whose devices answer ioctls and whose
// network can be listened to.
func (h Host) Live() bool { return h.Root == "" || h.Root == "/" }

// Path is where an absolute path of the machine is found.
func (h Host) Path(path string) string {
	if h.Live() {
		return path
	}
	return filepath.Join(h.Root, path)
}

// most is more than any file that says one thing has. A file that lies about
// its length does not fill memory.
const most = 1 << 20

// Bytes reads a file, at most 1 MiB of it.
func (h Host) Bytes(path string) ([]byte, error) {
	f, err := os.Open(h.Path(path))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}

// Text reads a file without the white space around it, "" if it can't be read.
func (h Host) Text(path string) string {
	b, err := h.Bytes(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(strings.TrimRight(string(b), "\x00\n"))
}

// Int reads a number, decimal or with 0x.
func (h Host) Int(path string) (int64, bool) {
	n, err := strconv.ParseInt(h.Text(path), 0, 64)
	return n, err == nil
}

// Hex reads a hexadecimal number's digits, without 0x.
func (h Host) Hex(path string) string { return strings.TrimPrefix(strings.ToLower(h.Text(path)), "0x") }

// Kibibytes is the number of bytes behind a word of a file like meminfo, 0 if it
// is not there.
func (h Host) Kibibytes(path, word string) int64 {
	for line := range strings.Lines(h.Text(path)) {
		_, rest, ok := strings.Cut(line, word)
		if f := strings.Fields(rest); ok && len(f) > 0 {
			if n, err := strconv.ParseInt(f[0], 10, 50); err == nil && n >= 0 {
				return n << 10
			}
		}
	}
	return 0
}

// Has tells whether there is something.
func (h Host) Has(path string) bool {
	_, err := os.Stat(h.Path(path))
	return err == nil
}

// Base is the last element of what a symbolic link points to, "" if it is none.
func (h Host) Base(path string) string {
	target, err := os.Readlink(h.Path(path))
	if err != nil {
		return ""
	}
	return filepath.Base(target)
}

// Real is a path of the machine without symbolic links in it, "" if it leads
// nowhere or out of the root.
func (h Host) Real(path string) string {
	real, err := filepath.EvalSymlinks(h.Path(path))
	if err != nil || h.Live() {
		return real
	}
	root, err := filepath.EvalSymlinks(h.Root)
	if err != nil {
		return ""
	}
	rest, ok := strings.CutPrefix(real, strings.TrimSuffix(root, "/"))
	if !ok {
		return ""
	}
	return rest
}

// List names what a directory has, in natural order: sd2 before sd10. A
// directory that is not there has nothing.
func (h Host) List(path string) ([]string, error) {
	f, err := os.Open(h.Path(path))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	order.Sort(names, Compare)
	return names, err
}

// Compare orders names and paths as people do: numbers in them count as numbers,
// and addresses of PCI functions, whose numbers are hexadecimal, as addresses.
func Compare(a, b string) int {
	for {
		if x, y := function(a), function(b); x > 0 && y > 0 {
			if x != y { // of the domain
				return x - y
			}
			if c := strings.Compare(a[:x], b[:y]); c != 0 {
				return c
			}
			a, b = a[x:], b[y:]
		}
		x, y := digits(a), digits(b)
		if x > 0 && y > 0 {
			m, n := strings.TrimLeft(a[:x], "0"), strings.TrimLeft(b[:y], "0")
			if len(m) != len(n) {
				return len(m) - len(n)
			}
			if c := strings.Compare(m, n); c != 0 {
				return c
			}
			a, b = a[x:], b[y:]
			continue
		}
		if a == "" || b == "" || a[0] != b[0] {
			return strings.Compare(a, b)
		}
		a, b = a[1:], b[1:]
	}
}

func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// function is the length of the address of a PCI function that s begins with,
// 0 if it doesn't: "0000:00:1f.2". Domains can have more digits.
func function(s string) int {
	n := strings.IndexByte(s, ':') + len(":00:1f.2")
	if n < len("0000:00:1f.2") || n > len("ffffffff:00:1f.2") || n > len(s) || n < len(s) && s[n] != '/' && s[n] != ' ' {
		return 0
	}
	for i := range n {
		c := s[i]
		switch {
		case i == n-8 || i == n-5:
			if c != ':' {
				return 0
			}
		case i == n-2:
			if c != '.' {
				return 0
			}
		case (c < '0' || c > '9') && (c < 'a' || c > 'f'):
			return 0
		}
	}
	return n
}
