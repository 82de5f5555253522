package query

import "regexp"

// parser reads tokens by recursive descent. The first mistake ends it.
type parser struct {
	lexer
	token // the one to look at
	depth int
}

func newParser(src string) (*parser, error) {
	p := &parser{lexer: lexer{src: src}}
	if len(src) > MaxLength {
		return nil, p.fail(MaxLength, "it is longer than %d bytes", MaxLength)
	}
	return p, p.advance()
}

func (p *parser) advance() (err error) {
	p.token, err = p.next()
	return err
}

func (p *parser) is(s string) bool { return p.token.kind == symbol && p.token.said == s }

// accept goes on if the token is a symbol.
func (p *parser) accept(s string) (bool, error) {
	if !p.is(s) {
		return false, nil
	}
	return true, p.advance()
}

func (p *parser) expect(s, why string) error {
	ok, err := p.accept(s)
	if !ok && err == nil {
		err = p.want(s + why)
	}
	return err
}

func (p *parser) want(what string) error {
	return p.fail(p.token.begin, "expected %s, found %s", what, p.token.name())
}

// deeper bounds recursion.
func (p *parser) deeper() error {
	p.depth++
	if p.depth > MaxDepth {
		return p.fail(p.token.begin, "more than %d things are in one another", MaxDepth)
	}
	return nil
}

func (p *parser) query() (expression, error) {
	parts, err := p.chain("||", func() (expression, error) {
		parts, err := p.chain("&&", p.not)
		return all(parts), err
	})
	return either(parts), err
}

// chain reads parts with an operator between them.
func (p *parser) chain(operator string, part func() (expression, error)) (parts []expression, err error) {
	for more := true; more; {
		e, err := part()
		if err != nil {
			return nil, err
		}
		parts = append(parts, e)
		if more, err = p.accept(operator); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

func (p *parser) not() (expression, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	if ok, err := p.accept("!"); ok || err != nil {
		if err != nil {
			return nil, err
		}
		e, err := p.not()
		return negation{e}, err
	}
	if open := p.token.begin; p.is("(") {
		if err := p.advance(); err != nil {
			return nil, err
		}
		e, err := p.query()
		if err != nil {
			return nil, err
		}
		return e, p.expect(")", p.since(open))
	}
	return p.comparison()
}

func (p *parser) comparison() (expression, error) {
	o, err := p.operand()
	if err != nil {
		return nil, err
	}
	if p.token.kind != symbol || !isOperator(p.token.said) {
		return o, nil
	}
	operator := p.token.said
	if err := p.advance(); err != nil {
		return nil, err
	}
	value := p.token
	if o.count && value.kind != number {
		return nil, p.want("a number to compare the count with")
	}
	c := comparison{operand: o, operator: operator}
	if operator == "=~" || operator == "!~" {
		if value.kind != quoted {
			return nil, p.want("a regular expression in quotes")
		}
		if c.pattern, err = regexp.Compile(value.said); err != nil {
			return nil, p.fail(value.begin, "%v", err)
		}
		return c, p.advance()
	}
	if c.literal, err = p.literal(); err != nil {
		return nil, err
	}
	if _, ok := c.literal.value.(bool); ok && operator != "==" && operator != "!=" {
		return nil, p.fail(value.begin, "%s is neither less nor more than anything", value.said)
	}
	return c, p.advance()
}

func isOperator(s string) bool {
	switch s {
	case "==", "!=", "<", "<=", ">", ">=", "=~", "!~":
		return true
	}
	return false
}

// literal reads the value at the right of an operator; it does not go on.
func (p *parser) literal() (l literal, err error) {
	l.text = p.token.said
	switch p.token.kind {
	case quoted:
		l.value = p.token.said
		l.number, l.isNumber = parseNumber(p.token.said)
	case number:
		l.number, l.isNumber = parseNumber(p.token.said)
	case word:
		switch p.token.said {
		case "true", "false":
			l.value = p.token.said == "true"
		default:
			err = p.fail(p.token.begin, "expected a value, found the word %[1]s (text stands in quotes: \"%[1]s\")", p.token.said)
		}
	default:
		err = p.want("a value: text in quotes, a number, true or false")
	}
	return l, err
}

func (p *parser) operand() (operand, error) {
	if p.token.kind != word {
		return operand{}, p.want(`a path such as disks.size, count(, ! or (`)
	}
	start := p.token
	if err := p.advance(); err != nil {
		return operand{}, err
	}
	if start.said != "count" || !p.is("(") {
		path, err := p.path(start)
		return operand{path: path}, err
	}
	open := p.token.begin
	if err := p.advance(); err != nil {
		return operand{}, err
	}
	if p.token.kind != word {
		return operand{}, p.want("the path of what to count")
	}
	first := p.token
	if err := p.advance(); err != nil {
		return operand{}, err
	}
	path, err := p.path(first)
	if err != nil {
		return operand{}, err
	}
	return operand{path: path, count: true}, p.expect(")", p.since(open))
}

// path reads on after its first word.
func (p *parser) path(first token) ([]step, error) {
	steps := []step{{key: first.said, offset: first.begin}}
	for {
		last := &steps[len(steps)-1]
		for p.is("[") {
			f, err := p.filter()
			if err != nil {
				return nil, err
			}
			last.filters = append(last.filters, f)
		}
		if more, err := p.accept("."); err != nil || !more {
			return steps, err
		}
		if p.token.kind != word {
			return nil, p.want("a word after the dot")
		}
		steps = append(steps, step{key: p.token.said, offset: p.token.begin})
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
}

func (p *parser) filter() (f expression, err error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	open := p.token.begin
	if err := p.advance(); err != nil {
		return nil, err
	}
	switch p.token.kind {
	case quoted:
		id := step{key: "id", offset: p.token.begin}
		f = comparison{operand: operand{path: []step{id}}, operator: "==", literal: literal{text: p.token.said, value: p.token.said}}
		err = p.advance()
	case number:
		return nil, p.fail(p.token.begin, "members of lists have no numbers: expected what to look for, or an id in quotes")
	default:
		f, err = p.query()
	}
	if err != nil {
		return nil, err
	}
	return f, p.expect("]", p.since(open))
}

// since reminds of a bracket that is still open.
func (p *parser) since(open int) string {
	return " for the " + p.src[open:open+1] + " before \"" + excerpt(p.src[open+1:]) + "\""
}
