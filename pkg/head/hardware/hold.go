package hardware

import (
	"strings"
	"time"
)

// patience is how long a node may take for its inventory before the words say
// that it perhaps never comes.
const patience = 2 * time.Minute

// judge finds out whether a node is as it was accepted.
func (s *Store) judge(v *view) {
	v.differs = ""
	switch {
	case !s.Policy.Hold || len(v.files) == 0:
	case v.latest == nil:
		v.differs = "its last inventory cannot be read at the head (the next one that it sends can be accepted)"
	case v.accepted == nil:
		v.differs = "the inventory that was accepted cannot be read at the head any more; accept what it is now"
	case v.accepted.Number != v.latest.Number:
		if r := s.Policy.serious(v.accepted.tree, v.latest.tree); !r.Same() {
			v.differs = "its hardware is not what was accepted: " + strings.Join(Sentences(r, 5), "; ")
		}
	}
}

// Differs tells why a node is not to be used as far as its hardware is the
// reason, "" if it may be.
func (s *Store) Differs(id string) string {
	if v := s.view(id); v != nil {
		return v.differs
	}
	return ""
}

// Gate tells why a node must not get its job, "" if it may: with a policy to
// hold, the inventory of the boot that it said hello from must be there, and be
// like the one that was accepted. Nodes that do not say which boot it is must
// send it after their hello.
func (s *Store) Gate(id, boot string, up, now time.Time) string {
	if !s.Policy.Hold {
		return ""
	}
	v := s.view(id)
	if v == nil || v.latest == nil && v.broken == nil || v.latest != nil && !v.latest.isOf(boot, up) {
		if !up.IsZero() && now.Sub(up) > patience {
			return "no inventory of this boot has come: the agent may be too old to send one, or could not make one (see the node's console)"
		}
		return "waiting for the inventory of this boot"
	}
	return v.differs
}

// isOf tells whether a version was seen in a boot.
func (v *Version) isOf(boot string, up time.Time) bool {
	if boot != "" {
		return v.Boot == boot
	}
	return !v.Seen.Before(up)
}

func (s *Store) view(id string) *view {
	r, err := s.node(id, false)
	if err != nil || r == nil {
		return nil
	}
	return r.now.Load()
}
