package burnin

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// counts are what the machine itself counts.
type counts struct {
	throttled int64
	events    map[string]int64 // what never should happen, by where in words
}

// count reads them all.
func (r *run) count() counts {
	c := counts{events: map[string]int64{}}
	for _, file := range r.glob("/sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/*_throttle_count") {
		c.throttled += r.number(file)
	}
	// Linux Documentation/driver-api/edac.rst; a DIMM's errors are its controller's, too.
	for _, mc := range r.glob("/sys/devices/system/edac/mc/mc*") {
		r.edac(&c, mc, "ce", "corrected")
		r.edac(&c, mc, "ue", "uncorrectable")
	}
	for line := range strings.Lines(r.text("/proc/interrupts")) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "MCE:" {
			for _, n := range f[1:] {
				k, _ := strconv.ParseInt(n, 10, 64) // words follow the numbers
				c.events["machine check exceptions"] += k
			}
		}
	}
	return c
}

// edac counts the memory errors of a kind that a controller tells of.
func (r *run) edac(c *counts, mc, kind, word string) {
	all := r.number(mc + "/" + kind + "_count")
	for _, dimm := range append(r.glob(mc+"/dimm*"), r.glob(mc+"/rank*")...) {
		n := r.number(dimm + "/dimm_" + kind + "_count")
		label := r.text(dimm + "/dimm_label")
		if label == "" {
			label = path.Base(mc) + " " + path.Base(dimm)
		}
		c.events[word+" memory errors of "+label] += n
		all -= n
	}
	c.events[word+" memory errors of "+path.Base(mc)] += max(all, 0)
}

// worse tells what has happened since before.
func (c counts) worse(before counts) error {
	words := grown(before.events, c.events)
	if words == "" {
		return nil
	}
	return fmt.Errorf("the machine counted %s", words)
}

// grown tells in words which counts have grown since before.
func grown(before, after map[string]int64) string {
	var words []string
	for what, n := range after {
		if n -= before[what]; n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, what))
		}
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}

func (r *run) number(file string) int64 {
	n, err := strconv.ParseInt(r.text(file), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// watchHeat looks at the processors' temperatures until stop is called, which gives
// the highest in degrees Celsius, or 0.
func (r *run) watchHeat(ctx context.Context) (stop func() int) {
	var inputs []string
	for _, name := range r.glob("/sys/class/hwmon/hwmon*/name") {
		switch r.text(name) {
		case "coretemp", "k10temp", "zenpower", "cpu_thermal":
			inputs = append(inputs, r.glob(path.Dir(name)+"/temp*_input")...)
		}
	}
	hottest := 0
	look := func() {
		for _, file := range inputs {
			hottest = max(hottest, int(r.number(file)/1000))
		}
	}
	look()
	ctx, cancel := context.WithCancel(ctx)
	var wait sync.WaitGroup
	wait.Go(func() {
		tick := time.NewTicker(2 * time.Second)
		defer tick.Stop()
		for len(inputs) > 0 {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				look()
			}
		}
	})
	return func() int {
		cancel()
		wait.Wait()
		look()
		return hottest
	}
}
