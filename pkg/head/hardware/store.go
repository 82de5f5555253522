// Package hardware keeps at the head what nodes say they are made of: a history
// of inventories for each, on disk, and what has changed. It knows by which
// inventory a machine was accepted, and with a policy to hold keeps those that
// are not like that any more from getting a job (docs/head.md).
//
//	DIR/52:54:00:12:34:56/000001.json	a Version, the document as the node sent it
//
// There is a file for each change. An inventory that equals the last one but for
// readings, and what a policy ignores, takes its place.
package hardware

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/orbit-pxe/orbit/pkg/hardware"
)

// Bounds of a node's history, unless Options say otherwise.
const (
	DefaultVersions = 100
	DefaultBytes    = 8 << 20
)

// DefaultTotal bounds the last inventories of all nodes together, which a head
// has in memory: those of thousands of servers. Each counts as leastSize at
// least.
const (
	DefaultTotal = 512 << 20
	leastSize    = 64 << 10
)

// Options of a store.
type Options struct {
	Versions int   // kept of a node, 0 = DefaultVersions
	Bytes    int64 // of all versions of a node, 0 = DefaultBytes; the last and the accepted one are always kept
	Total    int64 // of the last versions of all nodes, 0 = DefaultTotal
	Policy   Policy
	Log      *slog.Logger
}

// Store has the inventories of all nodes. Its methods may be called from
// anywhere.
type Store struct {
	dir string
	Options

	mu    sync.Mutex
	nodes map[string]*record
	total atomic.Int64 // see Options
}

// record is one node.
type record struct {
	dir   string
	write sync.Mutex           // held while something is added
	now   atomic.Pointer[view] // what it is, for those who read
}

// view is a node's history at one time. It is not modified.
type view struct {
	files     []file // by number
	latest    *Version
	reference map[string]any // what the next document is compared with
	broken    error          // why there is no latest though there are files
	accepted  *Version       // nil: none
	differs   string         // why jobs are held back, as far as the hardware is the reason

	once  sync.Once
	typed hardware.Document // of latest
}

type file struct {
	number int
	size   int64
}

// share is what a node has of Options.Total.
func (v *view) share() int64 {
	if len(v.files) == 0 {
		return 0
	}
	return max(leastSize, v.files[len(v.files)-1].size)
}

// ErrFull says that nodes, or somebody who pretends to be many, have sent more
// than a head is to remember.
var ErrFull = errors.New("there are too many inventories at this head (delete those of nodes that are gone from its state/inventory, and start it again)")

// ErrNone says that nothing came of a node yet.
var ErrNone = errors.New("no inventory of this node has come yet (nodes send one each time they boot Orbit)")

// Open reads the last inventory of each node in dir. Those that cannot be read
// are told of in the log, and by Latest.
func Open(dir string, o Options) (*Store, error) {
	if o.Versions <= 0 {
		o.Versions = DefaultVersions
	}
	if o.Bytes <= 0 {
		o.Bytes = DefaultBytes
	}
	if o.Total <= 0 {
		o.Total = DefaultTotal
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("open inventories: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open inventories: %w", err)
	}
	s := &Store{dir: dir, Options: o, nodes: map[string]*record{}}
	for _, e := range entries {
		if !e.IsDir() || !isID(e.Name()) {
			continue
		}
		r := &record{dir: filepath.Join(dir, e.Name())}
		v, err := s.look(r.dir)
		if err != nil {
			return nil, fmt.Errorf("open inventories: %w", err)
		}
		if v.broken != nil {
			o.Log.Error("inventory cannot be read", "node", e.Name(), "error", v.broken)
		}
		r.now.Store(v)
		s.nodes[e.Name()] = r
		s.total.Add(v.share())
	}
	return s, nil
}

// isID tells whether a name is a node's ID, and so one that a directory may have.
func isID(name string) bool {
	mac, err := net.ParseMAC(name)
	return err == nil && len(mac) == 6 && mac.String() == name
}

// look reads a directory.
func (s *Store) look(dir string) (*view, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	v := &view{}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".tmp-") { // of a write that a power cut ended
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return nil, err
			}
			continue
		}
		if n, ok := numberOf(e.Name()); ok {
			st, err := e.Info()
			if err != nil {
				return nil, err
			}
			v.files = append(v.files, file{n, st.Size()})
		}
	}
	slices.SortFunc(v.files, func(a, b file) int { return a.number - b.number })
	if len(v.files) == 0 {
		return v, nil
	}
	latest, err := load(dir, v.files[len(v.files)-1].number)
	if err != nil {
		v.broken = err
	} else {
		latest.Document = nil // the tree is enough
		v.latest, v.reference = &latest, s.referenceOf(dir, v.files, latest.tree)
	}
	v.accepted = acceptedOf(dir, v)
	s.judge(v)
	return v, nil
}

// acceptedOf finds the newest version that was accepted.
func acceptedOf(dir string, v *view) *Version {
	if v.latest != nil && !v.latest.Accepted.IsZero() {
		return v.latest
	}
	for _, f := range slices.Backward(v.files) {
		if one, err := load(dir, f.number); err == nil && !one.Accepted.IsZero() {
			return &one
		}
	}
	return nil
}

// referenceOf puts what the latest document could not learn as it was known
// before.
func (s *Store) referenceOf(dir string, files []file, latest map[string]any) map[string]any {
	reference := latest
	for i := len(files) - 2; i >= 0 && len(objects(reference["errors"])) > 0; i-- {
		before, err := load(dir, files[i].number)
		if err != nil {
			continue
		}
		reference = without(reference, before.tree)
	}
	return reference
}

// node finds a record, or makes one.
func (s *Store) node(id string, make bool) (*record, error) {
	if !isID(id) {
		return nil, fmt.Errorf("node %q: not a MAC address", id)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.nodes[id]
	if r == nil && make {
		if s.total.Load()+leastSize > s.Total {
			return nil, ErrFull
		}
		r = &record{dir: filepath.Join(s.dir, id)}
		r.now.Store(&view{})
		s.nodes[id] = r
	}
	return r, nil
}

// Nodes are the IDs of those that an inventory came of, in order.
func (s *Store) Nodes() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(s.nodes)) {
		if len(s.nodes[id].now.Load().files) > 0 {
			ids = append(ids, id)
		}
	}
	return ids
}
