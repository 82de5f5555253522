package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// suites are what the image's root is made from.
var suites = []string{suite, suite + "-updates", suite + "-security"}

// hostSources gives the machine's own apt entries for these suites, in the
// files' own two formats (sources.list(5)), one text each. None means that
// this machine is no Debian of that release; mmdebstrap then knows a mirror.
func hostSources(dir string) (entries []string, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "sources.list.d", "*"))
	if err != nil {
		return nil, err
	}
	for _, path := range append([]string{filepath.Join(dir, "sources.list")}, files...) {
		b, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		switch filepath.Ext(path) {
		case ".list":
			entries = append(entries, oneLine(string(b))...)
		case ".sources":
			entries = append(entries, stanzas(string(b))...)
		}
	}
	return entries, nil
}

// oneLine picks the lines "deb [options] URI SUITE components" of our suites.
func oneLine(text string) (entries []string) {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), "#")
		rest, ok := strings.CutPrefix(line, "deb ")
		if !ok {
			continue
		}
		if strings.HasPrefix(strings.TrimSpace(rest), "[") {
			_, rest, _ = strings.Cut(rest, "]")
		}
		fields := strings.Fields(rest)
		if len(fields) >= 3 && slices.Contains(suites, fields[1]) {
			entries = append(entries, strings.TrimSpace(line)+"\n")
		}
	}
	return entries
}

// stanzas picks the deb822 stanzas whose suites are all ours.
func stanzas(text string) (entries []string) {
	for stanza := range strings.SplitSeq(text, "\n\n") {
		ours, deb, enabled := false, false, true
		for line := range strings.Lines(stanza) {
			name, value, _ := strings.Cut(line, ":")
			words := strings.Fields(value)
			switch strings.ToLower(name) {
			case "types":
				deb = slices.Contains(words, "deb")
			case "suites":
				ours = len(words) > 0 && !slices.ContainsFunc(words, func(s string) bool { return !slices.Contains(suites, s) })
			case "enabled":
				enabled = strings.TrimSpace(value) != "no"
			}
		}
		if ours && deb && enabled {
			entries = append(entries, strings.TrimSpace(stanza)+"\n")
		}
	}
	return entries
}
