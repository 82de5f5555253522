package device

import (
	"context"
	"sort"
	"sync"
	"time"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// A sensor is measured when it is read, and a broken one takes its time.
const (
	mostChips = 64                     // that are read at once
	patience  = 750 * time.Millisecond // without a deadline
)

// chip is one thing with sensors, the files of which are read one after another.
type chip struct {
	sensors []hardware.Sensor
	facts   func(i int) hardware.Sensor // what is always the same
	value   func(i int) *hardware.SensorReadings
}

// measured is one sensor of one chip, by their numbers.
type measured struct {
	chip, sensor int
	hardware.Sensor
}

// Sensors lists the sensors of the hwmon and thermal classes. The ones that fail
// or don't answer in time have no readings.
func Sensors(ctx context.Context, h sysfs.Host) ([]hardware.Sensor, error) {
	chips, err := monitors(h)
	zones, zonesErr := zones(h, chips)
	chips = append(chips, zones...)
	if err == nil {
		err = zonesErr
	}
	measure(ctx, chips)
	var found []hardware.Sensor
	for _, c := range chips {
		found = append(found, c.sensors...)
	}
	sort.SliceStable(found, func(i, j int) bool { return sysfs.Compare(found[i].ID, found[j].ID) < 0 })
	given := map[string]int{}
	for i := range found {
		found[i].ID = distinct(given, found[i].ID)
	}
	return found, err
}

// measure reads all chips, each by a goroutine of its own, and leaves those
// behind that are not done when a quarter of the time that is left remains.
func measure(ctx context.Context, chips []chip) {
	bound := patience
	if deadline, ok := ctx.Deadline(); ok {
		bound = time.Until(deadline) * 3 / 4
	}
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	n := 0
	for _, c := range chips {
		n += 2 * len(c.sensors)
	}
	results := make(chan measured, n) // nobody has to wait, and nobody's left waiting
	slots := make(chan struct{}, mostChips)
	var wg sync.WaitGroup
	for i, c := range chips {
		wg.Go(func() {
			select {
			case slots <- struct{}{}:
				defer func() { <-slots }()
				c.read(ctx, i, results)
			case <-ctx.Done():
			}
		})
	}
	go func() {
		wg.Wait()
		close(results)
	}()
	for {
		select {
		case m, more := <-results:
			if !more {
				return
			}
			chips[m.chip].sensors[m.sensor] = m.Sensor
		case <-ctx.Done():
			for len(results) > 0 {
				m := <-results
				chips[m.chip].sensors[m.sensor] = m.Sensor
			}
			return
		}
	}
}

// read sends every sensor without readings first, and then with them: the facts
// of a chip don't depend on whether it can measure today.
func (c chip) read(ctx context.Context, number int, results chan<- measured) {
	defer func() { recover() }() // a chip that lies in a new way has no readings, and takes no others with it
	known := make([]hardware.Sensor, len(c.sensors))
	for i := range known {
		known[i] = c.facts(i)
		results <- measured{number, i, known[i]}
	}
	for i, s := range known {
		if ctx.Err() != nil {
			return
		}
		if s.Readings = c.value(i); s.Readings != nil {
			results <- measured{number, i, s}
		}
	}
}
