package web

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/hardware/query"
	"github.com/orbit-pxe/orbit/pkg/head/node"
)

// facts is what the head knows of a node besides its inventory. In queries it
// is called node.
type facts struct {
	ID       string     `json:"id"`
	Name     string     `json:"name,omitempty"` // by its reservation
	Address  string     `json:"address,omitempty"`
	UUID     string     `json:"uuid,omitempty"`
	Serial   string     `json:"serial,omitempty"`
	Product  string     `json:"product,omitempty"`
	Firmware string     `json:"firmware,omitempty"`
	CPUs     int        `json:"cpus,omitempty"`
	Memory   int64      `json:"memory,omitempty"`
	MACs     []string   `json:"macs,omitempty"`
	Disks    []api.Disk `json:"disks,omitempty"`
	Version  string     `json:"version,omitempty"`
	Boot     string     `json:"boot,omitempty"`
	Seen     time.Time  `json:"seen,omitzero"`
	Held     string     `json:"held,omitempty"`
	Job      *jobFacts  `json:"job,omitempty"`
}

type jobFacts struct {
	ID    string       `json:"id"`
	Kind  api.Kind     `json:"kind"`
	State api.JobState `json:"state"`
	Image string       `json:"image,omitempty"`
	Disk  string       `json:"disk,omitempty"`
}

// subject is what a query is about.
type subject struct {
	hardware.Document
	Node facts `json:"node"`
}

func (s *Site) facts(n api.Node) facts {
	f := facts{ID: n.ID, Name: s.HostNames[n.ID], Seen: n.Seen, Held: s.held(n)}
	if h := n.Hello; h != nil {
		f.Address, f.UUID, f.Serial, f.Product, f.Firmware = h.Address, h.UUID, h.Serial, h.Product, h.Firmware
		f.CPUs, f.Memory, f.MACs, f.Disks, f.Version, f.Boot = h.CPUs, h.Memory, h.MACs, h.Disks, h.Version, h.Boot
	}
	if j := n.Job; j != nil {
		f.Job = &jobFacts{j.ID, j.Kind, n.State, j.Image, j.Disk}
	}
	return f
}

// held tells why a node is not to be used: it has changed, or its job is held
// back for another reason.
func (s *Site) held(n api.Node) string {
	if s.Inventory != nil {
		if !s.Inventory.Policy.Hold { // what an earlier head noted may be there still
			return ""
		}
		if why := s.Inventory.Differs(n.ID); why != "" {
			return why
		}
	}
	return n.Held
}

// subject is a node's last inventory with names, and facts about the node.
func (s *Site) subject(n api.Node) map[string]any {
	all := map[string]any{}
	if s.Inventory != nil {
		if _, document, err := s.Inventory.Latest(n.ID); err == nil {
			all = maps.Clone(s.Names.Add(document, time.Now()))
		}
	}
	all["node"] = tree(s.facts(n))
	return all
}

// tree is a value as a document is decoded.
func tree(value any) (t any) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if d.Decode(&t) != nil {
		return nil
	}
	return t
}

// selection is the nodes that a query holds for, and what it was asked about
// them.
type selection struct {
	node    api.Node
	subject map[string]any
}

// selected finds nodes; an empty query holds for all.
func (s *Site) selected(text string) ([]selection, error) {
	var q *query.Query
	if strings.TrimSpace(text) != "" {
		var err error
		if q, err = query.Parse(text); err != nil {
			return nil, err
		}
		if err := q.Check(query.FieldsOf(reflect.TypeFor[subject]())); err != nil {
			return nil, err
		}
	}
	found := []selection{}
	for _, n := range s.Nodes.List() {
		about := s.subject(n)
		if q == nil || q.Match(about) {
			found = append(found, selection{n, about})
		}
	}
	return found, nil
}

// find looks a node up by what people call it: a MAC address in any spelling,
// its name, with the domain or without, or its serial number.
func (s *Site) find(name string) (api.Node, bool) {
	if id, err := node.ParseID(name); err == nil {
		if n, err := s.Nodes.Get(id); err == nil {
			return n, true
		}
	}
	list := s.Nodes.List()
	i := slices.IndexFunc(list, func(n api.Node) bool { return s.isCalled(n, name) })
	if i < 0 { // serial numbers are what nodes say of themselves
		i = slices.IndexFunc(list, func(n api.Node) bool { return hello(n).Serial == name })
	}
	if name == "" || i < 0 {
		return api.Node{}, false
	}
	return list[i], true
}

func (s *Site) isCalled(n api.Node, name string) bool {
	host := s.HostNames[n.ID]
	return host != "" && (strings.EqualFold(name, host) || strings.EqualFold(name, s.hrn(n)))
}

// hrn is the whole name of a node, its ID if it has none.
func (s *Site) hrn(n api.Node) string {
	host := s.HostNames[n.ID]
	switch {
	case host == "":
		return n.ID
	case s.Domain == "" || strings.HasSuffix(host, "."+s.Domain):
		return host
	}
	return host + "." + s.Domain
}
