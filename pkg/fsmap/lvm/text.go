package lvm

import (
	"fmt"
	"strconv"
)

// The text is that of lvm.conf:
//
//	items:   (name "{" items "}" | name "=" value)*
//	value:   scalar | "[" [scalar ("," scalar)*] "]"
//	scalar:  number | "string with \" and \\"
//	comment: # up to the end of the line

const (
	maxDepth = 8       // a group's own needs five
	maxItems = 1 << 18 // names and scalars of one text
)

// section is a pair of braces, or the whole text.
type section struct {
	names  []string // of all items, in order
	subs   map[string]*section
	values map[string]value
}

// value is a scalar or a list of them.
type value struct {
	list  bool
	items []scalar
}

// scalar is a number, or a string where text is set.
type scalar struct {
	text bool
	s    string // of numbers too
}

// parser reads a text once, with as many items as it has left.
type parser struct {
	b     []byte
	off   int
	items int
}

func parse(text []byte) (*section, error) {
	p := &parser{b: text, items: maxItems}
	s, err := p.section(0)
	if err != nil {
		return nil, unsafef("metadata text, byte %d: %v", p.off, err)
	}
	return s, nil
}

// section reads items up to the closing brace, or to the end at depth 0.
func (p *parser) section(depth int) (*section, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("more than %d braces in each other", maxDepth)
	}
	s := &section{}
	for {
		switch c := p.peek(); {
		case c == 0 && p.off == len(p.b):
			if depth > 0 {
				return nil, fmt.Errorf("a brace is not closed")
			}
			return s, nil
		case c == '}' && depth > 0:
			p.off++
			return s, nil
		}
		name := p.word()
		if name == "" {
			return nil, fmt.Errorf("want a name")
		}
		if s.has(name) {
			return nil, fmt.Errorf("%q is there twice", name)
		}
		if err := p.count(); err != nil {
			return nil, err
		}
		s.names = append(s.names, name)
		switch p.peek() {
		case '{':
			p.off++
			sub, err := p.section(depth + 1)
			if err != nil {
				return nil, err
			}
			if s.subs == nil {
				s.subs = map[string]*section{}
			}
			s.subs[name] = sub
		case '=':
			p.off++
			v, err := p.value()
			if err != nil {
				return nil, err
			}
			if s.values == nil {
				s.values = map[string]value{}
			}
			s.values[name] = v
		default:
			return nil, fmt.Errorf("want { or = behind %q", name)
		}
	}
}

func (p *parser) value() (value, error) {
	if p.peek() != '[' {
		s, err := p.scalar()
		return value{items: []scalar{s}}, err
	}
	p.off++
	v := value{list: true}
	for p.peek() != ']' {
		if len(v.items) > 0 {
			if p.peek() != ',' {
				return v, fmt.Errorf("want a comma")
			}
			p.off++
			if p.peek() == ']' {
				break
			}
		}
		s, err := p.scalar()
		if err != nil {
			return v, err
		}
		v.items = append(v.items, s)
	}
	p.off++
	return v, nil
}

func (p *parser) scalar() (scalar, error) {
	if err := p.count(); err != nil {
		return scalar{}, err
	}
	if p.peek() == '"' {
		p.off++
		var s []byte
		for ; p.off < len(p.b); p.off++ {
			switch c := p.b[p.off]; {
			case c == '"':
				p.off++
				return scalar{true, string(s)}, nil
			case c == '\\' && p.off+1 < len(p.b):
				p.off++
				s = append(s, p.b[p.off])
			default:
				s = append(s, c)
			}
		}
		return scalar{}, fmt.Errorf("a string is not closed")
	}
	w := p.word()
	if _, err := strconv.ParseFloat(w, 64); err != nil {
		return scalar{}, fmt.Errorf("want a number or a string")
	}
	return scalar{false, w}, nil
}

// peek is the next byte that is neither white space nor comment, not yet
// taken; 0 at the end.
func (p *parser) peek() byte {
	for ; p.off < len(p.b); p.off++ {
		switch c := p.b[p.off]; c {
		case ' ', '\t', '\n', '\r', '\v', '\f':
		case '#':
			for p.off+1 < len(p.b) && p.b[p.off+1] != '\n' {
				p.off++
			}
		default:
			return c
		}
	}
	return 0
}

// word takes what belongs to a name or a number.
func (p *parser) word() string {
	p.peek()
	start := p.off
	for p.off < len(p.b) {
		switch c := p.b[p.off]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-', c == '+', c == '.':
			p.off++
			continue
		}
		break
	}
	return string(p.b[start:p.off])
}

func (p *parser) count() error {
	if p.items--; p.items < 0 {
		return fmt.Errorf("more than %d items", maxItems)
	}
	return nil
}

func (s *section) has(name string) bool {
	_, ok := s.values[name]
	return ok || s.subs[name] != nil
}

// text is a string's content; a missing one is empty.
func (s *section) text(name string) (string, error) {
	v, ok := s.values[name]
	if !ok {
		return "", nil
	}
	if v.list || !v.items[0].text {
		return "", unsafef("%s in the metadata is not a string", name)
	}
	return v.items[0].s, nil
}

// number is a count that must be there, at most limit.
func (s *section) number(name string, limit int64) (int64, error) {
	v, ok := s.values[name]
	if !ok {
		return 0, unsafef("the metadata has no %s", name)
	}
	if v.list {
		return 0, unsafef("%s in the metadata is not a number", name)
	}
	n, err := v.items[0].number(limit)
	if err != nil {
		return 0, unsafef("%s in the metadata: %v", name, err)
	}
	return n, nil
}

func (s scalar) number(limit int64) (int64, error) {
	n, err := strconv.ParseInt(s.s, 10, 64)
	if s.text || err != nil || n < 0 || n > limit {
		return 0, fmt.Errorf("%q is not a number up to %d", s.s, limit)
	}
	return n, nil
}

// words are the strings of a list; a single string counts as a list of one.
func (s *section) words(name string) ([]string, error) {
	var list []string
	for _, item := range s.values[name].items {
		if !item.text {
			return nil, unsafef("%s in the metadata has a number among its words", name)
		}
		list = append(list, item.s)
	}
	return list, nil
}
