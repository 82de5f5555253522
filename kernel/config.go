package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// fragment is one file of options, merged in order of name.
type fragment struct {
	Name string
	Text []byte
}

func readFragments(dir fs.FS) ([]fragment, error) {
	names, err := fs.Glob(dir, "fragments/*.config")
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var parts []fragment
	for _, name := range names {
		text, err := fs.ReadFile(dir, name)
		if err != nil {
			return nil, err
		}
		parts = append(parts, fragment{name, text})
	}
	if len(parts) == 0 {
		return nil, errors.New("no configuration fragments")
	}
	return parts, nil
}

// recipe changes whenever the way of building does, so that the cache does.
const recipe = "2"

// cacheKey names what is built: the same key, the same kernel.
func cacheKey(version string, parts []fragment) string {
	h := sha256.New()
	fmt.Fprintf(h, "recipe %s\nsource %s\n", recipe, version)
	for _, p := range parts {
		for option := range options(p.Text) {
			fmt.Fprintln(h, option)
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:32]
}

// options yields the lines that set something: CONFIG_X=... and
// "# CONFIG_X is not set". Other comments are for people.
func options(text []byte) func(func(string) bool) {
	return func(yield func(string) bool) {
		lines := bufio.NewScanner(bytes.NewReader(text))
		for lines.Scan() {
			line := strings.TrimSpace(lines.Text())
			set := strings.HasPrefix(line, "CONFIG_")
			unset := strings.HasPrefix(line, "# CONFIG_") && strings.HasSuffix(line, " is not set")
			if (set || unset) && !yield(line) {
				return
			}
		}
	}
}

// survived checks that every option of every fragment is in the final
// configuration. A renamed option, or one whose dependency went away, is
// dropped by Kconfig without a word: here it fails the build.
func survived(config []byte, parts []fragment) error {
	have := map[string]string{}
	for line := range options(config) {
		have[symbol(line)] = line
	}
	var errs []error
	for _, p := range parts {
		for want := range options(p.Text) {
			got, ok := have[symbol(want)]
			if !ok {
				got = "# " + symbol(want) + " is not set" // as good as absent
			}
			if got != want {
				errs = append(errs, fmt.Errorf("%s: %s became %q (renamed, or a dependency is missing?)", p.Name, want, got))
			}
		}
	}
	return errors.Join(errs...)
}

// symbol is the CONFIG_X of an option line.
func symbol(line string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(line, "# "), "=")
	name, _, _ = strings.Cut(name, " ")
	return name
}
