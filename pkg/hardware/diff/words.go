package diff

import (
	"encoding/json"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/units"
)

// String is a change in words: "memory.modules[DIMM A1]: gone (DDR4, 16 GiB,
// serial 1234)".
func (c Change) String() string {
	key := c.Path[strings.LastIndexByte(c.Path, '.')+1:]
	switch {
	case c.Kind == Added && isObject(c.New):
		return c.Path + ": new" + brackets(describe(c.New))
	case c.Kind == Removed && isObject(c.Old):
		return c.Path + ": gone" + brackets(describe(c.Old))
	case c.Kind == Added:
		return c.Path + ": now " + show(key, c.New)
	case c.Kind == Removed:
		return c.Path + ": was " + show(key, c.Old) + ", is not known now"
	}
	if lost, gained := members(c.Old, c.New), members(c.New, c.Old); lost != "" || gained != "" {
		return c.Path + ":" + signed(" - ", lost) + signed(" + ", gained)
	}
	was, is := show(key, c.Old), show(key, c.New)
	if was == is { // sizes that differ by little
		was, is = show("", c.Old), show("", c.New)
	}
	return c.Path + ": " + was + " -> " + is
}

// String is "disks: not compared: " and why.
func (u Unknown) String() string { return u.Section + ": not compared: " + u.Error }

func brackets(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

func signed(sign, s string) string {
	if s == "" {
		return ""
	}
	return sign + s
}

// members are the values that one list has and another has not.
func members(list, other any) string {
	x, ok := list.([]any)
	y, ok2 := other.([]any)
	if !ok || !ok2 {
		return ""
	}
	there := map[string]bool{}
	for _, b := range y {
		there[show("", b)] = true
	}
	var words []string
	for _, a := range x {
		if word := show("", a); !there[word] {
			words = append(words, word)
		}
	}
	return strings.Join(words, " ")
}

// describe names a thing by what people know it by.
func describe(v any) string {
	object, _ := v.(map[string]any)
	var words []string
	for _, key := range []string{"type", "kind", "version", "vendor", "product", "model", "part", "device", "label", "size", "driver", "serial", "mac", "address"} {
		value := object[key]
		if value == nil || isObject(value) {
			continue
		}
		text := show(key, value)
		switch key {
		case "serial", "driver":
			text = key + " " + text
		case "mac":
			text = "MAC " + text
		case "address":
			text = "at " + text
		}
		words = append(words, text)
	}
	return strings.Join(words, ", ")
}

// isBytes tells of fields that are sizes.
func isBytes(key string) bool {
	switch key {
	case "size", "total", "usable", "max_size", "start", "memory":
		return true
	}
	return false
}

// show is a value in words.
func show(key string, v any) string {
	switch x := v.(type) {
	case string:
		return x
	case nil:
		return "nothing"
	case map[string]any:
		if s := describe(x); s != "" {
			return s
		}
	case []any:
		var words []string
		for _, member := range x {
			words = append(words, show("", member))
		}
		return strings.Join(words, " ")
	}
	if n, ok := whole(v); ok && isBytes(key) {
		return units.Bytes(n)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return string(text)
}
