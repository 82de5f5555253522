package grub

// script is a list of statements.
type script []statement

// statement is one of *command, *conditional, *loop, *each and *function.
type statement interface{ at() int }

// command is a name with arguments; the last may be a block.
type command struct {
	words []word
	block script
	// hasBlock tells an empty block from none.
	hasBlock bool
	line     int
}

// conditional is if, elif, else, fi.
type conditional struct {
	branches []branch
	line     int
}

// branch runs body when test succeeds; the else branch has no test.
type branch struct {
	test, body script
}

// loop is while or until.
type loop struct {
	until      bool
	test, body script
	line       int
}

// each is for NAME in WORDS.
type each struct {
	name  string
	words []word
	body  script
	line  int
}

// function is the definition of one.
type function struct {
	name string
	body script
	line int
}

func (c *command) at() int     { return c.line }
func (c *conditional) at() int { return c.line }
func (l *loop) at() int        { return l.line }
func (e *each) at() int        { return e.line }
func (f *function) at() int    { return f.line }

// parser builds the tree, one token ahead.
type parser struct {
	lex   lexer
	tok   token
	depth int
}

// parse reads a whole script.
func parse(src string) (script, error) {
	p := &parser{lex: lexer{src: src, line: 1}}
	if err := p.advance(); err != nil {
		return nil, err
	}
	s, err := p.list()
	if err != nil {
		return nil, err
	}
	switch {
	case p.tok.kind == tEOF:
		return s, nil
	case p.tok.kind == tWord:
		return nil, p.fail(p.tok.word.plain() + " without a beginning")
	}
	return nil, p.fail("closing brace without an opening one")
}

func (p *parser) advance() error {
	var err error
	p.tok, err = p.lex.next()
	return err
}

func (p *parser) fail(msg string) error { return &SyntaxError{p.tok.line, msg} }

// keyword is the text of the current token where it could be a keyword.
func (p *parser) keyword() string {
	if p.tok.kind == tWord {
		return p.tok.word.plain()
	}
	return ""
}

// expect takes a keyword; at is the line of what it belongs to.
func (p *parser) expect(word, of string, at int) error {
	if err := p.separators(); err != nil {
		return err
	}
	if p.keyword() != word {
		return &SyntaxError{at, of + " without " + word}
	}
	return p.advance()
}

func (p *parser) separators() error {
	for p.tok.kind == tEnd {
		if err := p.advance(); err != nil {
			return err
		}
	}
	return nil
}

// list reads statements up to a closing brace, a keyword that closes or
// continues something, or the end; that token stays current.
func (p *parser) list() (script, error) {
	if p.depth++; p.depth > maxNesting {
		return nil, p.fail("nested too deeply")
	}
	defer func() { p.depth-- }()
	var s script
	for {
		if err := p.separators(); err != nil {
			return nil, err
		}
		if p.tok.kind == tEOF || p.tok.kind == tClose {
			return s, nil
		}
		switch p.keyword() {
		case "then", "elif", "else", "fi", "do", "done":
			return s, nil
		}
		st, err := p.statement()
		if err != nil {
			return nil, err
		}
		s = append(s, st)
	}
}

func (p *parser) statement() (statement, error) {
	switch p.keyword() {
	case "if":
		return p.conditional()
	case "while", "until":
		return p.loop()
	case "for":
		return p.each()
	case "function":
		return p.function()
	}
	return p.command()
}

func (p *parser) conditional() (statement, error) {
	c := &conditional{line: p.tok.line}
	for {
		var b branch
		var err error
		if p.keyword() != "else" {
			if err := p.advance(); err != nil { // if, elif
				return nil, err
			}
			if b.test, err = p.list(); err != nil {
				return nil, err
			}
			if err := p.expect("then", "if", c.line); err != nil {
				return nil, err
			}
			if len(b.test) == 0 {
				return nil, &SyntaxError{c.line, "if without a condition"}
			}
		} else if err := p.advance(); err != nil {
			return nil, err
		}
		if b.body, err = p.list(); err != nil {
			return nil, err
		}
		c.branches = append(c.branches, b)
		switch k := p.keyword(); {
		case (k == "elif" || k == "else") && b.test != nil:
			continue
		default:
			return c, p.expect("fi", "if", c.line)
		}
	}
}

// body reads do LIST done.
func (p *parser) body(of string, line int) (script, error) {
	if err := p.expect("do", of, line); err != nil {
		return nil, err
	}
	s, err := p.list()
	if err != nil {
		return nil, err
	}
	return s, p.expect("done", of, line)
}

func (p *parser) loop() (statement, error) {
	l := &loop{line: p.tok.line, until: p.keyword() == "until"}
	of := p.keyword()
	err := p.advance()
	if err == nil {
		l.test, err = p.list()
	}
	if err == nil && len(l.test) == 0 {
		err = &SyntaxError{l.line, of + " without a condition"}
	}
	if err == nil {
		l.body, err = p.body(of, l.line)
	}
	return l, err
}

func (p *parser) each() (statement, error) {
	e := &each{line: p.tok.line}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if e.name = p.keyword(); e.name == "" {
		return nil, p.fail("for without a variable")
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if p.keyword() != "in" {
		return nil, p.fail("for without in")
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	for p.tok.kind == tWord {
		e.words = append(e.words, p.tok.word)
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
	var err error
	e.body, err = p.body("for", e.line)
	return e, err
}

func (p *parser) function() (statement, error) {
	f := &function{line: p.tok.line}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if f.name = p.keyword(); f.name == "" {
		return nil, p.fail("function without a name")
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if err := p.separators(); err != nil {
		return nil, err
	}
	var err error
	f.body, err = p.block("function " + f.name)
	return f, err
}

// block reads { LIST }.
func (p *parser) block(of string) (script, error) {
	line := p.tok.line
	if p.tok.kind != tOpen {
		return nil, p.fail(of + " without an opening brace")
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	s, err := p.list()
	if err != nil {
		return nil, err
	}
	if p.tok.kind != tClose {
		return nil, &SyntaxError{line, of + " has a brace without end"}
	}
	return s, p.advance()
}

func (p *parser) command() (statement, error) {
	c := &command{line: p.tok.line}
	for {
		switch p.tok.kind {
		case tWord:
			c.words = append(c.words, p.tok.word)
			if err := p.advance(); err != nil {
				return nil, err
			}
		case tOpen:
			if c.hasBlock || len(c.words) == 0 {
				return nil, p.fail("opening brace out of place")
			}
			c.hasBlock = true
			var err error
			if c.block, err = p.block("command"); err != nil {
				return nil, err
			}
		default:
			return c, nil
		}
	}
}
