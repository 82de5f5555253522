package receive

import "time"

// tempo is whether the consumer keeps up with the room. It is looked at in spans
// of time.
type tempo struct {
	now  reading
	from reading // when the present span began, zero before the first
	bad  int     // spans before it, in a row, in which the consumer was too slow
	rate float64 // blocks/s that came in the last of those
}

// reading is what counts, up to a time.
type reading struct {
	at     time.Duration
	busy   time.Duration // for which the consumer had any chunk
	used   uint64        // blocks that it has given back
	taken  uint64        // blocks
	missed uint64        // blocks that were needed and came, when there was no buffer
}

// steady is the part of a rate that must be left for it not to be coming down.
const steady = 0.8

// clock says how late it is, before the consumer gets chunks or gives one back.
func (c *Client) clock(now time.Duration) {
	n := &c.tempo.now
	if c.empty+c.filling < len(c.slots) {
		n.busy += max(0, now-n.at)
	}
	n.at = max(now, n.at)
}

// Lags is to be called all the time, and tells in how many spans in a row, up to
// now, the consumer was too slow for the room: a share of behind or more of what
// was needed and came was missed for want of a buffer, and the consumer, as long
// as it had something to do, did not manage what is left of that. Where the
// buffers are used up by what the network loses, it does. Spans in which the
// server slows down do not count.
func (c *Client) Lags(now, span time.Duration, behind float64) int {
	c.clock(now)
	t := &c.tempo
	t.now.taken, t.now.missed = c.count.Useful+c.count.Coded, c.count.NoBuffer
	was, is := t.from, t.now
	began := was.taken+was.missed > 0
	if is.taken+is.missed == 0 || began && is.at-was.at < span {
		return t.bad
	}
	t.from = is
	if !began {
		return 0
	}
	missed := float64(is.missed - was.missed)
	came := missed + float64(is.taken-was.taken)
	used, took, busy := float64(is.used-was.used), (is.at - was.at).Seconds(), (is.busy - was.busy).Seconds()
	if missed < float64(c.o.Geometry.Blocks()) || missed < behind*came || used*took >= (1-behind)*came*busy {
		t.bad = 0
		return 0
	}
	rate := came / took
	if t.bad++; rate < t.rate*steady {
		t.bad = 1
	}
	t.rate = rate
	return t.bad
}
