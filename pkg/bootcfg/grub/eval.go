package grub

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strconv"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/bootcfg"
)

// scope is a set of variables, and the positional parameters of what runs.
type scope struct {
	vars     map[string]string
	exported map[string]bool
	args     []string // $1...
	status   int      // $?
}

func newScope() *scope {
	return &scope{vars: map[string]string{}, exported: map[string]bool{}}
}

// clone is a copy for something that must not leave traces.
func (s *scope) clone() *scope {
	return &scope{vars: maps.Clone(s.vars), exported: maps.Clone(s.exported), args: s.args}
}

// inner is the scope of a submenu or another configuration: exported variables
// only.
func (s *scope) inner() *scope {
	n := newScope()
	for k := range s.exported {
		if v, ok := s.vars[k]; ok {
			n.vars[k], n.exported[k] = v, true
		}
	}
	return n
}

// evaluator runs scripts. The fields of the second half belong to the menu or
// entry being run and change as it goes from one to another.
type evaluator struct {
	ctx         context.Context
	volumes     bootcfg.Volumes
	start       fs.FS // filesystem of the first file, with its name
	startVolume string
	functions   map[string]script
	notes       []string
	steps       int
	memory      int
	reads       int
	files       int // deep
	calls       int // deep

	scope   *scope
	current *choices // collects menu entries
	loading *started // collects linux and initrd
	next    *choices // menu of a configuration that took over
}

// Ways to leave a list of statements early.
type (
	breaking struct {
		n        int
		proceeds bool // continue
	}
	returning struct{ status int }
)

func (breaking) Error() string  { return "break outside a loop" }
func (returning) Error() string { return "return outside a function" }

// errTaken ends a script because another configuration took over.
var errTaken = errors.New("another configuration took over")

func (e *evaluator) note(format string, args ...any) {
	if len(e.notes) < maxNotes {
		e.notes = append(e.notes, fmt.Sprintf(format, args...))
	}
}

// step accounts for one command.
func (e *evaluator) step() error {
	if e.steps++; e.steps > maxSteps {
		return limit("more than %d commands", maxSteps)
	}
	return e.ctx.Err()
}

// script runs a list of statements and returns the status of the last, 0 for
// success.
func (e *evaluator) script(s script) (int, error) {
	status := 0
	for _, st := range s {
		if err := e.step(); err != nil {
			return 1, err
		}
		var err error
		switch st := st.(type) {
		case *command:
			status, err = e.command(st)
		case *conditional:
			status, err = e.conditional(st)
		case *loop:
			status, err = e.loop(st)
		case *each:
			status, err = e.each(st)
		case *function:
			e.functions[st.name] = st.body
			status = 0
		}
		if err != nil {
			return status, err
		}
		e.scope.status = status
	}
	return status, nil
}

func (e *evaluator) conditional(c *conditional) (int, error) {
	for _, b := range c.branches {
		if b.test != nil {
			status, err := e.script(b.test)
			if err != nil {
				return status, err
			}
			if status != 0 {
				continue
			}
		}
		return e.script(b.body)
	}
	return 0, nil
}

func (e *evaluator) loop(l *loop) (status int, err error) {
	for {
		if err := e.step(); err != nil {
			return 1, err
		}
		test, err := e.script(l.test)
		if err != nil {
			return test, err
		}
		if (test == 0) == l.until {
			return status, nil
		}
		var ended bool
		if status, ended, err = e.round(l.body); ended || err != nil {
			return status, err
		}
	}
}

func (e *evaluator) each(l *each) (status int, err error) {
	words, err := e.expand(l.words)
	if err != nil {
		return 1, err
	}
	for _, w := range words {
		if err := e.step(); err != nil {
			return 1, err
		}
		e.set(l.name, w)
		var ended bool
		if status, ended, err = e.round(l.body); ended || err != nil {
			return status, err
		}
	}
	return status, nil
}

// round runs the body of a loop once and deals with break and continue.
func (e *evaluator) round(body script) (status int, ended bool, err error) {
	status, err = e.script(body)
	var b breaking
	if !errors.As(err, &b) {
		return status, false, err
	}
	if b.n > 1 {
		return 0, true, breaking{b.n - 1, b.proceeds}
	}
	return 0, !b.proceeds, nil
}

// command expands the words and runs what the first one names.
func (e *evaluator) command(c *command) (int, error) {
	words, err := e.expand(c.words)
	if err != nil || len(words) == 0 {
		return 0, err
	}
	invert := words[0] == "!"
	if invert {
		if words = words[1:]; len(words) == 0 {
			return 1, nil
		}
	}
	status, err := e.dispatch(words[0], words[1:], c)
	if invert && err == nil {
		status = 1 - min(status, 1)
	}
	return status, err
}

func (e *evaluator) dispatch(name string, args []string, c *command) (int, error) {
	if body, ok := e.functions[name]; ok {
		return e.call(body, args)
	}
	if run, ok := commands[name]; ok {
		return run(e, args, invocation{c, name})
	}
	if key, value, ok := strings.Cut(name, "="); ok && variableName(key) == len(key) && key != "" {
		e.set(key, value)
		return 0, nil
	}
	e.note("line %d: unknown command %q passed over", c.line, name)
	return 1, nil
}

// call runs a function with its own positional parameters.
func (e *evaluator) call(body script, args []string) (int, error) {
	if e.calls++; e.calls > maxCalls {
		return 1, limit("functions call each other more than %d deep", maxCalls)
	}
	saved := e.scope.args
	e.scope.args = args
	status, err := e.script(body)
	e.scope.args = saved
	e.calls--
	var r returning
	if errors.As(err, &r) {
		return r.status, nil
	}
	return status, err
}

func (e *evaluator) set(name, value string) {
	if name == "root" { // a device with or without parentheses
		value = strings.TrimSuffix(strings.TrimPrefix(value, "("), ")")
	}
	if _, known := e.scope.vars[name]; !known && len(e.scope.vars) >= maxVars {
		e.note("more than %d variables, %s is passed over", maxVars, name)
		return
	}
	e.scope.vars[name] = value
}

// expand turns words into arguments: variables in their places, unquoted ones
// split at blanks.
func (e *evaluator) expand(words []word) ([]string, error) {
	var out []string
	for _, w := range words {
		var cur strings.Builder
		present := false // an empty quoted piece makes a word too
		for _, p := range w {
			values := []string{p.text}
			if p.variable {
				values = e.values(p)
			}
			for i, v := range values {
				if i > 0 {
					out, present = append(out, cur.String()), false
					cur.Reset()
				}
				if !p.variable || p.quoted {
					cur.WriteString(v)
					present = present || p.quoted || v != ""
				} else {
					out, present = splitInto(out, &cur, v, present)
				}
				e.memory += len(v)
				if cur.Len() > maxWord || len(out) > maxWords || e.memory > maxMemory {
					return nil, limit("words of more than %d bytes, or more than %d words, or %d bytes in all", maxWord, maxWords, maxMemory)
				}
			}
		}
		if present {
			out = append(out, cur.String())
		}
	}
	return out, nil
}

// splitInto adds an unquoted value to the word under way: its blanks end
// words.
func splitInto(out []string, cur *strings.Builder, v string, present bool) ([]string, bool) {
	for i, f := range strings.FieldsFunc(v, blank) {
		if i > 0 || (present && blank(rune(v[0]))) {
			if present {
				out = append(out, cur.String())
			}
			cur.Reset()
		}
		cur.WriteString(f)
		present = true
	}
	if v != "" && blank(rune(v[len(v)-1])) && present {
		out = append(out, cur.String())
		cur.Reset()
		present = false
	}
	return out, present
}

func blank(r rune) bool { return r == ' ' || r == '\t' || r == '\n' }

// values looks a variable up. "$@" in quotes stays several words.
func (e *evaluator) values(p piece) []string {
	args := e.scope.args
	switch name := p.text; {
	case name == "@" && p.quoted && len(args) > 0:
		return args
	case name == "@" || name == "*":
		return []string{strings.Join(args, " ")}
	case name == "#":
		return []string{strconv.Itoa(len(args))}
	case name == "?":
		return []string{strconv.Itoa(e.scope.status)}
	case name[0] >= '0' && name[0] <= '9':
		if n, err := strconv.Atoi(name); err == nil && n > 0 && n <= len(args) {
			return []string{args[n-1]}
		}
		return []string{""}
	default:
		return []string{e.scope.vars[name]}
	}
}
