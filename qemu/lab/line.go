package lab

import (
	"math/rand/v2"
	"time"
)

// frame is an Ethernet frame behind the header that tells what the kernel left
// to the hardware.
type frame struct {
	b []byte // of full length
	n int    // bytes in use
}

// line decides what becomes of each frame of one direction. It knows no
// sockets and no clock: the k-th frame has the same fate for the same seed,
// whenever it comes.
type line struct {
	Impairment
	random *rand.Rand
	bad    bool // in a burst
	count  Faults

	ready   []*frame // to go out now
	held    []held   // to be overtaken
	waiting []due    // for delay or rate, in order
	first   int      // of waiting
	free    []*frame
	size    int // bytes of a frame

	lastPut, lastDue time.Duration
	clear            time.Duration // when the bytes accepted so far are through the rate limit
}

type due struct {
	at time.Duration
	f  *frame
}

type held struct {
	left int // frames still to overtake
	gap  int
	f    *frame
}

const (
	// maxWaiting frames of 1500 bytes are half a second of 800 Mbit/s.
	maxWaiting = 1 << 15
	maxFree    = 1 << 10
	// maxHold ends the wait for frames to overtake when none come.
	maxHold = 20 * time.Millisecond
)

func newLine(seed, stream uint64, size int) *line {
	return &line{random: rand.New(rand.NewPCG(seed, stream)), size: size}
}

func (l *line) newFrame() *frame {
	if n := len(l.free); n > 0 {
		f := l.free[n-1]
		l.free = l.free[:n-1]
		return f
	}
	return &frame{b: make([]byte, l.size)}
}

func (l *line) recycle(f *frame) {
	if len(l.free) < maxFree {
		l.free = append(l.free, f)
	}
}

// put takes a frame that came at now, a time since some start.
func (l *line) put(f *frame, now time.Duration) {
	l.lastPut = now
	// Always as many draws, so that one fault does not move another.
	change, lose, double, overtaken, spread := l.random.Float64(), l.random.Float64(), l.random.Float64(), l.random.Float64(), l.random.Float64()
	worse, better := l.Bursts.chances()
	if l.bad {
		l.bad = change >= better
	} else if change < worse {
		l.bad = true
		l.count.Bursts++
	}
	switch {
	case l.bad:
		l.count.InBursts++
		fallthrough
	case lose < l.Loss:
		l.count.Lost++
		l.recycle(f)
		return
	}
	if double < l.Duplicate {
		l.count.Duplicated++
		twin := l.newFrame()
		twin.n = copy(twin.b, f.b[:f.n])
		l.pass(twin, now, spread)
	}
	if overtaken < l.Reorder {
		l.held = append(l.held, held{left: l.gap(), gap: l.gap(), f: f})
		return
	}
	l.pass(f, now, spread)
	l.overtake(now, spread)
}

// overtake tells the frames held back that one went by.
func (l *line) overtake(now time.Duration, spread float64) {
	keep := l.held[:0]
	for _, h := range l.held {
		if h.left--; h.left > 0 {
			keep = append(keep, h)
			continue
		}
		l.count.Reordered++
		l.pass(h.f, now, spread)
	}
	l.held = keep
}

// pass queues a frame that is not lost; spread from 0 to 1 is where in the
// jitter it falls.
func (l *line) pass(f *frame, now time.Duration, spread float64) {
	at := now
	if l.Rate > 0 {
		bytes := f.n - vnetHeader
		backlog := float64(max(l.clear-now, 0)) * float64(l.Rate) / 8e9
		if backlog+float64(bytes) > float64(l.queue()) {
			l.count.Overflowed++
			l.recycle(f)
			return
		}
		l.clear = max(l.clear, now) + time.Duration(float64(bytes)*8e9/float64(l.Rate))
		at = l.clear
	}
	at += l.Delay + time.Duration((2*spread-1)*float64(l.Jitter))
	l.lastDue = max(l.lastDue, at)
	l.count.Passed++
	if l.lastDue <= now && l.first == len(l.waiting) {
		l.ready = append(l.ready, f)
		return
	}
	if len(l.waiting)-l.first == maxWaiting {
		l.count.Passed--
		l.count.Overflowed++
		l.recycle(f)
		return
	}
	l.waiting = append(l.waiting, due{l.lastDue, f})
}

// take returns the frames that are due, which are the caller's to recycle; the
// slice is good until the next call of put.
func (l *line) take(now time.Duration) []*frame {
	if len(l.held) > 0 && now-l.lastPut >= maxHold {
		for _, h := range l.held {
			if h.left < h.gap {
				l.count.Reordered++
			}
			l.pass(h.f, now, 0.5)
		}
		l.held = l.held[:0]
	}
	for l.first < len(l.waiting) && l.waiting[l.first].at <= now {
		l.ready = append(l.ready, l.waiting[l.first].f)
		l.waiting[l.first].f = nil
		l.first++
	}
	if l.first > len(l.waiting)/2 {
		l.waiting = append(l.waiting[:0], l.waiting[l.first:]...)
		l.first = 0
	}
	out := l.ready
	l.ready = l.ready[:0]
	return out
}

// next is when take will have something, unless put is called before.
func (l *line) next() (at time.Duration, ok bool) {
	if l.first < len(l.waiting) {
		at, ok = l.waiting[l.first].at, true
	}
	if hold := l.lastPut + maxHold; len(l.held) > 0 && (!ok || hold < at) {
		at, ok = hold, true
	}
	return at, ok
}
