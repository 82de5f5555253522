package frisbee

import (
	"testing"
	"time"
)

func ip(n int) [4]byte { return [4]byte{10, 0, byte(n >> 8), byte(n)} }

func TestRoster(t *testing.T) {
	r := newRoster(3)
	if r.left(time.Hour) {
		t.Error("all have left a room that nobody was in")
	}
	at := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	if !r.join(ip(1), 7, at(1)) || r.join(ip(1), 7, at(2)) || !r.join(ip(2), 7, at(2)) {
		t.Error("a client that repeats its join is another, or one at another address is not")
	}
	if r.clients[ip(1)].since != stamp(at(2)) {
		t.Error("a client that repeats its join has followed since the first")
	}
	if r.here != 2 || r.joined != 2 {
		t.Errorf("%d here of %d", r.here, r.joined)
	}
	if r.leave(ip(1), 8, at(3)) || r.leave(ip(3), 7, at(3)) || !r.leave(ip(1), 7, at(3)) || r.leave(ip(1), 7, at(3)) {
		t.Error("another left in a client's name, or it left twice")
	}
	if r.asked(ip(1), at(3.5)); r.here != 1 {
		t.Error("a late packet brings a client back")
	}
	if r.asked(ip(1), at(5)); r.here != 2 {
		t.Error("a client that asks again is not back")
	}
	if !r.leave(ip(1), 7, at(6)) || !r.leave(ip(2), 7, at(6)) || r.left(afterLast-1) || !r.left(afterLast) {
		t.Errorf("%d are left of none", r.here)
	}
	if !r.join(ip(1), 9, at(7)) || r.here != 1 || r.left(afterWord) || !r.left(Patience) {
		t.Errorf("one that comes back: %d here", r.here)
	}
	if r.understands(ip(1), 9); r.left(afterWord-1) || !r.left(afterWord) {
		t.Error("Orbit's own client is waited for as a real one is")
	}

	// There is room for a third, and for no fourth until somebody is forgotten.
	if r.heard(ip(3), at(8)) == nil || r.heard(ip(4), at(9)) != nil || r.join(ip(4), 1, at(10)) {
		t.Error("there is room for four in a room for three")
	}
	if r.heard(ip(2), at(20)) == nil || r.heard(ip(4), at(39)) == nil {
		t.Error("there is no room in place of one that is silent")
	}
	if r.clients[ip(1)] != nil || r.here != 0 {
		t.Errorf("one that is silent is known, and %d are here", r.here)
	}
}

// TestRosterFlood has more strangers come than there is room.
func TestRosterFlood(t *testing.T) {
	r := newRoster(100)
	r.join(ip(60000), 1, time.Second)
	for i := range 50000 {
		r.join(ip(i), uint32(i), time.Second+time.Duration(i)*time.Millisecond)
		if len(r.clients) > 100 {
			t.Fatalf("%d clients are known", len(r.clients))
		}
	}
	if r.here < 0 || r.here > 100 {
		t.Errorf("%d are here", r.here)
	}
}

func TestLost(t *testing.T) {
	for _, x := range []struct {
		name  string
		lost  []uint64 // by each client, of 1000 blocks
		share float64
		want  uint64
	}{
		{"nobody", nil, 0.9, 0},
		{"one", []uint64{500}, 0.9, 500},
		{"one of two", []uint64{0, 500}, 0.9, 500},
		{"one of ten", []uint64{0, 1, 0, 2, 0, 500, 1, 0, 0, 0}, 0.9, 4},
		{"one of ten that is waited for", []uint64{0, 1, 0, 2, 0, 500, 1, 0, 0, 0}, 1, 504},
		{"two of ten", []uint64{0, 400, 0, 0, 0, 500, 0, 0, 0, 0}, 0.9, 400},
		{"all alike", []uint64{50, 51, 52, 53, 54, 55, 56, 57, 58, 59}, 0.9, 545},
		{"one somewhat worse", []uint64{50, 51, 52, 53, 54, 55, 56, 57, 58, 90}, 0.9, 576},
	} {
		r := newRoster(100)
		for i, n := range x.lost {
			r.join(ip(i), 1, time.Second)
			r.heard(ip(i), time.Second).lost = n
		}
		if got := r.lost(2*time.Second, 1000, x.share); got != x.want {
			t.Errorf("%s: %d, want %d", x.name, got, x.want)
		}
		if got := r.lost(2*time.Second, 1000, x.share); got != 0 {
			t.Errorf("%s: %d in the next round", x.name, got)
		}
		for i, n := range x.lost {
			if got := r.clients[ip(i)].total; got != n {
				t.Errorf("%s: client %d has lost %d in all, want %d", x.name, i, got, n)
			}
		}
	}
	r := newRoster(100)
	r.join(ip(1), 1, 0)
	r.join(ip(2), 1, 0)
	r.heard(ip(3), 0).lost = 50
	r.clients[ip(2)].lost = 10
	r.clients[ip(1)].lost = 20
	r.leave(ip(1), 1, time.Second)
	if got := r.lost(time.Second, 100, 0.9); got != 10 {
		t.Errorf("%d with one that has left and a stranger, want 10", got)
	}
	if got := r.clients[ip(3)].total; got != 50 {
		t.Errorf("a stranger has lost %d, want 50", got)
	}
	r = newRoster(100)
	r.heard(ip(3), 0).lost = 50
	if got := r.lost(time.Second, 100, 0.9); got != 50 {
		t.Errorf("%d where nobody has joined, want 50", got)
	}
}
