package hardware

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/orbit-pxe/orbit/pkg/hardware/diff"
	"github.com/orbit-pxe/orbit/pkg/head/internal/durable"
)

// Arrival is what became of an inventory.
type Arrival struct {
	Number  int         // of the version that has it
	New     bool        // there was none like it
	Changes diff.Result // since the one before
}

// Put takes an inventory that a node sends. It is on disk when Put returns. One
// that is only of some sections replaces these in that of the same boot. Errors
// are of the type *DocumentError, or ErrOtherBoot, where the sender is to blame.
func (s *Store) Put(id string, text []byte, now time.Time) (Arrival, error) {
	document, err := read(text)
	if err != nil {
		return Arrival{}, &DocumentError{err}
	}
	part := document["only"] != nil
	r, err := s.node(id, !part)
	switch {
	case err != nil:
		return Arrival{}, err
	case r == nil:
		return Arrival{}, ErrOtherBoot
	}
	r.write.Lock()
	defer r.write.Unlock()
	old := r.now.Load()
	next := Version{Seen: now.UTC(), Document: slices.Clone(text), tree: document}
	switch {
	case part && old.latest == nil:
		return Arrival{}, ErrOtherBoot
	case part:
		next.Document = nil
		next.tree, err = merge(old.latest.tree, document)
	case old.latest != nil:
		if kept, some := keep(old.latest.tree, document); some {
			next.Document, next.tree = nil, kept
		}
	}
	if err != nil {
		return Arrival{}, err
	}
	next.Boot = bootOf(next.tree)
	arrival, err := s.add(r, old, next, part)
	if err != nil {
		return arrival, fmt.Errorf("keep inventory of %s: %w", id, err)
	}
	s.tell(id, r.now.Load(), arrival)
	return arrival, nil
}

func bootOf(document map[string]any) string { return text(document, "readings.boot") }

// add puts a document into the history: in place of the last one if that is the
// same, or if what came later in the same boot completes it.
func (s *Store) add(r *record, old *view, next Version, part bool) (Arrival, error) {
	arrival := Arrival{New: true}
	before := old.latest
	if before != nil {
		arrival.Changes = s.Policy.changes(old.reference, next.tree)
		if same := isKnown(arrival.Changes, before.tree); same || part && s.completes(before, next) {
			arrival.New = !same
			next.Number, next.First, next.Born, next.Accepted = before.Number, before.First, before.Born, before.Accepted
			next.Changes, next.Unknown, next.More = before.Changes, before.Unknown, before.More
			if !same {
				next.since(s.sinceLast(r.dir, old.files, next.tree))
			}
		}
	}
	if next.Number == 0 {
		next.Number, next.First, next.Born = 1, next.Seen, next.Boot
		if len(old.files) > 0 {
			next.Number = old.files[len(old.files)-1].number + 1
		}
		if !s.Policy.Hold || len(old.files) == 0 { // nobody knows better how it was to be
			next.Accepted = next.Seen
		}
		next.since(arrival.Changes)
	}
	arrival.Number = next.Number
	return arrival, s.write(r, old, next)
}

// isKnown tells whether there is nothing new: no change, and what could not be
// learned was not last time either.
func isKnown(r diff.Result, before map[string]any) bool {
	return len(r.Changes) == 0 && !slices.ContainsFunc(r.Unknown, func(u diff.Unknown) bool {
		return !slices.ContainsFunc(objects(before["errors"]), func(p map[string]any) bool { return text(p, "id") == u.Section })
	})
}

// completes tells whether what came later in the boot in which a version was
// first seen belongs to that version: it is not another machine because a switch
// was heard of after half a minute. What a node would be held for never is
// slipped into what was accepted.
func (s *Store) completes(before *Version, next Version) bool {
	return before.Born != "" && before.Born == next.Boot &&
		(!s.Policy.Hold || before.Accepted.IsZero() || s.Policy.serious(before.tree, next.tree).Same())
}

// sinceLast compares with the version before the last one.
func (s *Store) sinceLast(dir string, files []file, document map[string]any) diff.Result {
	if len(files) < 2 {
		return diff.Result{}
	}
	before, err := load(dir, files[len(files)-2].number)
	if err != nil {
		return diff.Result{}
	}
	return s.Policy.changes(s.referenceOf(dir, files[:len(files)-1], before.tree), document)
}

// write makes a version the last one.
func (s *Store) write(r *record, old *view, v Version) error {
	data, err := v.encode()
	if err != nil {
		return err
	}
	size := int64(len(data))
	if more := max(leastSize, size) - old.share(); more > 0 && s.total.Load()+more > s.Total {
		return ErrFull
	}
	if len(old.files) == 0 {
		if err := os.Mkdir(r.dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := durable.SyncDir(s.dir); err != nil {
			return err
		}
	}
	if err := durable.WriteFile(filepath.Join(r.dir, fileName(v.Number)), data, 0o644); err != nil {
		return err
	}
	v.Document = nil // the tree is enough
	now := &view{files: slices.Clone(old.files), latest: &v, accepted: old.accepted}
	if n := len(now.files); n > 0 && now.files[n-1].number == v.Number {
		now.files[n-1].size = size
	} else {
		now.files = append(now.files, file{v.Number, size})
	}
	if !v.Accepted.IsZero() {
		now.accepted = &v
	}
	now.reference = v.tree
	if old.reference != nil {
		now.reference = without(v.tree, old.reference)
	}
	s.judge(now)
	if err := s.prune(r.dir, now); err != nil {
		s.Log.Warn("old inventory not deleted", "error", err)
	}
	r.now.Store(now)
	s.total.Add(now.share() - old.share())
	return nil
}

// prune forgets the oldest versions.
func (s *Store) prune(dir string, v *view) error {
	var bytes int64
	for _, f := range v.files {
		bytes += f.size
	}
	for i := 0; i < len(v.files)-1 && (len(v.files) > s.Versions || bytes > s.Bytes); {
		f := v.files[i]
		if v.accepted != nil && v.accepted.Number == f.number {
			i++
			continue
		}
		if err := os.Remove(filepath.Join(dir, fileName(f.number))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		bytes -= f.size
		v.files = slices.Delete(v.files, i, i+1)
	}
	return nil
}

// ErrNewer says that what was looked at is not what would be accepted.
var ErrNewer = errors.New("another inventory has come meanwhile: look at that first")

// Accept makes the last inventory of a node the one that it is to be like, if it
// has the number (0: whatever it has).
func (s *Store) Accept(id string, number int, now time.Time) (Version, error) {
	r, err := s.node(id, false)
	if err != nil {
		return Version{}, err
	}
	if r == nil {
		return Version{}, ErrNone
	}
	r.write.Lock()
	defer r.write.Unlock()
	old := r.now.Load()
	if old.latest == nil {
		return Version{}, errors.Join(ErrNone, old.broken)
	}
	v := *old.latest
	if number != 0 && number != v.Number {
		return Version{}, ErrNewer
	}
	if v.Accepted.IsZero() {
		v.Accepted = now.UTC()
	}
	if err := s.write(r, old, v); err != nil {
		return Version{}, fmt.Errorf("accept inventory of %s: %w", id, err)
	}
	s.Log.Info("inventory accepted", "node", id, "version", v.Number)
	return v, nil
}

// tell logs what an inventory brought.
func (s *Store) tell(id string, v *view, a Arrival) {
	switch {
	case !a.New:
		s.Log.Debug("inventory as before", "node", id, "version", a.Number)
	case len(a.Changes.Changes)+len(a.Changes.Unknown) == 0:
		s.Log.Info("first inventory", "node", id, "product", text(v.latest.tree, "system.product"))
	default:
		s.Log.Warn("hardware changed", "node", id, "version", a.Number, "changes", strings.Join(Sentences(a.Changes, 10), "; "), "held", v.differs != "")
	}
}

// Sentences are differences in words, up to so many and then how many more.
func Sentences(r diff.Result, most int) (list []string) {
	for _, u := range r.Unknown {
		list = append(list, sentence(u.String()))
	}
	for _, c := range r.Changes {
		list = append(list, sentence(c.String()))
	}
	if more := len(list) - most; more > 0 {
		list = append(list[:most:most], fmt.Sprintf("and %d more", more))
	}
	return list
}

// sentence keeps a node from filling a log, or giving orders to a terminal.
func sentence(s string) string {
	const most = 300
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}
