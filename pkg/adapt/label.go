package adapt

import (
	"errors"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// SELinux keeps the label of a file in an extended attribute. A system that
// enforces it cannot use a file without one, so new files get that of the file
// they replace, or of their directory, as most files have. The running kernel
// needs no SELinux for that: to it the label is a text.
const labelName = "security.selinux"

// getLabel is the label of a file in a directory, "" where there is none.
func getLabel(fd int, name string) string {
	b := make([]byte, 1024)
	n, err := unix.Lgetxattr(here(fd, name), labelName, b)
	if err != nil {
		return ""
	}
	return string(b[:n])
}

func setLabel(fd int, name, label string) error {
	if label == "" {
		return nil
	}
	err := unix.Lsetxattr(here(fd, name), labelName, []byte(label), 0)
	if errors.Is(err, unix.ENOTSUP) {
		return nil // it is on vfat, where nothing has one
	}
	return err
}

// here is a path for calls that take nothing else. Only its last element is
// the filesystem's, and is not followed.
func here(fd int, name string) string { return "/proc/self/fd/" + strconv.Itoa(fd) + "/" + name }

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
