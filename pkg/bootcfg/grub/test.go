package grub

import (
	"strconv"
	"strings"
)

// test is the command "test", also written "[": strings, numbers and files,
// with !, -a, -o and parentheses (GRUB manual, "test").
func test(e *evaluator, args []string, c invocation) (int, error) {
	if c.name == "[" {
		if len(args) == 0 || args[len(args)-1] != "]" {
			e.note("line %d: [ without ]", c.line)
			return 1, nil
		}
		args = args[:len(args)-1]
	}
	t := &tester{e: e, args: args}
	ok := t.or(0)
	if len(t.args) > 0 {
		e.note("line %d: test: %q makes no sense", c.line, strings.Join(t.args, " "))
		ok = false
	}
	if ok {
		return 0, nil
	}
	return 1, nil
}

// tester eats arguments from the front.
type tester struct {
	e    *evaluator
	args []string
}

func (t *tester) take(word string) bool {
	if len(t.args) > 0 && t.args[0] == word {
		t.args = t.args[1:]
		return true
	}
	return false
}

func (t *tester) or(depth int) bool {
	ok := t.and(depth)
	for t.take("-o") {
		right := t.and(depth)
		ok = ok || right
	}
	return ok
}

func (t *tester) and(depth int) bool {
	ok := t.one(depth)
	// What follows without a word between is taken as "and", as in GRUB.
	for t.take("-a") || len(t.args) > 0 && t.args[0] != "-o" && t.args[0] != ")" {
		before := len(t.args)
		right := t.one(depth)
		ok = ok && right
		if len(t.args) == before {
			break
		}
	}
	return ok
}

func (t *tester) one(depth int) bool {
	a := t.args
	switch {
	case len(a) == 0 || depth > maxNesting:
		return false
	case len(a) >= 3 && isBinary(a[1]):
		t.args = a[3:]
		return t.compare(a[0], a[1], a[2])
	case a[0] == "!":
		t.args = a[1:]
		return !t.one(depth + 1)
	case a[0] == "(":
		t.args = a[1:]
		ok := t.or(depth + 1)
		return t.take(")") && ok
	case len(a) >= 2 && len(a[0]) == 2 && strings.Contains("-d-e-f-s-n-z", a[0]):
		t.args = a[2:]
		return t.unary(a[0], a[1])
	}
	t.args = a[1:]
	return a[0] != ""
}

func isBinary(op string) bool {
	switch op {
	case "=", "==", "!=", "<", "<=", ">", ">=", "-eq", "-ge", "-gt", "-le", "-lt", "-ne", "-pgt", "-plt", "-nt", "-ot", "-ef":
		return true
	}
	return false
}

func (t *tester) compare(a, op, b string) bool {
	switch op {
	case "=", "==":
		return a == b
	case "!=":
		return a != b
	case "<":
		return a < b
	case "<=":
		return a <= b
	case ">":
		return a > b
	case ">=":
		return a >= b
	case "-pgt":
		return number(a) > number(b)
	case "-plt":
		return number(a) < number(b)
	}
	x, y := number(a), number(b)
	switch op {
	case "-eq":
		return x == y
	case "-ge":
		return x >= y
	case "-gt":
		return x > y
	case "-le":
		return x <= y
	case "-lt":
		return x < y
	case "-ne":
		return x != y
	}
	return false // ages of files are not compared
}

// number reads as strtol does: what is no number is 0.
func number(s string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 0, 64)
	if err != nil {
		return 0
	}
	return n
}

func (t *tester) unary(op, a string) bool {
	switch op {
	case "-n":
		return a != ""
	case "-z":
		return a == ""
	}
	st, err := t.e.stat(a)
	if err != nil {
		return false
	}
	switch op {
	case "-d":
		return st.IsDir()
	case "-f":
		return !st.IsDir()
	case "-s":
		return st.Size() > 0
	}
	return true
}
