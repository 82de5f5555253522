package hardware

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// ErrOtherBoot refuses sections of a boot that the whole inventory has not come
// of.
var ErrOtherBoot = errors.New("sections are taken only after the whole inventory of the same boot (send that first)")

// merge puts the sections that a later look at the same boot found in place of
// those that are there.
func merge(whole, part map[string]any) (map[string]any, error) {
	only := words(part["only"])
	if boot := text(part, "readings.boot"); boot == "" || boot != text(whole, "readings.boot") {
		return nil, ErrOtherBoot
	}
	merged := maps.Clone(whole)
	for _, section := range only {
		switch section {
		case "schema", "id", "only", "errors", "readings": // what others may be there a newer node knows
			return nil, &DocumentError{fmt.Errorf("%q is no section", section)}
		}
		delete(merged, section)
		if value := part[section]; value != nil {
			merged[section] = value
		}
	}
	merged["errors"] = replaced(whole["errors"], part["errors"], only)
	if len(merged["errors"].([]any)) == 0 {
		delete(merged, "errors")
	}
	readings := maps.Clone(whole["readings"].(map[string]any)) // it has the boot
	readings["collectors"] = replaced(readings["collectors"], at(part, "readings.collectors"), only)
	merged["readings"] = readings
	return merged, nil
}

// replaced is a list with the members of some ids taken from another one.
func replaced(old, new any, ids []string) []any {
	list := []any{}
	take := func(from any, want bool) {
		for _, o := range objects(from) {
			if id, _ := o["id"].(string); slices.Contains(ids, id) == want {
				list = append(list, o)
			}
		}
	}
	take(old, false)
	take(new, true)
	slices.SortStableFunc(list, func(a, b any) int {
		return cmp.Compare(text(a.(map[string]any), "id"), text(b.(map[string]any), "id"))
	})
	return list
}

// keep takes over what a node cannot know right after it has booted: the switches
// that its interfaces were connected to, marked as heard of at an earlier boot,
// and its last burn-in. It tells whether there was something.
func keep(old, new map[string]any) (map[string]any, bool) {
	kept := maps.Clone(new)
	any := false
	if old["burnin"] != nil && new["burnin"] == nil {
		kept["burnin"], any = old["burnin"], true
	}
	if neighbours(old, kept) {
		any = true
	}
	return kept, any
}

func neighbours(old, kept map[string]any) (found bool) {
	heard := map[string]map[string]any{}
	for _, nic := range objects(old["nics"]) {
		if n, ok := nic["neighbour"].(map[string]any); ok {
			heard[text(nic, "id")] = n
		}
	}
	list, _ := kept["nics"].([]any)
	list = slices.Clone(list)
	for i, member := range list {
		nic, _ := member.(map[string]any)
		n := heard[text(nic, "id")]
		if n == nil || nic["neighbour"] != nil {
			continue
		}
		n, nic = maps.Clone(n), maps.Clone(nic)
		n["readings"] = map[string]any{"earlier": true}
		nic["neighbour"] = n
		list[i], found = nic, true
	}
	if found {
		kept["nics"] = list
	}
	return found
}

// without is a document in which sections that could not be learned are as they
// were known before, so that the next one is compared with that.
func without(document, before map[string]any) map[string]any {
	failed := map[string]bool{}
	for _, p := range objects(before["errors"]) {
		failed[text(p, "id")] = true
	}
	reference := maps.Clone(document)
	var errs []any
	for _, p := range objects(document["errors"]) {
		section := text(p, "id")
		if before == nil || failed[section] {
			errs = append(errs, p)
			continue
		}
		delete(reference, section)
		if before[section] != nil {
			reference[section] = before[section]
		}
	}
	delete(reference, "errors")
	if len(errs) > 0 {
		reference["errors"] = errs
	}
	return reference
}
