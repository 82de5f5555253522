package grub

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/bootcfg"
)

// builtin runs one command. The status is 0 for success; an error ends
// everything.
type builtin func(e *evaluator, args []string, c invocation) (int, error)

// invocation is a command with the name it was called by, which may have come
// out of a variable.
type invocation struct {
	*command
	name string
}

// commands is filled by init: its functions run scripts, which look here.
var commands map[string]builtin

func init() {
	commands = map[string]builtin{
		"set": set, "unset": unset, "export": export, "true": succeed, "false": fail, ":": succeed,
		"test": test, "[": test, "return": leave, "exit": leave, "break": cutLoop, "continue": cutLoop,
		"shift": shift, "setparams": setparams, "eval": eval,
		"menuentry": menuentry, "submenu": menuentry,
		"search": search, "search.fs_uuid": search, "search.fs_label": search, "search.file": search,
		"search_fs_uuid": search, "search_label": search, "search_fs_file": search,
		"load_env": loadEnv, "probe": probe, "increment": count, "decrement": count,
		"source": source, ".": source, "configfile": configfile, "normal": normal, "blscfg": blscfg,
		"linux": linux, "linux16": linux, "linuxefi": linux, "initrd": initrd, "initrd16": initrd, "initrdefi": initrd,
	}
	for _, name := range strings.Fields(`
		acpi background_color background_image badram boot btrfs-mount-subvol clear cpuid cryptomount cutmem dump
		echo hashsum help insmod keymap list_trusted loadfont lsmod ls net_bootp
		nativedisk outb password password_pbkdf2 play pager rmmod save_env serial sleep terminal_input terminal_output
		terminfo usb videoinfo videotest vbeinfo wrmsr bli tpm_record_pcrs authenticate devicetree fdtdump`) {
		commands[name] = succeed
	}
	// No key is ever held down, nothing is asked, no loop device made.
	for _, name := range strings.Fields("keystatus read loopback getenv smbios rdmsr inb inw inl cmp regexp zfs-bootfs") {
		commands[name] = fail
	}
	for _, name := range strings.Fields(`
		chainloader multiboot multiboot2 module module2 xen_hypervisor xen_module ntldr freedos drivemap parttool kfreebsd
		knetbsd kopenbsd xnu_kernel xnu_kernel64 appleloader truecrypt plan9 reboot halt fwsetup legacy_configfile
		extract_legacy_entries_configfile syslinux_configfile`) {
		commands[name] = startOther
	}
}

func succeed(*evaluator, []string, invocation) (int, error) { return 0, nil }
func fail(*evaluator, []string, invocation) (int, error)    { return 1, nil }

func set(e *evaluator, args []string, _ invocation) (int, error) {
	for _, a := range args {
		key, value, ok := strings.Cut(a, "=")
		if !ok || key == "" {
			return 1, nil
		}
		e.set(key, value)
	}
	return 0, nil
}

func unset(e *evaluator, args []string, _ invocation) (int, error) {
	for _, a := range args {
		delete(e.scope.vars, a)
	}
	return 0, nil
}

func export(e *evaluator, args []string, _ invocation) (int, error) {
	for _, a := range args {
		key, value, ok := strings.Cut(a, "=")
		if ok {
			e.set(key, value)
		}
		e.scope.exported[key] = true
	}
	return 0, nil
}

func leave(e *evaluator, args []string, _ invocation) (int, error) {
	status := e.scope.status
	if len(args) > 0 {
		status, _ = strconv.Atoi(args[0])
	}
	return status, returning{status}
}

func cutLoop(_ *evaluator, args []string, c invocation) (int, error) {
	n := 1
	if len(args) > 0 {
		n, _ = strconv.Atoi(args[0])
	}
	return 0, breaking{max(n, 1), c.name == "continue"}
}

func shift(e *evaluator, args []string, _ invocation) (int, error) {
	n := 1
	if len(args) > 0 {
		n, _ = strconv.Atoi(args[0])
	}
	if n < 0 || n > len(e.scope.args) {
		return 1, nil
	}
	e.scope.args = e.scope.args[n:]
	return 0, nil
}

func setparams(e *evaluator, args []string, _ invocation) (int, error) {
	e.scope.args = args
	return 0, nil
}

func eval(e *evaluator, args []string, c invocation) (int, error) {
	s, err := parse(strings.Join(args, " "))
	if err != nil {
		e.note("line %d: eval: %v", c.line, err)
		return 1, nil
	}
	if e.calls++; e.calls > maxCalls {
		return 1, limit("eval within eval more than %d deep", maxCalls)
	}
	defer func() { e.calls-- }()
	return e.script(s)
}

// count is increment and decrement of Fedora and RHEL.
func count(e *evaluator, args []string, c invocation) (int, error) {
	if len(args) != 1 {
		return 1, nil
	}
	n, err := strconv.Atoi(e.scope.vars[args[0]])
	if err != nil {
		n = 0
	}
	if c.name == "decrement" {
		n--
	} else {
		n++
	}
	e.set(args[0], strconv.Itoa(n))
	return 0, nil
}

// menuentry adds a line to the menu; submenu too.
func menuentry(e *evaluator, args []string, c invocation) (int, error) {
	it := &item{body: c.block, submenu: c.name == "submenu", source: e.current.source}
	var plain []string
	for i := 0; i < len(args); i++ {
		name, value, inline := strings.Cut(args[i], "=")
		switch name {
		case "--class", "--users", "--hotkey", "--id", "--source":
			if !inline && i+1 < len(args) {
				i++
				value = args[i]
			}
			if name == "--id" {
				it.id = value
			}
		case "--unrestricted":
		default:
			plain = append(plain, args[i])
		}
	}
	if len(plain) == 0 || !c.hasBlock {
		e.note("line %d: %s without a title or body passed over", c.line, c.name)
		return 1, nil
	}
	it.title, it.args = plain[0], plain
	if it.id == "" {
		it.id = it.title
	}
	if len(e.current.items) == maxEntries {
		return 1, limit("more than %d menu entries", maxEntries)
	}
	e.current.items = append(e.current.items, it)
	return 0, nil
}

// search finds a filesystem and puts its name into a variable.
func search(e *evaluator, args []string, c invocation) (int, error) {
	kind, variable, store := bootcfg.ByFile, "root", false
	var plain []string
	switch name := c.name; {
	case strings.Contains(name, "uuid"):
		kind, store = bootcfg.ByUUID, true
	case strings.Contains(name, "label"):
		kind, store = bootcfg.ByLabel, true
	case name != "search":
		store = true
	}
	if store && len(args) > 1 { // search.fs_uuid UUID VAR HINTS
		variable, args = args[1], args[:1]
	}
	for i := 0; i < len(args); i++ {
		name, value, inline := strings.Cut(args[i], "=")
		switch {
		case name == "-u" || name == "--fs-uuid":
			kind = bootcfg.ByUUID
		case name == "-l" || name == "--label" || name == "--fs-label":
			kind = bootcfg.ByLabel
		case name == "-f" || name == "--file":
			kind = bootcfg.ByFile
		case name == "-s" || name == "--set":
			store = true
			if inline {
				variable = value
			}
		case strings.HasPrefix(name, "--hint") || name == "-h":
			if !inline {
				i++
			}
		case strings.HasPrefix(name, "-") && len(name) > 1:
		default:
			plain = append(plain, args[i])
		}
	}
	if len(plain) == 0 {
		return 1, nil
	}
	volume, err := e.volumes.Lookup(kind, plain[0])
	if err != nil {
		e.note("line %d: search: %v", c.line, err)
		return 1, nil
	}
	if store {
		e.set(variable, volume)
	}
	return 0, nil
}

// probe tells the UUID of a filesystem; its other questions go unanswered.
func probe(e *evaluator, args []string, _ invocation) (int, error) {
	variable, wanted, dev := "", false, ""
	for i := 0; i < len(args); i++ {
		name, value, inline := strings.Cut(args[i], "=")
		switch {
		case name == "-s" || name == "--set":
			if !inline && i+1 < len(args) {
				i++
				value = args[i]
			}
			variable = value
		case name == "-u" || name == "--fs-uuid":
			wanted = true
		case !strings.HasPrefix(name, "-"):
			dev = strings.Trim(args[i], "()")
		}
	}
	volume, err := e.volume(dev)
	if err != nil || !wanted {
		return 1, nil
	}
	if variable != "" {
		e.set(variable, e.volumes.UUID(volume))
	}
	return 0, nil
}

func source(e *evaluator, args []string, c invocation) (int, error) {
	if len(args) == 0 {
		return 1, nil
	}
	f, err := e.locate(args[0])
	if err == nil {
		var status int
		if status, err = e.source(f); err == nil {
			return status, nil
		}
	}
	if missing(err) {
		e.note("line %d: source %s: %v", c.line, args[0], err)
		return 1, nil
	}
	return 1, err
}

// missing tells the errors of a file or device that is not there.
func missing(err error) bool {
	var nf *bootcfg.NotFoundError
	return errors.Is(err, fs.ErrNotExist) || errors.As(err, &nf)
}

func configfile(e *evaluator, args []string, _ invocation) (int, error) {
	if len(args) == 0 {
		return 1, nil
	}
	return e.takeOver(args[0])
}

func normal(e *evaluator, args []string, _ invocation) (int, error) {
	if len(args) == 0 {
		return e.takeOver(e.prefixed("grub.cfg"))
	}
	return e.takeOver(args[0])
}

// startOther notes that an entry starts something that is not a Linux kernel.
func startOther(e *evaluator, args []string, c invocation) (int, error) {
	e.loading.other = fmt.Errorf("entry starts something else than a Linux kernel (%s)", strings.Join(append([]string{c.name}, args...), " "))
	return 0, nil
}
