package node

import (
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
)

// Gate tells why a node must not get its job now, "" when it may. It is asked
// each time a node asks, with the node's last hello and when that was, and must
// answer from memory: the registry waits for it.
type Gate func(id string, hello api.Hello, up time.Time) string

// Guard has every job pass a gate. It must be called before the first node is
// served.
func (r *Registry) Guard(gate Gate) { r.gate = gate }

// Recheck has a node that waits for its job ask the gate again.
func (r *Registry) Recheck(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := r.find(id); n != nil {
		n.Held = ""
		n.wake()
	}
}

// Canonical is the ID under which a node is known, by any of its interfaces.
func (r *Registry) Canonical(id string) (string, error) {
	n, err := r.Get(id)
	return n.ID, err
}

// held tells whether a node's job is kept back, and notes why for those who look.
func (r *Registry) held(n *record) bool {
	if r.gate == nil {
		return false
	}
	var hello api.Hello
	if n.Hello != nil {
		hello = *n.Hello
	}
	why := r.gate(n.ID, hello, n.Up)
	if why != n.Held {
		n.Held = why
		r.soon(n)
		if why != "" {
			r.log.Warn("job held back", "node", n.ID, "job", n.Job.ID, "reason", why)
		}
	}
	return why != ""
}

// wake has those who wait for a job of this node look again. The caller holds
// the lock.
func (n *record) wake() {
	close(n.waiting)
	n.waiting = make(chan struct{})
}
