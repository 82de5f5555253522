package hardware

import (
	"fmt"
	"path"
	"strings"
)

// Pattern names fields of the document, wherever they are: "usb",
// "disks.partitions", "disks.*.partitions", "disks[naa.*].firmware", "*.driver".
// It stands for what is below them too. A star in place of a name is any name,
// or any member of a list; members may also be left out.
type Pattern struct {
	source string
	steps  []step
}

// step is a name, or with isID the member of a list.
type step struct {
	name string
	isID bool
}

// ParsePattern reads a pattern.
func ParsePattern(source string) (Pattern, error) {
	steps := split(source)
	for _, s := range steps {
		if _, err := path.Match(s.name, ""); err != nil || s.name == "" {
			return Pattern{}, fmt.Errorf("%q does not name fields of the inventory (want for example usb or disks.*.partitions)", source)
		}
	}
	if len(steps) == 0 || steps[0].isID {
		return Pattern{}, fmt.Errorf("%q does not begin with a section of the inventory (want for example usb or disks.*.partitions)", source)
	}
	return Pattern{source, steps}, nil
}

// String is the pattern as it was written.
func (p Pattern) String() string { return p.source }

// Match tells whether a path, as package diff writes them, is one of these
// fields or below one.
func (p Pattern) Match(path string) bool { return match(p.steps, split(path)) }

func match(pattern, steps []step) bool {
	if len(pattern) == 0 {
		return true
	}
	if len(steps) == 0 {
		return false
	}
	want, have := pattern[0], steps[0]
	if have.isID && !want.isID && match(pattern, steps[1:]) {
		return true
	}
	switch {
	case want.name == "*": // of either kind
	case want.isID != have.isID:
		return false
	case want.isID:
		if ok, err := path.Match(want.name, have.name); !ok || err != nil {
			return want.name == have.name && match(pattern[1:], steps[1:])
		}
	case want.name != have.name:
		return false
	}
	return match(pattern[1:], steps[1:])
}

// maxSteps is far more than paths have, unless an id is made to look like many.
const maxSteps = 32

// split takes a path apart. An id ends where a bracket is followed by what can
// follow one, as ids may have dots and brackets of their own.
func split(path string) (steps []step) {
	for path != "" && len(steps) < maxSteps {
		if path[0] == '[' {
			end := idEnd(path)
			steps = append(steps, step{path[1:end], true})
			path = strings.TrimPrefix(path[min(end+1, len(path)):], ".")
			continue
		}
		end := strings.IndexAny(path, ".[")
		if end < 0 {
			end = len(path)
		}
		steps = append(steps, step{path[:end], false})
		if end < len(path) && path[end] == '.' {
			end++
			if end == len(path) {
				steps = append(steps, step{}) // nothing after the dot
			}
		}
		path = path[end:]
	}
	return steps
}

// idEnd is where the bracket is that ends the id at the beginning of a path.
func idEnd(path string) int {
	for i := 1; i < len(path); i++ {
		if path[i] == ']' && (i+1 == len(path) || path[i+1] == '.' || path[i+1] == '[') {
			return i
		}
	}
	return len(path)
}
