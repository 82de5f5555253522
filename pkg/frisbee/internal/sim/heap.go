package sim

import "time"

// event is something that happens: a call, a datagram to a peer or, without
// one, its waking.
type event struct {
	at   time.Duration
	seq  uint64 // of events of the same time, the one made first comes first
	f    func()
	peer int // number plus one
	d    []byte
}

func (e *event) before(o *event) bool {
	return e.at < o.at || e.at == o.at && e.seq < o.seq
}

// heap gives events in the order of time.
type heap struct {
	e   []event
	seq uint64
}

func (h *heap) push(e event) {
	h.seq++
	e.seq = h.seq
	h.e = append(h.e, e)
	i := len(h.e) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !e.before(&h.e[up]) {
			break
		}
		h.e[i] = h.e[up]
		i = up
	}
	h.e[i] = e
}

func (h *heap) pop() (event, bool) {
	if len(h.e) == 0 {
		return event{}, false
	}
	first := h.e[0]
	end := len(h.e) - 1
	last := h.e[end]
	h.e[end] = event{}
	h.e = h.e[:end]
	i := 0
	for {
		down := 2*i + 1
		if down >= end {
			break
		}
		if down+1 < end && h.e[down+1].before(&h.e[down]) {
			down++
		}
		if !h.e[down].before(&last) {
			break
		}
		h.e[i] = h.e[down]
		i = down
	}
	if end > 0 {
		h.e[i] = last
	}
	return first, true
}
