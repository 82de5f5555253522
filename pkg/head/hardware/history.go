package hardware

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"time"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/hardware/diff"
)

// ErrNoVersion says that a history does not have what was asked for.
var ErrNoVersion = errors.New("no such version of the inventory (its history lists those there are)")

// Latest is a node's last inventory. Its document must not be modified.
func (s *Store) Latest(id string) (Version, map[string]any, error) {
	v, err := s.last(id)
	if err != nil {
		return Version{}, nil, err
	}
	return *v.latest, v.latest.tree, nil
}

// Typed is Latest in the types of package hardware.
func (s *Store) Typed(id string) (Version, hardware.Document, error) {
	v, err := s.last(id)
	if err != nil {
		return Version{}, hardware.Document{}, err
	}
	v.once.Do(func() { v.typed = Typed(v.latest.tree) })
	return *v.latest, v.typed, nil
}

// last is a view that has a last inventory.
func (s *Store) last(id string) (*view, error) {
	v := s.view(id)
	switch {
	case v == nil || v.latest == nil && v.broken == nil:
		return nil, ErrNone
	case v.latest == nil:
		return nil, v.broken
	}
	return v, nil
}

// At is the inventory that a word means: "" or "latest", "accepted", the number
// of a version, or the one that held at a time (RFC 3339). Its document must not
// be modified.
func (s *Store) At(id, word string) (Version, map[string]any, error) {
	view := s.view(id)
	switch {
	case view == nil || len(view.files) == 0:
		return Version{}, nil, ErrNone
	case word == "" || word == "latest":
		return s.Latest(id)
	case word == "accepted" && view.accepted == nil:
		return Version{}, nil, fmt.Errorf("%w: none was accepted", ErrNoVersion)
	case word == "accepted":
		return *view.accepted, view.accepted.tree, nil
	}
	if n, err := strconv.Atoi(word); err == nil {
		if !slices.ContainsFunc(view.files, func(f file) bool { return f.number == n }) {
			return Version{}, nil, fmt.Errorf("%w: %d", ErrNoVersion, n)
		}
		v, err := s.load(id, n)
		return v, v.tree, err
	}
	when, err := time.Parse(time.RFC3339, word)
	if err != nil {
		return Version{}, nil, fmt.Errorf("%w: %q (want a number, a time such as 2026-01-31T12:00:00Z, accepted or latest)", ErrNoVersion, word)
	}
	for _, f := range slices.Backward(view.files) {
		if v, err := s.load(id, f.number); err == nil && !v.First.After(when) {
			return v, v.tree, nil
		}
	}
	return Version{}, nil, fmt.Errorf("%w: nothing is known of that time", ErrNoVersion)
}

func (s *Store) load(id string, number int) (Version, error) {
	r, err := s.node(id, false)
	if err != nil || r == nil {
		return Version{}, errors.Join(ErrNone, err)
	}
	v, err := load(r.dir, number)
	if errors.Is(err, fs.ErrNotExist) { // forgotten a moment ago
		err = fmt.Errorf("%w: %d", ErrNoVersion, number)
	}
	return v, err
}

// History lists versions without their documents, up to so many (0: all), the
// newest first. Those that cannot be read are left out; the error tells of them.
func (s *Store) History(id string, most int) (list []Version, err error) {
	view := s.view(id)
	if view == nil || len(view.files) == 0 {
		return nil, ErrNone
	}
	var errs []error
	for _, f := range slices.Backward(view.files) {
		if most > 0 && len(list) == most {
			break
		}
		v, err := s.load(id, f.number)
		if errors.Is(err, ErrNoVersion) {
			continue
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		v.Document, v.tree = nil, nil
		list = append(list, v)
	}
	return list, errors.Join(errs...)
}

// Diff compares two inventories of a node, named as At does. Without from it is
// the one before to.
func (s *Store) Diff(id, from, to string) (old, new Version, r diff.Result, err error) {
	new, _, err = s.At(id, to)
	if err != nil {
		return old, new, r, err
	}
	if from == "" {
		before := new.Number // of the first one there is none before
		for _, f := range s.view(id).files {
			if f.number < new.Number {
				before = f.number
			}
		}
		from = strconv.Itoa(before)
	}
	old, _, err = s.At(id, from)
	if err != nil {
		return old, new, r, err
	}
	r = s.Policy.changes(old.tree, new.tree)
	old.Document, new.Document = nil, nil
	return old, new, r, nil
}
