package grub

import "strings"

// kind is the kind of a token.
type kind int

const (
	tEOF   kind = iota
	tEnd        // newline or semicolon
	tOpen       // {
	tClose      // }
	tWord
)

// token is a word or a mark, with its line.
type token struct {
	kind kind
	word word
	line int
}

// word is one argument before expansion: pieces of text and variables.
type word []piece

// piece is literal text, or the name of a variable to put in its place.
type piece struct {
	text     string
	variable bool
	quoted   bool // not split at blanks, and kept when empty
}

// plain returns the text of a word that is neither quoted nor expanded: what
// can be a keyword.
func (w word) plain() string {
	if len(w) == 1 && !w[0].variable && !w[0].quoted {
		return w[0].text
	}
	return ""
}

// lexer cuts a script into tokens.
type lexer struct {
	src  string
	pos  int
	line int
}

func (l *lexer) next() (token, error) {
	l.blanks()
	t := token{line: l.line}
	if l.pos >= len(l.src) {
		return t, nil
	}
	switch c := l.src[l.pos]; c {
	case '\n', ';':
		if c == '\n' {
			l.line++
		}
		l.pos++
		t.kind = tEnd
		return t, nil
	case '{':
		l.pos++
		t.kind = tOpen
		return t, nil
	case '}':
		l.pos++
		t.kind = tClose
		return t, nil
	}
	var err error
	t.kind = tWord
	t.word, err = l.word()
	return t, err
}

// blanks skips white space, continued lines and comments.
func (l *lexer) blanks() {
	for l.pos < len(l.src) {
		switch c := l.src[l.pos]; {
		case c == ' ' || c == '\t' || c == '\r':
			l.pos++
		case strings.HasPrefix(l.src[l.pos:], "\\\n"):
			l.pos += 2
			l.line++
		case c == '#':
			if i := strings.IndexByte(l.src[l.pos:], '\n'); i >= 0 {
				l.pos += i
			} else {
				l.pos = len(l.src)
			}
		default:
			return
		}
	}
}

// word reads up to the next blank or mark outside quotes.
func (l *lexer) word() (word, error) {
	var w word
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			w = append(w, piece{text: text.String()})
			text.Reset()
		}
	}
	for l.pos < len(l.src) {
		switch c := l.src[l.pos]; c {
		case ' ', '\t', '\r', '\n', ';', '{', '}':
			flush()
			return w, nil
		case '\'':
			flush()
			start := l.line
			i := strings.IndexByte(l.src[l.pos+1:], '\'')
			if i < 0 {
				return nil, &SyntaxError{start, "single quote without end"}
			}
			s := l.src[l.pos+1 : l.pos+1+i]
			w = append(w, piece{text: s, quoted: true})
			l.line += strings.Count(s, "\n")
			l.pos += i + 2
		case '"':
			flush()
			pieces, err := l.double()
			if err != nil {
				return nil, err
			}
			w = append(w, pieces...)
		case '\\':
			l.pos++
			if l.pos == len(l.src) {
				break
			}
			switch rest := l.src[l.pos:]; {
			case rest[0] == '\n':
				l.line++
			case len(rest) > 2 && rest[0] == 'x' && isHex(rest[1]) && isHex(rest[2]):
				// Udev's \x20 in labels goes through as it is (Fedora, RHEL).
				text.WriteString(`\x`)
			default:
				// Escaped text is quoted as far as keywords are concerned.
				flush()
				w = append(w, piece{text: l.src[l.pos : l.pos+1], quoted: true})
			}
			l.pos++
		case '$':
			if strings.HasPrefix(l.src[l.pos:], `$"`) { // a string to translate
				l.pos++
				continue
			}
			name, n := variable(l.src[l.pos:])
			if n == 0 {
				text.WriteByte(c)
				l.pos++
				continue
			}
			flush()
			w = append(w, piece{text: name, variable: true})
			l.pos += n
		default:
			text.WriteByte(c)
			l.pos++
		}
	}
	flush()
	return w, nil
}

// double reads a string in double quotes: variables are expanded, and a
// backslash escapes only itself, the quote, the dollar sign and a newline.
func (l *lexer) double() ([]piece, error) {
	start := l.line
	l.pos++
	pieces := []piece{}
	var text strings.Builder
	flush := func() {
		pieces = append(pieces, piece{text: text.String(), quoted: true})
		text.Reset()
	}
	for l.pos < len(l.src) {
		switch c := l.src[l.pos]; c {
		case '"':
			l.pos++
			if text.Len() > 0 || len(pieces) == 0 {
				flush()
			}
			return pieces, nil
		case '\\':
			if l.pos+1 < len(l.src) {
				switch e := l.src[l.pos+1]; e {
				case '\\', '"', '$':
					text.WriteByte(e)
					l.pos += 2
					continue
				case '\n':
					l.line++
					l.pos += 2
					continue
				}
			}
			text.WriteByte(c)
			l.pos++
		case '$':
			name, n := variable(l.src[l.pos:])
			if n == 0 {
				text.WriteByte(c)
				l.pos++
				continue
			}
			if text.Len() > 0 {
				flush()
			}
			pieces = append(pieces, piece{text: name, variable: true, quoted: true})
			l.pos += n
		default:
			if c == '\n' {
				l.line++
			}
			text.WriteByte(c)
			l.pos++
		}
	}
	return nil, &SyntaxError{start, "double quote without end"}
}

// variable reads $NAME, ${NAME}, $1, $?, $#, $@ and $* at the beginning of s:
// the name, and how many bytes it takes; 0 where a dollar sign is just that.
func variable(s string) (name string, n int) {
	s = s[1:]
	if strings.HasPrefix(s, "{") {
		end := 1 + variableName(s[1:])
		if end == 1 || end == len(s) || s[end] != '}' {
			return "", 0
		}
		return s[1:end], end + 2
	}
	if n := variableName(s); n > 0 {
		return s[:n], n + 1
	}
	return "", 0
}

// variableName is the length of the variable name at the beginning of s.
func variableName(s string) int {
	if s == "" {
		return 0
	}
	digits := s[0] >= '0' && s[0] <= '9'
	if !digits && s[0] != '_' && !isLetter(s[0]) {
		if strings.IndexByte("?#@*", s[0]) >= 0 {
			return 1
		}
		return 0
	}
	n := 1
	for n < len(s) && (s[n] >= '0' && s[n] <= '9' || !digits && (s[n] == '_' || isLetter(s[n]))) {
		n++
	}
	return n
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
