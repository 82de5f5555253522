package query

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
)

// expression is something that holds for a value or doesn't.
type expression interface {
	holds(scope any) bool
	check(scope *Fields, fail func(offset int, problem string)) // tells of unknown words
}

type (
	all      []expression
	either   []expression
	negation struct{ expression }

	// operand is what stands at the left of an operator, or alone.
	operand struct {
		path  []step
		count bool
	}

	// step leads into an object.
	step struct {
		key     string
		filters []expression
		offset  int
	}

	comparison struct {
		operand
		operator string
		literal  literal        // unless there is a
		pattern  *regexp.Regexp // for =~ and !~
	}

	literal struct {
		text     string
		value    any // string or bool; nil for a number
		number   num
		isNumber bool // a text may be one as well
	}

	// absent is what there is not of an object.
	absent struct{}
)

func (a all) holds(scope any) bool {
	for _, e := range a {
		if !e.holds(scope) {
			return false
		}
	}
	return true
}

func (e either) holds(scope any) bool {
	for _, part := range e {
		if part.holds(scope) {
			return true
		}
	}
	return false
}

func (n negation) holds(scope any) bool { return !n.expression.holds(scope) }

func (o operand) holds(scope any) bool {
	return !walk(scope, o.path, func(v any) bool { return !isSomething(v) })
}

// isSomething tells whether a path to a value holds by itself.
func isSomething(value any) bool {
	switch v := value.(type) {
	case bool:
		return v
	case string:
		return v != ""
	case map[string]any:
		return len(v) > 0
	case absent:
		return false
	}
	return true
}

func (o operand) number(scope any) (n int64) {
	walk(scope, o.path, func(v any) bool {
		if v != (absent{}) {
			n++
		}
		return true
	})
	return n
}

// walk goes where a path leads, and tells whether yield wanted to go on.
func walk(from any, path []step, yield func(any) bool) bool {
	switch v := from.(type) {
	case []any:
		for _, member := range v {
			if !walk(member, path, yield) {
				return false
			}
		}
		return true
	case map[string]any:
		if len(path) == 0 {
			return yield(v)
		}
		s := path[0]
		child, ok := v[s.key]
		if ok && child != nil {
			return s.filter(child, func(kept any) bool { return walk(kept, path[1:], yield) })
		}
		if len(path) == 1 && len(s.filters) == 0 {
			return yield(absent{})
		}
		return true
	case nil:
		return true
	}
	return len(path) > 0 || yield(from)
}

// filter goes through what a step keeps of a value.
func (s step) filter(value any, yield func(any) bool) bool {
	if len(s.filters) == 0 {
		return yield(value)
	}
	if list, ok := value.([]any); ok {
		for _, member := range list {
			if !s.filter(member, yield) {
				return false
			}
		}
		return true
	}
	return !all(s.filters).holds(value) || yield(value)
}

func (c comparison) holds(scope any) bool {
	if c.count {
		return c.agrees(whole(c.operand.number(scope)).compare(c.literal.number))
	}
	return !walk(scope, c.path, func(v any) bool { return !c.compare(v) })
}

// compare tells whether the comparison holds for one value.
func (c comparison) compare(value any) bool {
	if c.pattern != nil {
		text, ok := spelled(value)
		return ok && c.pattern.MatchString(text) == (c.operator == "=~")
	}
	switch v := value.(type) {
	case absent:
		return c.literal.value == false && c.operator == "==" || c.literal.value == true && c.operator == "!="
	case map[string]any:
		return false
	case bool:
		return (v == c.literal.value) == (c.operator == "==") && (c.operator == "==" || c.operator == "!=")
	case string:
		if c.literal.value != nil {
			text, ok := c.literal.value.(string)
			return c.ordered(ok, cmp.Compare(v, text))
		}
		if v == c.literal.text {
			return c.agrees(0)
		}
	}
	n, ok := numberOf(value)
	return c.ordered(ok && c.literal.isNumber, n.compare(c.literal.number))
}

// ordered judges two values, if they can be compared; else they differ.
func (c comparison) ordered(ok bool, order int) bool {
	if !ok {
		return c.operator == "!="
	}
	return c.agrees(order)
}

func (c comparison) agrees(order int) bool {
	switch c.operator {
	case "==":
		return order == 0
	case "!=":
		return order != 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	}
	return order >= 0
}

// spelled is a value as text.
func spelled(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case map[string]any, absent:
		return "", false
	case float64:
		return strings.TrimSuffix(fmt.Sprintf("%f", v), ".000000"), true
	}
	return fmt.Sprint(value), true
}
