package grub

import (
	"context"
	"fmt"
	"io/fs"
	"path"

	"github.com/orbit-pxe/orbit/pkg/bootcfg"
)

// Env is what a configuration finds around itself.
type Env struct {
	Volumes  bootcfg.Volumes   // where search and device names lead
	Volume   string            // the filesystem that holds the configuration, as Volumes names it
	Platform string            // grub_platform: "efi" or "pc"; "" means "pc"
	Vars     map[string]string // further variables set beforehand
}

// Parse runs the configuration file name of fsys (the filesystem env.Volume)
// and returns the menu it makes, with the entry that starts by default.
// Entries that start something else than a Linux kernel are in the menu with
// Err set. A configuration without any entry is an error that wraps
// bootcfg.ErrNoEntries; one that cannot be understood a *SyntaxError; one that
// exceeds all bounds ErrLimit. The menu's notes are valid with an error too.
func Parse(ctx context.Context, fsys fs.FS, name string, env Env) (bootcfg.Menu, error) {
	e := newEvaluator(ctx, fsys, name, env)
	root, err := e.config(bootcfg.File{Volume: env.Volume, Path: name})
	var menu bootcfg.Menu
	if err == nil {
		menu, err = e.menu(root)
	}
	menu.Notes = e.notes
	if err != nil {
		return menu, fmt.Errorf("read %s: %w", name, err)
	}
	return menu, nil
}

func newEvaluator(ctx context.Context, fsys fs.FS, name string, env Env) *evaluator {
	dir := device(env.Volume) + path.Dir("/"+name)
	platform := env.Platform
	if platform == "" {
		platform = "pc"
	}
	e := &evaluator{ctx: ctx, volumes: env.Volumes, start: fsys, startVolume: env.Volume, scope: newScope(), functions: map[string]script{}}
	for k, v := range map[string]string{
		"root": env.Volume, "prefix": dir, "cmdpath": dir,
		"grub_platform": platform, "grub_cpu": "x86_64",
		"feature_200_final": "y", "feature_all_video_module": "y", "feature_chainloader_bpb": "y",
		"feature_default_font_path": "y", "feature_menuentry_id": "y", "feature_menuentry_options": "y",
		"feature_nativedisk_cmd": "y", "feature_ntldr": "y", "feature_platform_search_hint": "y",
		"feature_timeout_style": "y",
	} {
		e.scope.vars[k] = v
		e.scope.exported[k] = true
	}
	for k, v := range env.Vars {
		e.scope.vars[k] = v
	}
	return e
}

// device writes a volume as GRUB writes devices.
func device(volume string) string { return "(" + volume + ")" }

// choices is a menu under way: what one configuration file or submenu offers.
type choices struct {
	items   []*item
	scope   *scope // variables when the script had run
	source  string
	started *started // a kernel loaded outside any entry
}

// item is one line of a menu: an entry to run when chosen, or a submenu.
type item struct {
	title, id string
	args      []string // $1 and so on for its body
	body      script
	submenu   bool
	source    string
	ready     *started // an entry that came from a BLS file, nothing to run
}

// started is what linux and initrd commands have put together.
type started struct {
	kernel  bootcfg.File
	initrds []bootcfg.File
	cmdline string
	version string
	other   error // something else than a Linux kernel was started
}

// leaf is an entry with its place in the tree, flat for bootcfg.Menu.
type leaf struct {
	item  *item
	index int // in Menu.Entries
	below []leaf
}

// menu runs every entry and picks the default.
func (e *evaluator) menu(root *choices) (bootcfg.Menu, error) {
	var menu bootcfg.Menu
	tree, err := e.flatten(&menu, root, "", 0)
	if err != nil {
		return menu, err
	}
	if len(menu.Entries) == 0 {
		return menu, bootcfg.ErrNoEntries
	}
	menu.Default = e.choose(tree, root.scope.vars["default"])
	return menu, nil
}

// flatten appends the entries of one menu, submenus in place.
func (e *evaluator) flatten(menu *bootcfg.Menu, c *choices, prefix string, depth int) ([]leaf, error) {
	if depth > maxFiles {
		return nil, limit("submenus more than %d deep", maxFiles)
	}
	if len(c.items) == 0 && c.started != nil {
		c.items = []*item{{title: path.Base(c.source), source: c.source, ready: c.started}}
	}
	var tree []leaf
	for _, it := range c.items {
		title := prefix + it.title
		if it.submenu {
			sub, err := e.submenu(c, it)
			if err != nil {
				return nil, err
			}
			below, err := e.flatten(menu, sub, title+">", depth+1)
			if err != nil {
				return nil, err
			}
			tree = append(tree, leaf{item: it, index: -1, below: below})
			continue
		}
		s, nested, err := e.run(c, it)
		if err != nil {
			return nil, err
		}
		if nested != nil { // the entry leads to another configuration
			below, err := e.flatten(menu, nested, title+">", depth+1)
			if err != nil {
				return nil, err
			}
			if len(below) > 0 {
				inner := e.choose(below, nested.scope.vars["default"])
				tree = append(tree, leaf{item: it, index: inner})
				continue
			}
		}
		if len(menu.Entries) == maxEntries {
			return nil, limit("more than %d menu entries", maxEntries)
		}
		tree = append(tree, leaf{item: it, index: len(menu.Entries)})
		entry := bootcfg.Entry{ID: it.id, Title: title, Source: it.source, Version: s.version, Kernel: s.kernel, Initrds: s.initrds, Cmdline: s.cmdline, Err: s.other}
		if entry.Err == nil && s.kernel.Path == "" {
			entry.Err = fmt.Errorf("entry %q starts no Linux kernel", it.title)
		}
		menu.Entries = append(menu.Entries, entry)
	}
	return tree, nil
}

// choose follows a "default" value ("2", "Title", "id", "1>0", "id>id") down
// the tree to an entry of the flat menu. What names nothing is 0, as in GRUB.
func (e *evaluator) choose(tree []leaf, spec string) int {
	head, rest := splitDefault(spec)
	at := 0
	if head != "" {
		at = e.match(tree, head)
	}
	if l := tree[at]; l.index >= 0 {
		return l.index
	} else if len(l.below) > 0 {
		return e.choose(l.below, rest)
	}
	e.note("default %q leads to an empty submenu", spec)
	return firstIndex(tree)
}

// firstIndex is the first entry anywhere in the tree.
func firstIndex(tree []leaf) int {
	for _, l := range tree {
		if l.index >= 0 {
			return l.index
		}
		if i := firstIndex(l.below); i >= 0 {
			return i
		}
	}
	return 0
}

// match finds a menu line by number, or by title or id.
func (e *evaluator) match(tree []leaf, name string) int {
	n, digits := 0, true
	for _, c := range name {
		if c < '0' || c > '9' || n > maxEntries {
			digits = false
			break
		}
		n = n*10 + int(c-'0')
	}
	if digits && n < len(tree) {
		return n
	}
	for i, l := range tree {
		if !digits && (l.item.id == name || l.item.title == name) {
			return i
		}
	}
	e.note("default %q names no entry of the menu, the first one counts", name)
	return 0
}

// splitDefault cuts "a>b>c" at the first ">"; ">>" is a literal one.
func splitDefault(spec string) (head, rest string) {
	var b []byte
	for i := 0; i < len(spec); i++ {
		if spec[i] == '>' {
			if i+1 < len(spec) && spec[i+1] == '>' {
				i++
			} else {
				return string(b), spec[i+1:]
			}
		}
		b = append(b, spec[i])
	}
	return string(b), ""
}
