package query

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// kind is that of a token.
type kind int

const (
	end kind = iota
	word
	quoted
	number
	symbol // an operator or a bracket
)

// token is a piece of a query.
type token struct {
	kind  kind
	said  string // as it stands; of a text without its quotes
	begin int
}

// name is how messages name a token.
func (t token) name() string {
	switch t.kind {
	case end:
		return "the end"
	case quoted:
		return fmt.Sprintf("the text %q", t.said)
	case word:
		return "the word " + t.said
	}
	return t.said
}

// symbols, longer ones before their beginnings.
func symbols() []string {
	return []string{"==", "!=", "<=", ">=", "=~", "!~", "&&", "||", "<", ">", "!", "(", ")", "[", "]", ".", ","}
}

// lexer cuts a query into tokens.
type lexer struct {
	src string
	at  int
}

func (l *lexer) fail(offset int, format string, args ...any) error {
	return &SyntaxError{Text: l.src, Offset: offset, Problem: fmt.Sprintf(format, args...)}
}

// next cuts off the next token.
func (l *lexer) next() (token, error) {
	for l.at < len(l.src) && strings.IndexByte(" \t\r\n", l.src[l.at]) >= 0 {
		l.at++
	}
	start := l.at
	if start == len(l.src) {
		return token{end, "", start}, nil
	}
	switch c := l.src[start]; {
	case c == '"' || c == '\'':
		return l.quote(c)
	case isLetter(c):
		return l.take(word, func(c byte) bool { return isLetter(c) || isDigit(c) }), nil
	case isDigit(c) || c == '-' && start+1 < len(l.src) && isDigit(l.src[start+1]):
		l.at++ // the minus, if there is one
		l.take(number, func(c byte) bool { return isLetter(c) || isDigit(c) || c == '.' })
		return l.number(token{number, l.src[start:l.at], start})
	}
	for _, s := range symbols() {
		if strings.HasPrefix(l.src[start:], s) {
			l.at += len(s)
			return token{symbol, s, start}, nil
		}
	}
	return token{}, l.strange()
}

func (l *lexer) take(k kind, belongs func(byte) bool) token {
	start := l.at
	for l.at < len(l.src) && belongs(l.src[l.at]) {
		l.at++
	}
	return token{k, l.src[start:l.at], start}
}

// number checks that a token is one.
func (l *lexer) number(t token) (token, error) {
	if _, ok := parseNumber(t.said); !ok {
		return t, l.fail(t.begin, "%s is no number with a unit of bytes (K, M, G, T, P, KB, KiB, ...); if it is text, write %q", t.said, t.said)
	}
	return t, nil
}

// strange tells what is wrong with something that begins no token.
func (l *lexer) strange() error {
	switch l.src[l.at] {
	case '=':
		return l.fail(l.at, "equal is written ==")
	case '&', '|':
		return l.fail(l.at, "and is written &&, or is written ||")
	}
	r, _ := utf8.DecodeRuneInString(l.src[l.at:])
	return l.fail(l.at, "%q has no meaning here (text stands in quotes)", r)
}

// quote reads a text in quotes.
func (l *lexer) quote(quote byte) (token, error) {
	start := l.at
	var b strings.Builder
	for l.at++; l.at < len(l.src); l.at++ {
		c := l.src[l.at]
		if c == quote {
			l.at++
			return token{quoted, b.String(), start}, nil
		}
		if c == '\\' && l.at+1 < len(l.src) && (l.src[l.at+1] == quote || l.src[l.at+1] == '\\') {
			l.at++
			c = l.src[l.at]
		}
		b.WriteByte(c)
	}
	return token{}, l.fail(start, "the text has no closing %c", quote)
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
