package images

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/orbit-pxe/orbit/pkg/head/internal/durable"
)

// record is what is kept on disk of an upload beside its bytes.
type record struct {
	Name   string `json:"name"`
	Length int64  `json:"length"`           // announced, in bytes, or -1
	SHA256 string `json:"sha256,omitempty"` // announced
	// Of what was written, this much survives a crash of the machine. What was
	// written under the same boot survives a crash of the head alone.
	Synced   int64  `json:"synced"`
	Boot     string `json:"boot"`
	Complete bool   `json:"complete,omitempty"` // published: only the record is left
}

const (
	jsonSuffix = ".json"
	whole      = ".whole" // what Options.Assemble makes
)

func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// bootID tells one run of the kernel from another, "" where it cannot.
func bootID() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id") // "" is never taken for the same
	return strings.TrimSpace(string(id))
}

// save writes the record. The lock must be held, or nobody else know of u.
func (u *Upload) save() error {
	data, err := json.Marshal(&u.record)
	if err != nil {
		return err
	}
	return durable.WriteFile(u.path+jsonSuffix, data, 0o600)
}

// load takes up the uploads that were interrupted and removes what cannot be
// resumed.
func (s *Store) load() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		id, isPartial := strings.CutPrefix(e.Name(), partial)
		id, isRecord := strings.CutSuffix(id, jsonSuffix)
		if isPartial && isRecord {
			if u := s.read(id); u != nil {
				s.enter(u)
				if u.record.Complete {
					delete(s.names, u.record.Name)
				}
			}
		}
	}
	for _, e := range entries {
		id, isPartial := strings.CutPrefix(e.Name(), partial)
		u := s.uploads[strings.TrimSuffix(id, jsonSuffix)]
		if isPartial && u == nil || strings.HasPrefix(e.Name(), ".tmp-") {
			errs = append(errs, os.Remove(filepath.Join(s.dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}

// read makes an upload of its record, nil where that cannot be.
func (s *Store) read(id string) *Upload {
	u := &Upload{store: s, id: id, path: filepath.Join(s.dir, partial+id), held: make(chan struct{}, 1),
		stop: func() {}, since: time.Now()} // its sender needs time to notice that the head is back
	data, err := os.ReadFile(u.path + jsonSuffix)
	if err != nil || len(id) != 32 || json.Unmarshal(data, &u.record) != nil || CheckName(u.record.Name) != nil {
		return nil
	}
	last := u.path
	if u.record.Complete {
		last += jsonSuffix
	}
	st, err := os.Stat(last)
	if err != nil || !st.Mode().IsRegular() || time.Since(st.ModTime()) > s.o.Keep {
		return nil
	}
	if u.record.Complete {
		u.size = u.record.Length
		return u
	}
	u.size = st.Size()
	if boot := bootID(); boot == "" || boot != u.record.Boot {
		u.size = min(u.size, u.record.Synced)
		u.record.Boot = boot
		if os.Truncate(u.path, u.size) != nil || u.save() != nil {
			return nil
		}
	}
	if s.names[u.record.Name] != nil {
		return nil
	}
	return u
}

// Expire forgets the uploads that were interrupted too long ago. Every new upload
// calls it.
func (s *Store) Expire() {
	var old []*Upload
	s.mu.Lock()
	for _, u := range s.uploads {
		if u.since.IsZero() || time.Since(u.since) < s.o.Keep {
			continue
		}
		select {
		case u.held <- struct{}{}:
			old = append(old, u)
		default:
		}
	}
	s.mu.Unlock()
	for _, u := range old {
		u.Abort() // what stays on disk goes with the next start
	}
}
