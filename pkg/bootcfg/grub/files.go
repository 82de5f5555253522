package grub

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/bootcfg"
)

// locate resolves "(hd0,gpt2)/boot/x", "/boot/x" (on $root) and what configs
// write for them.
func (e *evaluator) locate(name string) (bootcfg.File, error) {
	dev := e.scope.vars["root"]
	if strings.HasPrefix(name, "(") {
		end := strings.IndexByte(name, ')')
		if end < 0 {
			return bootcfg.File{}, fmt.Errorf("device without a closing parenthesis in %q", name)
		}
		if end > 1 { // "()/x" is on $root
			dev = name[1:end]
		}
		name = name[end+1:]
	}
	volume, err := e.volume(dev)
	return bootcfg.File{Volume: volume, Path: bootcfg.Clean(name)}, err
}

// volume names the filesystem a device stands for: search puts names of ours
// into variables, configurations bring GRUB's own.
func (e *evaluator) volume(dev string) (string, error) {
	if dev == e.startVolume || strings.HasPrefix(dev, "/") {
		return dev, nil
	}
	return e.volumes.Lookup(bootcfg.ByDevice, dev)
}

func (e *evaluator) filesystem(volume string) (fs.FS, error) {
	if volume == e.startVolume {
		return e.start, nil
	}
	return e.volumes.Open(volume)
}

// read returns a file's content, counting reads.
func (e *evaluator) read(f bootcfg.File) ([]byte, error) {
	if e.reads++; e.reads > maxReads {
		return nil, limit("more than %d files read", maxReads)
	}
	fsys, err := e.filesystem(f.Volume)
	if err != nil {
		return nil, err
	}
	return bootcfg.ReadFile(fsys, f.Path, maxFile)
}

// stat is for test and for search.
func (e *evaluator) stat(name string) (fs.FileInfo, error) {
	f, err := e.locate(name)
	if err != nil {
		return nil, err
	}
	fsys, err := e.filesystem(f.Volume)
	if err != nil {
		return nil, err
	}
	return fs.Stat(fsys, f.Path)
}

// load reads and parses a configuration file.
func (e *evaluator) load(f bootcfg.File) (script, error) {
	if e.files >= maxFiles {
		return nil, limit("more than %d files load each other", maxFiles)
	}
	b, err := e.read(f)
	if err != nil {
		return nil, err
	}
	if i := strings.IndexByte(string(b), 0); i >= 0 {
		return nil, fmt.Errorf("%s is not a text file (a zero byte at %d)", f, i)
	}
	s, err := parse(string(b))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f, err)
	}
	return s, nil
}

// config runs a file as a configuration of its own: an own menu in the present
// scope. Where that file hands over to another, the result is the other's.
func (e *evaluator) config(f bootcfg.File) (*choices, error) {
	s, err := e.load(f)
	if err != nil {
		return nil, err
	}
	c := &choices{source: f.String(), scope: e.scope}
	saved, savedLoading := e.current, e.loading
	e.current, e.loading = c, &started{}
	e.files++
	_, err = e.script(s)
	e.files--
	loaded := e.loading
	e.current, e.loading = saved, savedLoading
	if errors.Is(err, errTaken) {
		next := e.next
		e.next = nil
		return next, nil
	}
	if err != nil && !isReturn(err) {
		return nil, err
	}
	if loaded.kernel.Path != "" {
		c.started = loaded
	}
	return c, nil
}

func isReturn(err error) bool {
	var r returning
	var b breaking
	return errors.As(err, &r) || errors.As(err, &b)
}

// source runs a file in the present scope and menu.
func (e *evaluator) source(f bootcfg.File) (int, error) {
	s, err := e.load(f)
	if err != nil {
		return 1, err
	}
	e.files++
	status, err := e.script(s)
	e.files--
	if isReturn(err) {
		return status, nil
	}
	return status, err
}

// takeOver runs another configuration file. If it offers anything, the script
// that asked for it ends there, as it does when the new menu starts its
// default.
func (e *evaluator) takeOver(name string) (int, error) {
	f, err := e.locate(name)
	if err != nil {
		e.note("configfile %s: %v", name, err)
		return 1, nil
	}
	saved := e.scope
	e.scope = saved.inner()
	c, err := e.config(f)
	e.scope = saved
	if errors.Is(err, fs.ErrNotExist) {
		e.note("configfile %s: not there", f)
		return 1, nil
	}
	if err != nil {
		return 1, err
	}
	if len(c.items) == 0 && c.started == nil {
		e.note("configfile %s: no entries in it", f)
		return 0, nil
	}
	e.next = c
	return 0, errTaken
}

// submenu runs the body of a submenu.
func (e *evaluator) submenu(parent *choices, it *item) (*choices, error) {
	saved, savedMenu := e.scope, e.current
	defer func() { e.scope, e.current = saved, savedMenu }()
	e.scope = parent.scope.inner()
	e.scope.args = it.args
	c := &choices{source: it.source, scope: e.scope}
	e.current, e.loading = c, &started{}
	_, err := e.script(it.body)
	if errors.Is(err, errTaken) {
		next := e.next
		e.next = nil
		return next, nil
	}
	if err != nil && !isReturn(err) {
		return nil, err
	}
	return c, nil
}

// run runs the body of an entry and returns what it started, or the menu of
// the configuration it leads to.
func (e *evaluator) run(c *choices, it *item) (*started, *choices, error) {
	if it.ready != nil {
		return it.ready, nil, nil
	}
	saved, savedMenu := e.scope, e.current
	defer func() { e.scope, e.current = saved, savedMenu }()
	e.scope = c.scope.clone()
	e.scope.args = it.args
	e.current, e.loading = &choices{source: it.source, scope: e.scope}, &started{}
	_, err := e.script(it.body)
	if errors.Is(err, errTaken) {
		next := e.next
		e.next = nil
		return e.loading, next, nil
	}
	if err != nil && !isReturn(err) {
		return nil, nil, err
	}
	return e.loading, nil, nil
}

// prefixed is a file in $prefix.
func (e *evaluator) prefixed(name string) string {
	return path.Join(e.scope.vars["prefix"], name)
}
