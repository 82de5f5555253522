package bls

import (
	"fmt"
	"path"
	"strconv"
	"strings"
)

// Entry is one file of loader/entries, before any path or variable in it is
// resolved.
type Entry struct {
	File         string // name of the file, with .conf and boot counters
	ID           string // name without .conf and boot counters
	Title        string
	Version      string
	MachineID    string
	SortKey      string
	Architecture string
	Linux        string
	Initrds      []string
	Options      string // of all options lines, joined by a blank
	EFI          string // an EFI program instead of linux
	UKI          string // a unified kernel image instead of linux
	Counted      bool   // the file name carries boot counters
	Left         int    // tries left, of a counted entry
}

// Bad tells that all tries of a counted entry are used up.
func (e Entry) Bad() bool { return e.Counted && e.Left == 0 }

// Decode reads one entry file. Keys that mean nothing here are passed over, as
// the specification asks. It fails only on what no loader could take.
func Decode(file string, data []byte) (Entry, error) {
	e := Entry{File: file}
	e.ID, e.Counted, e.Left = splitName(file)
	var options []string
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, value := line, ""
		if i := strings.IndexAny(line, " \t"); i >= 0 {
			key, value = line[:i], strings.TrimSpace(line[i:])
		}
		switch key {
		case "title":
			e.Title = value
		case "version":
			e.Version = value
		case "machine-id":
			e.MachineID = value
		case "sort-key":
			e.SortKey = value
		case "architecture":
			e.Architecture = strings.ToLower(value)
		case "linux":
			e.Linux = value
		case "initrd":
			// Fedora writes several to a line, the specification one.
			e.Initrds = append(e.Initrds, strings.Fields(value)...)
		case "options":
			options = append(options, value)
		case "efi":
			e.EFI = value
		case "uki", "uki-url":
			e.UKI = value
		}
	}
	e.Options = strings.Join(options, " ")
	if e.Linux == "" && e.EFI == "" && e.UKI == "" {
		return e, fmt.Errorf("read boot entry %s: neither linux, efi nor uki in it", file)
	}
	return e, nil
}

// splitName takes "debian-6.1+3-1.conf" apart: the name without boot counters,
// whether it is counted, and the tries left.
func splitName(file string) (id string, counted bool, left int) {
	id = strings.TrimSuffix(path.Base(file), ".conf")
	i := strings.LastIndexByte(id, '+')
	if i < 0 {
		return id, false, 0
	}
	first, second, two := strings.Cut(id[i+1:], "-")
	left, err := strconv.Atoi(first)
	if err != nil || left < 0 {
		return id, false, 0
	}
	if done, err := strconv.Atoi(second); two && (err != nil || done < 0) {
		return id, false, 0
	}
	return id[:i], true, left
}

// title is what a menu shows.
func (e Entry) title() string {
	if e.Title != "" {
		return e.Title
	}
	return e.ID
}
