// Package diff tells what is different between two inventories, documents of
// package hardware as encoding/json decodes them: docs/inventory.md.
//
// Members of lists are matched by their id, wherever they stand. What changes by
// itself is left out: readings, the kernel's names, what this boot came by, the
// names that the head adds. What one side had no chance to learn is no
// difference: sections that were not asked for, switches that were not heard of
// (yet), trials that were not made. A section whose collector failed on one side
// is Unknown.
package diff

import (
	"maps"
	"slices"
)

// Kind is that of a change.
type Kind string

const (
	Added   Kind = "added"
	Removed Kind = "removed"
	Changed Kind = "changed"
)

// Change is one difference.
type Change struct {
	Path string `json:"path"` // "memory.modules[DIMM A1].size"
	Kind Kind   `json:"kind"`
	Old  any    `json:"old,omitempty"` // absent where it was added
	New  any    `json:"new,omitempty"` // absent where it was removed
}

// Unknown is a section that could not be compared.
type Unknown struct {
	Section string `json:"section"`
	Error   string `json:"error"` // of its collector
}

// Result is what is different between two documents.
type Result struct {
	Changes []Change  `json:"changes"`
	Unknown []Unknown `json:"unknown,omitempty"`
}

// Same tells that all was compared and is the same.
func (r Result) Same() bool { return len(r.Changes) == 0 && len(r.Unknown) == 0 }

// Compare tells how a new document differs from an old one. Changes stand in
// alphabetical order of sections and fields, those in lists by the order of the
// old list and then of the new one.
func Compare(old, new map[string]any) Result {
	c := comparer{result: Result{Changes: []Change{}}}
	skip := c.unknown(old, new)
	all := isWhole(old) && isWhole(new)
	for _, section := range keys(old, new) {
		switch {
		case section == "schema" || section == "only" || section == "errors" || skip[section]:
		case section == "id" && !all: // made of what was asked for
		case asked(old, section) && asked(new, section):
			c.field(section, section, old, new)
		}
	}
	return c.result
}

type comparer struct{ result Result }

// unknown finds the sections that only one side, or each in its own way, failed
// to learn. What both lack for the same reason can be compared.
func (c *comparer) unknown(old, new map[string]any) map[string]bool {
	was, is := problems(old), problems(new)
	skip := map[string]bool{}
	for _, section := range keys(was, is) {
		if was[section] == is[section] || !asked(old, section) || !asked(new, section) {
			continue
		}
		said, _ := is[section].(string)
		if said == "" {
			said, _ = was[section].(string)
			said = "in the old one: " + said
		}
		skip[section] = true
		c.result.Unknown = append(c.result.Unknown, Unknown{section, said})
	}
	return skip
}

// problems are a document's errors by the name of the collector.
func problems(d map[string]any) map[string]any {
	found := map[string]any{}
	list, _ := d["errors"].([]any)
	for _, member := range list {
		if problem, ok := member.(map[string]any); ok {
			if said, ok := problem["error"].(string); ok {
				found[id(problem)] = said
			}
		}
	}
	return found
}

func isWhole(d map[string]any) bool { return d["only"] == nil }

// asked tells whether a document was to have a section.
func asked(d map[string]any, section string) bool {
	list, _ := d["only"].([]any)
	return isWhole(d) || section == "id" || slices.Contains(list, any(section))
}

// isLeftOut tells of fields that are not compared.
func isLeftOut(key string, old, new any) bool {
	switch key {
	case "readings", "name", "pxe", "vendor_name", "device_name", "class_name":
		return true
	case "neighbour", "burnin":
		return old == nil || new == nil
	}
	return false
}

// field compares what two objects have under a key.
func (c *comparer) field(path, key string, old, new map[string]any) {
	a, b := old[key], new[key]
	if isLeftOut(key, a, b) || isAlmost(key, a, b) {
		return
	}
	c.value(path, a, b)
}

func (c *comparer) value(path string, a, b any) {
	switch {
	case a == nil && b == nil:
		return
	case isObject(a) && isObject(b):
		x, y := a.(map[string]any), b.(map[string]any)
		for _, key := range keys(x, y) {
			if key != "id" {
				c.field(path+"."+key, key, x, y)
			}
		}
		return
	case isList(a, b):
		c.list(path, a, b)
		return
	case a == nil:
		c.add(Change{path, Added, nil, b})
	case b == nil:
		c.add(Change{path, Removed, a, nil})
	case !equal(a, b):
		c.add(Change{path, Changed, a, b})
	}
}

func (c *comparer) add(change Change) { c.result.Changes = append(c.result.Changes, change) }

func isObject(v any) bool { _, ok := v.(map[string]any); return ok }

// isList tells of two lists of objects with ids; one of them may not be there.
func isList(a, b any) bool {
	x, isX := a.([]any)
	y, isY := b.([]any)
	if !isX && a != nil || !isY && b != nil {
		return false
	}
	for _, member := range slices.Concat(x, y) {
		object, _ := member.(map[string]any)
		if id(object) == "" {
			return false
		}
	}
	return true
}

func id(object map[string]any) string { s, _ := object["id"].(string); return s }

// list compares members by id; of several with one id the first with the first.
func (c *comparer) list(path string, a, b any) {
	old, _ := a.([]any)
	new, _ := b.([]any)
	where := map[string][]any{}
	for _, member := range new {
		name := id(member.(map[string]any))
		where[name] = append(where[name], member)
	}
	for _, member := range old {
		name := id(member.(map[string]any))
		var other any
		if left := where[name]; len(left) > 0 {
			other, where[name] = left[0], left[1:]
		}
		c.value(path+"["+name+"]", member, other)
	}
	for _, member := range new {
		name := id(member.(map[string]any))
		if left := where[name]; len(left) > 0 {
			where[name] = left[1:]
			c.value(path+"["+name+"]", nil, left[0])
		}
	}
}

// keys are those of two objects, in order.
func keys(a, b map[string]any) []string {
	all := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(all)
	return slices.Compact(all)
}
