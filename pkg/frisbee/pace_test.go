package frisbee

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestPace sends as much as it may, at times of its own, and as little as there
// is: never more than the rate and a burst, and hardly less.
func TestPace(t *testing.T) {
	for _, rate := range []float64{1e6, 8e6, 72e6, 1e9, 10e9} {
		for _, block := range []float64{8 << 10, 64 << 10} {
			r := rand.New(rand.NewPCG(1, 1))
			p := pace{block: block, rate: rate}
			now, sent := time.Duration(0), 0.0
			const end = 10 * time.Second
			for now < end {
				n, pause := p.room(now)
				if (n == 0) == (pause == 0) || n < 0 || pause < 0 || n > mostBurst {
					t.Fatalf("at %v: %d blocks, or none for %v", now, n, pause)
				}
				p.sent(n)
				sent += float64(n) * block
				// A timer is late, sometimes by much, but for less than what is
				// made up for.
				now += pause + time.Duration(r.IntN(1000))*time.Microsecond
				if most := rate*now.Seconds() + p.most(); sent > most {
					t.Fatalf("at %v: %.0f bits sent, %.0f allowed", now, sent, most)
				}
			}
			if least := rate * end.Seconds() * 0.98; sent < least && rate < 8e9 {
				t.Errorf("rate %.0f, blocks of %.0f bits: %.0f bits sent in %v, at least %.0f would be", rate, block, sent, end, least)
			}
		}
	}
}

// TestPaceIdle sends nothing for a while: that is not made up for.
func TestPaceIdle(t *testing.T) {
	p := pace{block: 8 << 10, rate: 100e6}
	p.room(time.Hour)
	sent := 0
	for {
		n, _ := p.room(time.Hour)
		if n == 0 {
			break
		}
		p.sent(n)
		sent += n
	}
	if most := 200; sent > most || sent == 0 {
		t.Errorf("%d blocks at once after an hour, and %d the most", sent, most)
	}
}
