// Package trace tells which commands' initialisation has run.
package trace

import "strings"

var notes []string

// Note adds a name and returns it.
func Note(name string) string { notes = append(notes, name); return name }

// String is all names noted.
func String() string { return strings.Join(notes, ", ") }
