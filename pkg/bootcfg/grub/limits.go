package grub

import (
	"errors"
	"fmt"
)

// Real configurations stay far below these; hostile ones end here.
const (
	maxFile    = 1 << 20  // bytes of one configuration file
	maxSteps   = 200_000  // commands run for one Parse, all files and entries together
	maxNesting = 64       // blocks and ifs within each other
	maxCalls   = 64       // functions, sourced files and submenus within each other
	maxFiles   = 16       // files sourcing or loading each other
	maxReads   = 128      // files read for one Parse
	maxEntries = 2000     // menu entries
	maxWord    = 64 << 10 // bytes of one word after expansion
	maxWords   = 4096     // words of one command
	maxMemory  = 16 << 20 // bytes of expanded words, all commands together
	maxVars    = 4096     // variables at a time
	maxNotes   = 100
)

// ErrLimit is wrapped when a configuration wants more than any real one does.
var ErrLimit = errors.New("the configuration goes on without end")

func limit(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrLimit, fmt.Sprintf(format, args...))
}

// SyntaxError is a place where the script cannot be understood.
type SyntaxError struct {
	Line int // from 1
	Msg  string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Msg) }
