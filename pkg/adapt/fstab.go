package adapt

import (
	"path"
	"slices"
	"strconv"
	"strings"
)

// fsEntry is a filesystem that the system mounts by itself (fstab(5)).
type fsEntry struct {
	spec, point, kind string // point has no leading slash
	options           []string
}

// parseFstab lists what is mounted below the root in the order of the file.
// Swap, pseudo filesystems and what is not mounted at boot are left out.
func parseFstab(text []byte) []fsEntry {
	var list []fsEntry
	for _, line := range strings.Split(string(text), "\n") {
		f := strings.Fields(line)
		if len(f) < 3 || strings.HasPrefix(f[0], "#") || !path.IsAbs(f[1]) {
			continue
		}
		e := fsEntry{spec: unquote(unescape(f[0])), point: path.Clean(unescape(f[1]))[1:], kind: f[2]}
		if len(f) > 3 {
			e.options = strings.Split(f[3], ",")
		}
		switch e.kind {
		case "swap", "proc", "sysfs", "tmpfs", "devpts", "devtmpfs", "cgroup2", "debugfs", "efivarfs", "ignore":
			continue
		}
		if e.point == "" || slices.Contains(e.options, "noauto") && !slices.Contains(e.options, "x-systemd.automount") {
			continue
		}
		list = append(list, e)
	}
	return list
}

// subvolume is the part of the options that chooses one of btrfs.
func (e fsEntry) subvolume() string {
	for _, o := range e.options {
		if strings.HasPrefix(o, "subvol=") || strings.HasPrefix(o, "subvolid=") {
			return o
		}
	}
	return ""
}

// unescape reads \040 and its like, which stand for blanks.
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

// unquote reads LABEL="some text".
func unquote(s string) string {
	key, value, ok := strings.Cut(s, "=")
	if n := len(value); ok && n >= 2 && value[0] == '"' && value[n-1] == '"' {
		return key + "=" + value[1:n-1]
	}
	return s
}

// matches tells whether the spec of an entry means p. A name such as /dev/sda2
// does where the number is that of the partition: the disk had another name
// when the image was made.
func (p *part) matches(spec string) bool {
	key, value, ok := strings.Cut(spec, "=")
	if rest, found := strings.CutPrefix(spec, "/dev/disk/by-"); found {
		key, value, ok = strings.Cut(rest, "/")
	}
	switch strings.ToUpper(key) {
	case "UUID":
		return p.UUID != "" && strings.EqualFold(p.UUID, value)
	case "LABEL":
		return p.Label != "" && p.Label == value
	case "PARTUUID":
		return p.ID != "" && strings.EqualFold(p.ID, value)
	case "PARTLABEL":
		return p.Name != "" && p.Name == value
	}
	name, isDev := strings.CutPrefix(spec, "/dev/")
	if ok || !isDev || strings.Contains(name, "/") {
		return false
	}
	digits := name[len(strings.TrimRight(name, "0123456789")):]
	n, err := strconv.Atoi(digits)
	return err == nil && n == p.Number
}
