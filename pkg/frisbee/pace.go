package frisbee

import "time"

const (
	// Blocks that are late by less than depth, or, if they are few, by less than
	// fewDepth, are made up for at once.
	depth    = 4 * time.Millisecond
	fewDepth = 10 * time.Millisecond
	few      = 256 << 10 // bytes
	// tick is what is sent at once, if it is more than leastBurst bytes.
	tick       = time.Millisecond
	leastBurst = 16 << 10
	// mostBurst blocks are sent by one call at most: two buffers of 64 KiB that
	// the kernel cuts up, while as much is read from the file.
	mostBurst = 124
)

// pace is a token bucket: it says how many blocks may be sent now.
type pace struct {
	block  float64 // bits
	rate   float64 // bit/s
	tokens float64 // bits
	at     time.Duration
}

// bits is what the rate allows in d, but no less than the least burst.
func (p *pace) bits(d time.Duration) float64 {
	return max(p.rate*d.Seconds(), leastBurst*8, p.block)
}

// most is what may be sent at once.
func (p *pace) most() float64 {
	return max(p.bits(depth), min(p.bits(tick)+p.rate*fewDepth.Seconds(), few*8))
}

// room is how many blocks to send now, or for how long to send none.
func (p *pace) room(now time.Duration) (blocks int, pause time.Duration) {
	p.tokens = min(p.tokens+p.rate*(now-p.at).Seconds(), p.most())
	p.at = now
	if lack := p.bits(tick) - p.tokens; lack > 0 {
		return 0, time.Duration(lack/p.rate*float64(time.Second)) + time.Microsecond
	}
	return min(int(p.tokens/p.block), mostBurst), 0
}

// sent notes that blocks were sent.
func (p *pace) sent(blocks int) { p.tokens -= float64(blocks) * p.block }
