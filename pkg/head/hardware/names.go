package hardware

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/orbit-pxe/orbit/pkg/hardware/modalias"
	"github.com/orbit-pxe/orbit/pkg/head/hardware/ids"
)

// Names adds to inventories what is known at the head only: the names of
// numbers, and which module drives what has no driver.
type Names struct {
	PCI, USB *ids.File // nil: none
	Modules  string    // directory of the modules of kernels, by release; "" = none
	Log      *slog.Logger

	mu      sync.Mutex
	aliases string // file that modules is of
	changed time.Time
	modules map[string]string // by alias; "" where there is none
}

// maxAliases is how many devices without drivers are remembered, and mostWanted
// how many of one machine are looked for.
const (
	maxAliases = 10_000
	mostWanted = 1000
)

// SystemNames are those of the lists and modules of this system.
func SystemNames(log *slog.Logger) *Names {
	return &Names{PCI: ids.PCI(), USB: ids.USB(), Modules: "/lib/modules", Log: log}
}

// Add returns a document with names. The document itself is left as it is.
func (n *Names) Add(document map[string]any, now time.Time) map[string]any {
	if n == nil {
		return document
	}
	pci, usb := n.table(n.PCI, now), n.table(n.USB, now)
	named := maps.Clone(document)
	for section, tables := range map[string]func(map[string]any) *ids.Table{
		"pci":  func(map[string]any) *ids.Table { return pci },
		"gpus": func(map[string]any) *ids.Table { return pci },
		"usb":  func(map[string]any) *ids.Table { return usb },
		"wireless": func(o map[string]any) *ids.Table {
			return map[string]*ids.Table{"pci": pci, "usb": usb}[text(o, "bus")]
		},
	} {
		list, ok := document[section].([]any)
		if !ok {
			continue
		}
		list = slices.Clone(list)
		for i, member := range list {
			if object, ok := member.(map[string]any); ok {
				list[i] = name(object, tables(object), section == "pci")
			}
		}
		named[section] = list
	}
	n.drivers(named)
	return named
}

func (n *Names) table(f *ids.File, now time.Time) *ids.Table {
	t, err := f.Table(now)
	if err != nil {
		n.Log.Warn("names of devices are missing", "error", err)
	}
	return t
}

func name(object map[string]any, t *ids.Table, class bool) map[string]any {
	if t == nil {
		return object
	}
	vendor, device := text(object, "vendor"), text(object, "device")
	found := map[string]string{"vendor_name": t.Vendor(vendor), "device_name": t.Device(vendor, device)}
	if class {
		found["class_name"] = t.Class(text(object, "class"))
	}
	named := maps.Clone(object)
	for key, value := range found {
		if value != "" {
			named[key] = value
		}
	}
	return named
}

// drivers adds the modules for devices without drivers, from the head's own
// list: that of Debian's kernel has what Orbit's small one leaves out.
func (n *Names) drivers(document map[string]any) {
	if n.Modules == "" || !undriven(document) {
		return
	}
	typed := Typed(map[string]any{"pci": document["pci"], "usb": document["usb"]})
	wanted := map[string]func(module string){}
	collect := func(alias string, o map[string]any) {
		if alias != "" && o["driver"] == nil && o["module"] == nil {
			before := wanted[alias]
			if before == nil && len(wanted) == mostWanted {
				return
			}
			wanted[alias] = func(module string) {
				o["module"] = module
				if before != nil {
					before(module)
				}
			}
		}
	}
	for i, o := range own(document, "pci") {
		if i < len(typed.PCI) {
			collect(modalias.PCI(typed.PCI[i]), o)
		}
	}
	for i, o := range own(document, "usb") {
		if i >= len(typed.USB) {
			break
		}
		for j, face := range own(o, "interfaces") {
			if j < len(typed.USB[i].Interfaces) {
				collect(modalias.USB(typed.USB[i], typed.USB[i].Interfaces[j]), face)
			}
		}
	}
	for alias, module := range n.find(slices.Collect(maps.Keys(wanted))) {
		if module != "" {
			wanted[alias](module)
		}
	}
}

// undriven tells whether there is a device without a driver or a module. Most
// bridges have none.
func undriven(document map[string]any) bool {
	bare := func(o map[string]any) bool { return o["driver"] == nil && o["module"] == nil }
	return slices.ContainsFunc(objects(document["pci"]), bare) ||
		slices.ContainsFunc(objects(document["usb"]), func(o map[string]any) bool { return slices.ContainsFunc(objects(o["interfaces"]), bare) })
}

// own makes the members of a list the document's own, so that they can be
// modified. Members that are no objects are nil.
func own(document map[string]any, key string) []map[string]any {
	list, ok := document[key].([]any)
	if !ok {
		return nil
	}
	list = slices.Clone(list)
	members := make([]map[string]any, len(list))
	for i, member := range list {
		if object, ok := member.(map[string]any); ok {
			members[i] = maps.Clone(object)
			list[i] = members[i]
		}
	}
	document[key] = list
	return members
}

// find names the modules of aliases, as far as they are known.
func (n *Names) find(wanted []string) map[string]string {
	path, changed := n.list()
	if path == "" || len(wanted) == 0 {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if path != n.aliases || !changed.Equal(n.changed) || len(n.modules) > maxAliases {
		n.aliases, n.changed, n.modules = path, changed, map[string]string{}
	}
	if missing := slices.DeleteFunc(slices.Clone(wanted), func(alias string) bool { _, ok := n.modules[alias]; return ok }); len(missing) > 0 {
		if err := n.search(path, missing); err != nil {
			n.Log.Warn("modules of devices without drivers are missing", "error", err)
			return nil
		}
	}
	found := map[string]string{}
	for _, alias := range wanted {
		found[alias] = n.modules[alias]
	}
	return found
}

func (n *Names) search(path string, missing []string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	found, err := modalias.Find(f, missing)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, alias := range missing {
		n.modules[alias] = found[alias]
	}
	return nil
}

// list is modules.alias of the running kernel, else of the one whose release
// sorts last.
func (n *Names) list() (path string, changed time.Time) {
	if n.Modules == "" {
		return "", changed
	}
	releases, err := os.ReadDir(n.Modules)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			n.Log.Warn("modules of devices without drivers are missing", "error", err)
		}
		return "", changed
	}
	running, _ := os.ReadFile("/proc/sys/kernel/osrelease") // without it the last one will do
	for _, r := range releases {
		file := filepath.Join(n.Modules, r.Name(), "modules.alias")
		st, err := os.Stat(file)
		if err != nil || !st.Mode().IsRegular() {
			continue
		}
		path, changed = file, st.ModTime()
		if r.Name() == strings.TrimSpace(string(running)) {
			break
		}
	}
	return path, changed
}
