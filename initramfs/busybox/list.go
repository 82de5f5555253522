package busybox

import (
	"bufio"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/orbit-pxe/orbit/initramfs/multicall"
)

// A Command is a Go command that goes into the binary.
type Command struct {
	Package string // import path, or a directory of the module: ./cmds/orbit
	Reason  string // why a node needs it
}

// Name is what the command is called by.
func (c Command) Name() string { return path.Base(c.Package) }

// A List is a parsed list of commands: see initramfs/commands.
type List struct {
	Commands []Command
	Aliases  []multicall.Alias
}

// Names returns every name the binary answers to, in the order of the list.
func (l List) Names() []string {
	var names []string
	for _, c := range l.Commands {
		names = append(names, c.Name())
	}
	for _, a := range l.Aliases {
		names = append(names, a.Name)
	}
	return names
}

var validName = regexp.MustCompile(`^[a-z0-9][a-z0-9_.+-]*$`)

// ParseList reads a list of commands. Each line is a package or an alias,
// blanks, and the reason for it; # starts a comment. A line without a reason
// is an error: nothing goes in by habit.
func ParseList(r io.Reader) (List, error) {
	var l List
	seen := map[string]int{}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		word, reason, _ := strings.Cut(line, " ")
		if reason = strings.TrimSpace(reason); reason == "" {
			return List{}, fmt.Errorf("line %d: %s has no reason to be here (write why after the name)", n, word)
		}
		name := path.Base(word)
		if alias, target, ok := strings.Cut(word, "="); ok {
			name = alias
			words := strings.Split(target, ",")
			l.Aliases = append(l.Aliases, multicall.Alias{Name: alias, Command: words[0], Args: words[1:]})
		} else {
			l.Commands = append(l.Commands, Command{Package: word, Reason: reason})
		}
		if !validName.MatchString(name) {
			return List{}, fmt.Errorf("line %d: %q is no name for a command", n, name)
		}
		if first, ok := seen[name]; ok {
			return List{}, fmt.Errorf("line %d: %s is already on line %d", n, name, first)
		}
		seen[name] = n
	}
	if err := lines.Err(); err != nil {
		return List{}, err
	}
	for _, a := range l.Aliases {
		if !l.has(a.Command) {
			return List{}, fmt.Errorf("line %d: %s stands for %s, which is not in the list", seen[a.Name], a.Name, a.Command)
		}
	}
	if len(l.Commands) == 0 {
		return List{}, fmt.Errorf("the list names no command")
	}
	return l, nil
}

// Without returns the list without a command and its aliases.
func (l List) Without(name string) List {
	return List{
		Commands: slices.DeleteFunc(slices.Clone(l.Commands), func(c Command) bool { return c.Name() == name }),
		Aliases:  slices.DeleteFunc(slices.Clone(l.Aliases), func(a multicall.Alias) bool { return a.Command == name }),
	}
}

func (l List) has(name string) bool {
	for _, c := range l.Commands {
		if c.Name() == name {
			return true
		}
	}
	return false
}
