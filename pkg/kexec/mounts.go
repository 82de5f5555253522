package kexec

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// mount is one line of mountinfo, as far as unmounting needs it.
type mount struct {
	dir, fstype, source string
	readOnly            bool
}

// virtual names the filesystems that keep nothing on a disk or a server.
var virtual = []string{
	"autofs", "bdev", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "cpuset", "debugfs", "devpts",
	"devtmpfs", "efivarfs", "fuse.lxcfs", "fusectl", "hugetlbfs", "mqueue", "nsfs", "pipefs", "proc", "pstore",
	"ramfs", "rootfs", "rpc_pipefs", "securityfs", "selinuxfs", "sockfs", "sysfs", "tmpfs", "tracefs",
}

// readMounts lists the mounts that hold data, the oldest first (proc(5),
// /proc/PID/mountinfo).
func readMounts(path string) ([]mount, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseMounts(f)
}

func parseMounts(r io.Reader) ([]mount, error) {
	var ms []mount
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20) // overlay options can be long
	for s.Scan() {
		// 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
		before, after, ok := strings.Cut(s.Text(), " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !ok || len(left) < 6 || len(right) < 3 || slices.Contains(virtual, right[0]) {
			continue
		}
		ms = append(ms, mount{
			dir: unescape(left[4]), fstype: right[0], source: unescape(right[1]),
			readOnly: slices.Contains(strings.Split(right[2], ","), "ro"),
		})
	}
	return ms, s.Err()
}

// unescape undoes the octal escapes of mountinfo for space, tab, newline and
// backslash.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// unmount takes the mounts away, the newest first. What is still in use (the
// root filesystem, at least) becomes read-only, which writes it back and
// marks it clean.
func unmount(log *slog.Logger, mounts []mount) {
	for _, m := range slices.Backward(mounts) {
		err := unix.Unmount(m.dir, unix.UMOUNT_NOFOLLOW)
		if err == nil || errors.Is(err, unix.EINVAL) {
			continue // EINVAL: gone already, with a mount it was propagated from
		}
		if m.readOnly {
			continue
		}
		if rerr := unix.Mount("", m.dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); rerr != nil {
			log.Warn("filesystem can neither be unmounted nor made read-only", "dir", m.dir, "source", m.source, "unmount", err, "remount", rerr)
			continue
		}
		log.Info("filesystem is in use, made read-only", "dir", m.dir, "source", m.source)
	}
}
