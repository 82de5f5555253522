package adapt

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// SELinux keeps the label of a file in an extended attribute. A system that
// enforces it cannot use a file without one, so new files get that of the file
// they replace, or of their directory, as most files have. The running kernel
// needs no SELinux for that: to it the label is a text.
const labelName = "security.selinux"

// getLabel is the label of a file, "" where there is none.
func getLabel(root *os.Root, name string) (label string) {
	withPath(root, name, func(p string) error {
		b := make([]byte, 1024)
		n, err := unix.Lgetxattr(p, labelName, b)
		if err == nil {
			label = string(b[:n])
		}
		return nil
	})
	return label
}

func setLabel(root *os.Root, name, label string) error {
	if label == "" {
		return nil
	}
	err := withPath(root, name, func(p string) error { return unix.Lsetxattr(p, labelName, []byte(label), 0) })
	if errors.Is(err, unix.ENOTSUP) {
		return nil // it is on vfat, where nothing has one
	}
	if err != nil {
		return fmt.Errorf("set the SELinux label: %w", err)
	}
	return nil
}

// withPath gives fn a path for calls that take nothing else. Only its last
// element is the filesystem's; everything before is already open.
func withPath(root *os.Root, name string, fn func(string) error) error {
	dir, err := root.Open(path.Dir(name))
	if err != nil {
		return err
	}
	defer dir.Close()
	return fn(fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), path.Base(name)))
}

// retype replaces the type in a label: "user:role:type:range".
func retype(label, typ string) string {
	fields := strings.SplitN(label, ":", 4)
	if typ == "" || len(fields) < 3 {
		return label
	}
	fields[2] = typ
	if len(fields) == 4 || !strings.HasSuffix(label, "\x00") {
		return strings.Join(fields, ":")
	}
	return strings.Join(fields, ":") + "\x00"
}
