package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/peterh/liner"
	"mvdan.cc/sh/v3/interp"
)

// builtins that are worth completing, by more than their length.
const builtins = "alias command eval exec exit export getopts printf pushd popd read return shift source test trap type unset wait"

// completer completes the word before the cursor: the first word of a command
// to a command, others to a file.
func completer(runner *interp.Runner) liner.WordCompleter {
	return func(line string, pos int) (head string, completions []string, tail string) {
		head, tail = string([]rune(line)[:pos]), string([]rune(line)[pos:])
		start := strings.LastIndexAny(head, " \t;|&<>(`='\"") + 1
		head, word := head[:start], head[start:]
		before := strings.TrimRight(head, " \t")
		if !strings.Contains(word, "/") && (before == "" || strings.ContainsAny(before[len(before)-1:], ";|&(`")) {
			return head, commands(os.Getenv("PATH"), word), tail
		}
		return head, files(runner.Dir, word), tail
	}
}

// commands are the programs in path and builtins that begin with prefix.
func commands(path, prefix string) []string {
	found := strings.Fields(builtins)
	for _, dir := range filepath.SplitList(path) {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			found = append(found, e.Name())
		}
	}
	found = slices.DeleteFunc(found, func(name string) bool { return !strings.HasPrefix(name, prefix) })
	slices.Sort(found)
	found = slices.Compact(found)
	for i := range found {
		found[i] += " "
	}
	return found
}

// files are the names that word, relative to dir, begins; directories end
// with a slash so that completion can go on.
func files(dir, word string) []string {
	parent, prefix := filepath.Split(word)
	at := parent
	if !filepath.IsAbs(at) {
		at = filepath.Join(dir, at)
	}
	entries, _ := os.ReadDir(at)
	var found []string
	for _, e := range entries {
		name := e.Name()
		if !strings.HasPrefix(name, prefix) || prefix == "" && strings.HasPrefix(name, ".") {
			continue
		}
		end := " "
		if info, err := os.Stat(filepath.Join(at, name)); err == nil && info.IsDir() {
			end = "/"
		}
		found = append(found, parent+name+end)
	}
	return found
}
