package netup

import "time"

// grace is how long a second choice waits for a better one.
type grace struct {
	boot   time.Duration // another interface, for the boot interface
	family time.Duration // IPv6 alone, for IPv4
}

// choose returns the offer to take now, or when to ask again (zero: when there
// is something new). IPv4 on the boot interface, or on any if none is
// preferred, is taken at once; whatever has waited out its grace after that,
// the better and then the older first.
func choose(now time.Time, offers []*offer, bootMAC string, g grace) (best *offer, again time.Time) {
	for _, o := range offers {
		due := o.at
		if bootMAC != "" && o.MAC != bootMAC {
			due = due.Add(g.boot)
		}
		if o.v6 {
			due = due.Add(g.family)
		}
		switch {
		case due.After(now):
			if again.IsZero() || due.Before(again) {
				again = due
			}
		case best == nil || better(o, best, bootMAC):
			best = o
		}
	}
	if best != nil {
		again = time.Time{}
	}
	return best, again
}

func better(a, b *offer, bootMAC string) bool {
	if x, y := a.MAC == bootMAC, b.MAC == bootMAC; x != y {
		return x
	}
	if a.v6 != b.v6 {
		return b.v6
	}
	return a.at.Before(b.at)
}
