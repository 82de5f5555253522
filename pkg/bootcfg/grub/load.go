package grub

import (
	"fmt"
	"path"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/bootcfg"
	"github.com/orbit-pxe/orbit/pkg/bootcfg/bls"
)

// linux names the kernel and its command line.
func linux(e *evaluator, args []string, c invocation) (int, error) {
	if len(args) == 0 {
		return 1, nil
	}
	f, err := e.locate(args[0])
	*e.loading = started{kernel: f, cmdline: cmdline(args[1:])}
	if err != nil {
		e.loading.other = fmt.Errorf("kernel %s (line %d): %w", args[0], c.line, err)
	}
	return 0, nil
}

// initrd names one or several initial RAM disks.
func initrd(e *evaluator, args []string, c invocation) (int, error) {
	e.loading.initrds = nil
	for _, a := range args {
		if strings.HasPrefix(a, "newc:") {
			e.loading.other = fmt.Errorf("initrd %s (line %d): files wrapped with newc: are not supported", a, c.line)
			return 1, nil
		}
		f, err := e.locate(a)
		if err != nil {
			e.loading.other = fmt.Errorf("initrd %s (line %d): %w", a, c.line, err)
		}
		e.loading.initrds = append(e.loading.initrds, f)
	}
	return 0, nil
}

// cmdline joins arguments as GRUB does (grub-core/lib/cmdline.c): those with a
// blank in double quotes, backslashes and quotes escaped, \xNN left alone.
// BOOT_IMAGE, which GRUB puts in front, is left out.
func cmdline(args []string) string {
	var b strings.Builder
	for i, a := range args {
		if i > 0 {
			b.WriteByte(' ')
		}
		spaced := strings.Contains(a, " ")
		if spaced {
			b.WriteByte('"')
		}
		for j := 0; j < len(a); j++ {
			if a[j] == '\\' && j+3 < len(a) && a[j+1] == 'x' && isHex(a[j+2]) && isHex(a[j+3]) {
				b.WriteString(a[j : j+4])
				j += 3
				continue
			}
			if a[j] == '\\' || a[j] == '\'' || a[j] == '"' {
				b.WriteByte('\\')
			}
			b.WriteByte(a[j])
		}
		if spaced {
			b.WriteByte('"')
		}
	}
	return b.String()
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// blscfg adds the entries of the Boot Loader Specification, as GRUB is patched
// by Fedora and RHEL: variables in their lines are expanded, and an entry
// without options takes $default_kernelopts.
func blscfg(e *evaluator, args []string, c invocation) (int, error) {
	dirs := []string{"/loader/entries", "/boot/loader/entries"}
	if d := e.scope.vars["blsdir"]; d != "" {
		dirs = append([]string{d}, dirs...)
	}
	if boot := e.scope.vars["boot"]; boot != "" {
		dirs = append(dirs, device(boot)+"/loader/entries", device(boot)+"/boot/loader/entries")
	}
	if len(args) > 0 {
		dirs = args[:1]
	}
	var last error
	for _, d := range dirs {
		f, err := e.locate(d)
		if err == nil {
			err = e.addEntries(f)
		}
		if err == nil {
			return 0, nil
		}
		if last == nil {
			last = err
		}
	}
	e.note("line %d: blscfg: %v", c.line, last)
	return 1, nil
}

// addEntries adds the entries of one directory to the menu.
func (e *evaluator) addEntries(dir bootcfg.File) error {
	fsys, err := e.filesystem(dir.Volume)
	if err != nil {
		return err
	}
	if e.reads++; e.reads > maxReads {
		return limit("more than %d directories read", maxReads)
	}
	entries, notes, err := bls.ReadDir(e.ctx, fsys, dir.Path)
	for _, n := range notes {
		e.note("%s", n)
	}
	if err != nil {
		return err
	}
	bls.Sort(entries)
	for _, b := range entries {
		if len(e.current.items) == maxEntries {
			return limit("more than %d menu entries", maxEntries)
		}
		s := &started{version: b.Version}
		if b.Options == "" {
			b.Options = e.scope.vars["default_kernelopts"]
		}
		if s.cmdline, err = e.expandText(b.Options); err != nil {
			return err
		}
		if b.Linux == "" {
			s.other = fmt.Errorf("entry %s starts an EFI program, not a Linux kernel", b.ID)
		} else if s.kernel, err = e.locate(b.Linux); err != nil {
			s.other = err
		}
		for _, i := range b.Initrds {
			names, err := e.expandText(i)
			if err != nil {
				return err
			}
			for name := range strings.FieldsSeq(names) {
				f, err := e.locate(name)
				if err != nil {
					s.other = err
				}
				s.initrds = append(s.initrds, f)
			}
		}
		title := b.Title
		if title == "" {
			title = b.ID
		}
		e.current.items = append(e.current.items, &item{title: title, id: b.ID, ready: s,
			source: bootcfg.File{Volume: dir.Volume, Path: path.Join(dir.Path, b.File)}.String()})
	}
	return nil
}

// expandText puts variables into a line that is not a script: blanks are
// single afterwards, quotes stay.
func (e *evaluator) expandText(s string) (string, error) {
	var w word
	for s != "" {
		i := strings.IndexByte(s, '$')
		if i < 0 {
			w = append(w, piece{text: s})
			break
		}
		name, n := variable(s[i:])
		if n == 0 {
			w = append(w, piece{text: s[:i+1]})
			s = s[i+1:]
			continue
		}
		w = append(w, piece{text: s[:i]}, piece{text: name, variable: true, quoted: true})
		s = s[i+n:]
	}
	words, err := e.expand([]word{w})
	return strings.Join(strings.Fields(strings.Join(words, " ")), " "), err
}
