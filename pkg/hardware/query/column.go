package query

import (
	"strconv"
	"strings"
)

// Column is a value to show of each machine: a path, or a count.
type Column struct {
	src string
	operand
}

// ParseColumns reads paths and counts with commas between them:
//
//	node.id,system.serial,count(disks),disks[rotational].size
func ParseColumns(src string) ([]Column, error) {
	p, err := newParser(src)
	if err != nil {
		return nil, err
	}
	var list []Column
	for {
		begin := p.token.begin
		o, err := p.operand()
		if err != nil {
			return nil, err
		}
		list = append(list, Column{strings.TrimSpace(src[begin:p.token.begin]), o})
		if p.token.kind == end {
			return list, nil
		}
		if err := p.expect(",", " or the end"); err != nil {
			return nil, err
		}
	}
}

// Name is the column as it was written.
func (c Column) Name() string { return c.src }

// Check tells of words that no document has.
func (c Column) Check(f *Fields) error { return check(c.src, c.operand, f) }

// Values are what the column has of a document, in order; of what there is not,
// none.
func (c Column) Values(document any) []any {
	if c.count {
		return []any{c.operand.number(document)}
	}
	var list []any
	walk(document, c.path, func(v any) bool {
		if v != (absent{}) {
			list = append(list, v)
		}
		return true
	})
	return list
}

// Text is Values in one line, with semicolons between them. Of an object it has
// the id.
func (c Column) Text(document any) string {
	var words []string
	for _, v := range c.Values(document) {
		if object, ok := v.(map[string]any); ok {
			v = object["id"]
		}
		if n, ok := v.(int64); ok {
			words = append(words, strconv.FormatInt(n, 10))
		} else if text, ok := spelled(v); ok && v != nil {
			words = append(words, text)
		}
	}
	return strings.Join(words, ";")
}
