package query

import (
	"fmt"
	"unicode/utf8"
)

// Limits of what Parse takes, so that what comes from the network costs little.
const (
	MaxLength = 4096 // bytes of a query
	MaxDepth  = 50   // of filters, parentheses and !, one in the other
)

// SyntaxError tells what is wrong with a query, and where.
type SyntaxError struct {
	Text    string // the query
	Offset  int    // in Text, bytes
	Problem string
}

func (e *SyntaxError) Error() string {
	place := "at its end"
	if rest := e.Text[e.Offset:]; rest != "" {
		place = fmt.Sprintf("at %q (character %d)", excerpt(rest), utf8.RuneCountInString(e.Text[:e.Offset])+1)
	}
	return fmt.Sprintf("query not understood %s: %s", place, e.Problem)
}

// excerpt is the beginning of a text, for a message.
func excerpt(s string) string {
	const most = 20
	r := []rune(s)
	if len(r) > most {
		return string(r[:most]) + "…"
	}
	return string(r)
}
