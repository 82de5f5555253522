package query

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Fields are the words that paths may have, level by level.
type Fields struct {
	members map[string]*Fields
}

// FieldsOf takes them from the JSON names of a struct type and what it is made
// of.
func FieldsOf(t reflect.Type) *Fields {
	f := &Fields{map[string]*Fields{}}
	f.add(t)
	return f
}

func (f *Fields) add(t reflect.Type) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || isOpaque(t) {
		return
	}
	for i := range t.NumField() {
		field := t.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous && name == "":
			f.add(field.Type)
		case field.IsExported() && name != "-" && name != "":
			f.members[name] = FieldsOf(field.Type)
		}
	}
}

// isOpaque tells of types that are not objects in JSON, as time.Time.
func isOpaque(t reflect.Type) bool {
	m := reflect.TypeFor[json.Marshaler]()
	return t.Implements(m) || reflect.PointerTo(t).Implements(m)
}

// check returns the first problem with an expression.
func check(src string, e expression, f *Fields) (err error) {
	e.check(f, func(offset int, problem string) {
		if err == nil {
			err = &SyntaxError{Text: src, Offset: offset, Problem: problem}
		}
	})
	return err
}

func (a all) check(scope *Fields, fail func(int, string)) {
	for _, e := range a {
		e.check(scope, fail)
	}
}

func (e either) check(scope *Fields, fail func(int, string)) { all(e).check(scope, fail) }

func (o operand) check(scope *Fields, fail func(int, string)) {
	for _, s := range o.path {
		next := scope.members[s.key]
		if next == nil {
			words := strings.Join(slices.Sorted(maps.Keys(scope.members)), ", ")
			if words == "" {
				words = "nothing"
			}
			fail(s.offset, fmt.Sprintf("there is no %s here, there is: %s", s.key, words))
			return
		}
		scope = next
		all(s.filters).check(scope, fail)
	}
}
