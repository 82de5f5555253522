package lab

import (
	"fmt"
	"math"
	"time"
)

// Impairment is what a direction of a node's cable does to Ethernet frames.
// Chances are from 0 to 1. The zero value is a good cable.
type Impairment struct {
	Loss      float64 // chance that a frame is lost, each by itself
	Bursts    Bursts
	Duplicate float64 // chance that a frame arrives twice
	Reorder   float64 // chance that a frame is overtaken
	Gap       int     // frames that overtake it, 0 = 3

	Delay  time.Duration // before a frame arrives
	Jitter time.Duration // added or taken away, evenly spread, at most Delay; order is kept
	Rate   int64         // bit/s, 0 = no limit
	Queue  int           // bytes that wait for Rate before more are lost, 0 = 256 KiB
}

// Bursts are losses of frames in a row, by the model of Gilbert and Elliott:
// the cable is good or bad, all frames are lost while it is bad, and it changes
// from one frame to the next by chance.
type Bursts struct {
	Share float64 // of all frames that are lost in bursts
	Mean  float64 // length of a burst, frames
}

// chances of going bad and of becoming good again, per frame.
func (b Bursts) chances() (worse, better float64) {
	if b.Share == 0 {
		return 0, 1
	}
	better = 1 / b.Mean
	return better * b.Share / (1 - b.Share), better
}

const (
	defaultGap   = 3
	defaultQueue = 256 << 10
	serverQueue  = 1000 * 1514 // as an interface holds by default
	maxGap       = 1000
	minRate      = 8000 // bit/s; below, one frame takes seconds
)

func chance(x float64) bool { return x >= 0 && x <= 1 } // false for NaN

func (i Impairment) check() error {
	switch worse, _ := i.Bursts.chances(); {
	case !chance(i.Loss) || !chance(i.Duplicate) || !chance(i.Reorder) || !chance(i.Bursts.Share):
		return fmt.Errorf("chances are from 0 to 1")
	case i.Bursts.Share > 0 && !(i.Bursts.Mean >= 1 && i.Bursts.Mean < math.MaxInt32):
		return fmt.Errorf("bursts of %v frames", i.Bursts.Mean)
	case !chance(worse):
		return fmt.Errorf("bursts of %v frames are too short to lose %v of all", i.Bursts.Mean, i.Bursts.Share)
	case i.Gap < 0 || i.Gap > maxGap:
		return fmt.Errorf("gap of %d frames, not 0 to %d", i.Gap, maxGap)
	case i.Delay < 0 || i.Delay > time.Minute || i.Jitter < 0 || i.Jitter > i.Delay:
		return fmt.Errorf("delay of %v ± %v", i.Delay, i.Jitter)
	case i.Rate != 0 && i.Rate < minRate || i.Queue < 0 || i.Queue > math.MaxInt32:
		return fmt.Errorf("rate of %d bit/s with a queue of %d bytes", i.Rate, i.Queue)
	}
	return nil
}

// simple tells whether the kernel can do it.
func (i Impairment) simple() bool {
	return i == Impairment{Loss: i.Loss, Rate: i.Rate, Queue: i.Queue}
}

func (i Impairment) queue() int {
	if i.Queue == 0 {
		return defaultQueue
	}
	return i.Queue
}

func (i Impairment) gap() int {
	if i.Gap == 0 {
		return defaultGap
	}
	return i.Gap
}
