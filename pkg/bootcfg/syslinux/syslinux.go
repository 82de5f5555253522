// Package syslinux reads the configuration of the SYSLINUX family of boot
// loaders: syslinux.cfg, extlinux.conf, isolinux.cfg (syslinux(1), "doc/
// syslinux.txt" and "doc/menu.txt" of the SYSLINUX source). Understood are
// DEFAULT, ONTIMEOUT, LABEL, KERNEL, LINUX, INITRD, APPEND (global, per label,
// and "-"), IPAPPEND and MENU words as far as they choose or name an entry,
// and INCLUDE / MENU INCLUDE. Everything else is about looks.
package syslinux

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/bootcfg"
)

const (
	maxSize  = 1 << 20 // bytes of one file
	maxDepth = 16      // files including each other
	maxLines = 100_000 // in all files together
	maxLabel = 1000
)

// label is one LABEL block as written.
type label struct {
	name, title  string
	kernel, kind string // kind is the command that named the kernel
	initrds      []string
	append       string
	hasAppend    bool
	isDefault    bool // MENU DEFAULT
	dir          string
}

// parser gathers what all files say.
type parser struct {
	ctx       context.Context
	fsys      fs.FS
	lines     int
	notes     []string
	labels    []*label
	byDefault string
	onTimeout string
	append    string // global
}

// Parse reads the configuration file name of fsys, known as volume, with the
// files it includes. Paths in it are relative to its directory.
func Parse(ctx context.Context, fsys fs.FS, volume, name string) (bootcfg.Menu, error) {
	p := &parser{ctx: ctx, fsys: fsys}
	if err := p.file(name, path.Dir(name), 0); err != nil {
		return bootcfg.Menu{Notes: p.notes}, err
	}
	menu := bootcfg.Menu{Notes: p.notes, Default: -1}
	choice := p.onTimeout
	if choice == "" {
		choice = p.byDefault
	}
	choice, extra, _ := strings.Cut(choice, " ")
	for i, l := range p.labels {
		e := p.entry(l, volume, name)
		if menu.Default < 0 && choice != "" && strings.EqualFold(l.name, choice) {
			menu.Default = i
			e.Cmdline = strings.TrimSpace(e.Cmdline + " " + strings.TrimSpace(extra))
		}
		menu.Entries = append(menu.Entries, e)
	}
	if len(menu.Entries) == 0 {
		return menu, fmt.Errorf("read %s: %w", name, bootcfg.ErrNoEntries)
	}
	if menu.Default < 0 {
		// DEFAULT is often the menu program (vesamenu.c32); then MENU DEFAULT
		// or the first label starts.
		menu.Default = 0
		for i, l := range p.labels {
			if l.isDefault {
				menu.Default = i
				break
			}
		}
	}
	return menu, nil
}

// file reads one file; dir is where its relative paths begin.
func (p *parser) file(name, dir string, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("read %s: more than %d files include each other", name, maxDepth)
	}
	b, err := bootcfg.ReadFile(p.fsys, name, maxSize)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(b)) {
		if p.lines++; p.lines > maxLines {
			return fmt.Errorf("read %s: more than %d lines", name, maxLines)
		}
		if err := p.ctx.Err(); err != nil {
			return err
		}
		word, rest := cut(line)
		if word == "menu" && strings.HasPrefix(strings.ToLower(rest), "include") {
			word, rest = cut(rest)
		}
		if word == "include" {
			file, _ := cutKeep(rest)
			err := p.file(bootcfg.Join(dir, file), dir, depth+1)
			if errors.Is(err, fs.ErrNotExist) {
				p.notes = append(p.notes, fmt.Sprintf("%s includes %s, which is not there", name, file))
				err = nil
			}
			if err != nil {
				return err
			}
			continue
		}
		if err := p.command(word, rest, dir); err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
	}
	return nil
}

func (p *parser) command(word, rest, dir string) error {
	var l *label
	if len(p.labels) > 0 {
		l = p.labels[len(p.labels)-1]
	}
	switch {
	case word == "default":
		p.byDefault = rest
	case word == "ontimeout":
		p.onTimeout = rest
	case word == "label":
		if len(p.labels) == maxLabel {
			return fmt.Errorf("more than %d labels", maxLabel)
		}
		p.labels = append(p.labels, &label{name: rest, dir: dir})
	case word == "append" && l == nil:
		p.append = rest
	case l == nil:
	case word == "append":
		l.append, l.hasAppend = rest, true
	case word == "kernel" || word == "linux" || word == "com32" || word == "boot" || word == "config" ||
		word == "localboot" || word == "bss" || word == "pxe" || word == "fdimage":
		l.kernel, l.kind = rest, word
	case word == "initrd":
		l.initrds = append(l.initrds, strings.Split(rest, ",")...)
	case word == "menu":
		switch sub, text := cut(rest); sub {
		case "default":
			l.isDefault = true
		case "label":
			l.title = strings.ReplaceAll(text, "^", "")
		}
	}
	return nil
}

// entry applies global settings and resolves paths.
func (p *parser) entry(l *label, volume, source string) bootcfg.Entry {
	e := bootcfg.Entry{ID: l.name, Title: l.title, Source: source}
	if e.Title == "" {
		e.Title = l.name
	}
	args := p.append
	switch {
	case l.hasAppend && l.append == "-":
		args = ""
	case l.hasAppend:
		args = l.append
	}
	// initrd= among the arguments is the old way to write INITRD.
	var words []string
	initrds := l.initrds
	for _, w := range strings.Fields(args) {
		if v, ok := strings.CutPrefix(w, "initrd="); ok {
			initrds = append(initrds, strings.Split(v, ",")...)
			continue
		}
		words = append(words, w)
	}
	e.Cmdline = strings.Join(words, " ")
	kernel, kind := l.kernel, l.kind
	if kernel == "" {
		kernel, kind = l.name, "kernel" // a label without a kernel names it
	}
	switch ext := strings.ToLower(path.Ext(kernel)); {
	case kind != "kernel" && kind != "linux":
		e.Err = fmt.Errorf("label %s is a %q entry, not a Linux kernel", l.name, kind)
	case kind == "kernel" && (ext == ".c32" || ext == ".com" || ext == ".cbt" || ext == ".bin" || ext == ".img" || ext == ".0" || ext == ".bs" || ext == ".bss"):
		e.Err = fmt.Errorf("label %s starts %s, not a Linux kernel", l.name, kernel)
	}
	e.Kernel = bootcfg.File{Volume: volume, Path: bootcfg.Join(l.dir, kernel)}
	for _, i := range initrds {
		if i != "" {
			e.Initrds = append(e.Initrds, bootcfg.File{Volume: volume, Path: bootcfg.Join(l.dir, i)})
		}
	}
	return e
}

// cut takes the first word off a line, in lower case.
func cut(line string) (word, rest string) {
	word, rest = cutKeep(line)
	return strings.ToLower(word), rest
}

func cutKeep(line string) (word, rest string) {
	line = strings.TrimSpace(line)
	if i := strings.IndexAny(line, " \t"); i >= 0 {
		return line[:i], strings.TrimSpace(line[i:])
	}
	return line, ""
}
