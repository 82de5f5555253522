package scrub

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// action is what happens to a file.
type action int

const (
	empty  action = iota + 1 // it stays, with nothing in it
	remove                   // it and its name go
)

// rule is a path from the root of the system: * is part of one name, ** at the
// end is everything below. Only regular files are touched, and symbolic links
// are not followed.
type rule struct {
	path string
	do   action
}

// rules says what belongs to one machine.
func rules() []rule {
	rules := []rule{
		// systemd makes a new one where it is empty, and not a first boot of it.
		{"etc/machine-id", empty},
		{"var/lib/dbus/machine-id", empty},
		// sshd refuses empty keys, and ssh-keygen -A only makes missing ones.
		{"etc/ssh/ssh_host_*_key", remove},
		{"etc/ssh/ssh_host_*_key.pub", remove},
		// Two machines with one seed would draw the same numbers.
		{"var/lib/systemd/random-seed", empty},
		{"var/lib/dhcp/*", empty},
		{"var/lib/dhclient/*", empty},
		{"var/lib/dhcpcd/*.lease*", empty},
		{"var/lib/NetworkManager/*.lease", empty},
		{"var/lib/systemd/network/**", empty},
		{"var/log/**", empty},
	}
	for _, home := range []string{"root", "home/*"} {
		for _, name := range []string{".bash_history", ".zsh_history", ".zhistory", ".histfile", ".sh_history", ".ash_history", ".ksh_history", ".history"} {
			rules = append(rules, rule{home + "/" + name, empty})
		}
	}
	return rules
}

// entry is a name in a directory. What is neither is of no interest.
type entry struct {
	name         string
	id           uint64 // number of the inode
	dir, regular bool
}

// tree is a filesystem whose directories can be read without mounting it.
type tree interface {
	root() uint64
	list(dir uint64) ([]entry, error) // without . and ..
}

// target is a file that a rule means.
type target struct {
	path   string // from the volume's root
	parent uint64 // directory that has the name
	entry
	do action
}

// Bounds of a search, against damaged and hostile filesystems.
const (
	maxDepth   = 40
	maxTargets = 1 << 18
	maxRemoved = 1 << 10 // each costs a search of its directory
)

// find gives the files that the rules mean, in the order of the directories,
// those that have several names with each.
func find(t tree) ([]target, error) {
	top, err := t.list(t.root())
	if err != nil {
		return nil, err
	}
	s := &search{tree: t, seen: map[uint64]bool{}}
	err = s.dir("", t.root(), rulesFor(top), 0)
	return s.found, err
}

// rulesFor is the rules from the root of a volume, which may be the one that
// is mounted on /var, /var/log or /home, as its names tell.
func rulesFor(top []entry) []rule {
	has := func(names ...string) bool {
		return !slices.ContainsFunc(names, func(name string) bool {
			return !slices.ContainsFunc(top, func(e entry) bool { return e.name == name })
		})
	}
	all := rules()
	below := func(dir string) {
		for _, r := range rules() {
			if rest, ok := strings.CutPrefix(r.path, dir); ok {
				all = append(all, rule{rest, r.do})
			}
		}
	}
	if has("etc") || has("usr") {
		return all
	}
	below("home/") // histories one level down are histories anywhere
	if has("lib", "log") {
		below("var/")
	}
	if has("wtmp") || has("lastlog") || has("syslog") || has("journal") {
		below("var/log/")
	}
	return all
}

type search struct {
	tree  tree
	seen  map[uint64]bool // directories
	found []target
	gone  int // of found, those to be removed
}

// refuse is an error of no filesystem in particular.
func (s *search) refuse(format string, args ...any) error {
	return &UnsupportedError{"filesystem", fmt.Sprintf(format, args...)}
}

func (s *search) dir(at string, id uint64, rules []rule, depth int) error {
	if s.seen[id] {
		return s.refuse("directory %q comes twice", "/"+at)
	}
	s.seen[id] = true
	if depth > maxDepth {
		return s.refuse("directories are more than %d deep at %q", maxDepth, "/"+at)
	}
	entries, err := s.tree.list(id)
	if err != nil {
		return fmt.Errorf("read directory %q: %w", "/"+at, err)
	}
	for _, e := range entries {
		var deeper []rule
		do := action(0)
		for _, r := range rules {
			first, rest, more := strings.Cut(r.path, "/")
			if ok, _ := path.Match(first, e.name); !ok {
				continue
			}
			switch {
			case e.regular && !more:
				do = max(do, r.do)
			case e.dir && first == "**":
				deeper = append(deeper, r)
			case e.dir && more:
				deeper = append(deeper, rule{rest, r.do})
			}
		}
		name := path.Join(at, e.name)
		if do != 0 {
			if do == remove {
				s.gone++
			}
			if len(s.found) == maxTargets || s.gone > maxRemoved {
				return s.refuse("too many files to scrub, %d of them to be removed", s.gone)
			}
			s.found = append(s.found, target{name, id, e, do})
		}
		if len(deeper) > 0 {
			if err := s.dir(name, e.id, deeper, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}
