// Package node keeps the head's record of every node: who it is, the job it
// has, how far that is, and what the agent reported. Records live as one JSON
// file per node and survive a restart of the head.
package node

import (
	"encoding/json"
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
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/head/internal/durable"
)

// Registry is the table of nodes. Its methods may be called from anywhere.
type Registry struct {
	dir   string
	log   *slog.Logger
	gate  Gate          // nil: every job is handed out
	wake  chan struct{} // tells Run that some record is dirty
	most  int           // nodes
	mu    sync.Mutex
	nodes map[string]*record
}

// record is what is kept of one node.
type record struct {
	api.Node
	Starts int       `json:"starts,omitempty"` // how often the job was handed out
	Up     time.Time `json:"up,omitzero"`      // last hello

	dirty   bool          // events not on disk yet
	waiting chan struct{} // closed when a job is assigned, or the gate to be asked again
}

// ErrUnknown says that the head has never heard of a node.
var ErrUnknown = errors.New("no such node (orbitd nodes lists those that reported)")

// ErrFull says that there are as many nodes as a head keeps records of.
var ErrFull = fmt.Errorf("the head has records of %d nodes already (move those of nodes that are gone out of its state/nodes, and start it again)", maxNodes)

// maxNodes bounds how many names somebody on the network can make up.
const maxNodes = 10_000

// ErrStale says that a report is about another job than the node has now.
var ErrStale = errors.New("the node has another job by now")

// ParseID reads a MAC address in any usual spelling into a node's ID.
func ParseID(text string) (string, error) {
	mac, err := net.ParseMAC(text)
	if err == nil && len(mac) == 6 {
		return mac.String(), nil
	}
	if len(text) == 12 { // 525400123456
		var parts []string
		for i := 0; i < 12; i += 2 {
			parts = append(parts, text[i:i+2])
		}
		if mac, err := net.ParseMAC(strings.Join(parts, ":")); err == nil {
			return mac.String(), nil
		}
	}
	return "", fmt.Errorf("node %q is not an Ethernet address such as 52:54:00:12:34:56", text)
}

// Open reads the records kept in dir.
func Open(dir string, log *slog.Logger) (*Registry, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("open node records: %w", err)
	}
	r := &Registry{dir: dir, log: log, wake: make(chan struct{}, 1), most: maxNodes, nodes: map[string]*record{}}
	paths, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		n := newRecord("")
		if err == nil {
			err = json.Unmarshal(data, n)
		}
		if err == nil && r.path(n.ID) != path {
			err = fmt.Errorf("it is the record of %q", n.ID)
		}
		if err != nil {
			return nil, fmt.Errorf("read node record %s: %w (move it away to forget the node)", path, err)
		}
		r.nodes[n.ID] = n
	}
	return r, nil
}

func newRecord(id string) *record {
	return &record{Node: api.Node{ID: id}, waiting: make(chan struct{})}
}

// List returns a copy of every record, by ID.
func (r *Registry) List() []api.Node {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := []api.Node{}
	for _, id := range slices.Sorted(maps.Keys(r.nodes)) {
		list = append(list, r.nodes[id].copy())
	}
	return list
}

// Get returns a copy of one record.
func (r *Registry) Get(id string) (api.Node, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := r.find(id); n != nil {
		return n.copy(), nil
	}
	return api.Node{}, fmt.Errorf("node %s: %w", id, ErrUnknown)
}

// find looks a node up by its ID or by any other of its interfaces. An adapter
// that was carried from one to another is where it was last.
func (r *Registry) find(id string) *record {
	if n := r.nodes[id]; n != nil {
		return n
	}
	var last *record
	for _, n := range r.nodes {
		if n.Hello != nil && slices.Contains(n.Hello.MACs, id) && (last == nil || n.Up.After(last.Up)) {
			last = n
		}
	}
	return last
}

// At is the ID of the node that has an address, "" where none said that it has.
func (r *Registry) At(address string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var last *record
	for _, n := range r.nodes {
		if n.Hello != nil && n.Hello.Address == address && (last == nil || n.Seen.After(last.Seen)) {
			last = n
		}
	}
	if last == nil {
		return ""
	}
	return last.ID
}

// need is find that makes a record where there is none, nil if there are enough.
func (r *Registry) need(id string) *record {
	n := r.find(id)
	if n == nil && len(r.nodes) < r.most {
		n = newRecord(id)
		r.nodes[id] = n
	}
	return n
}

// copy shares nothing that changes later: values behind pointers are replaced,
// never modified.
func (n *record) copy() api.Node {
	c := n.Node
	c.Events = slices.Clone(c.Events)
	return c
}

func (r *Registry) path(id string) string { return filepath.Join(r.dir, id+".json") }

// save writes a record now. The caller holds the lock.
func (r *Registry) save(n *record) error {
	data, err := json.MarshalIndent(n, "", " ")
	if err != nil {
		return err
	}
	if err := durable.WriteFile(r.path(n.ID), append(data, '\n'), 0o644); err != nil {
		return err
	}
	n.dirty = false
	return nil
}

// keep is save where the node's own business must go on even if the disk of
// the head is full.
func (r *Registry) keep(n *record, now time.Time) {
	n.Seen = now.UTC()
	if err := r.save(n); err != nil {
		n.dirty = true
		r.log.Error("node record not saved", "node", n.ID, "error", err)
	}
}
