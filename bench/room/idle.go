package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ticks is what all cores of the machine have done so far.
type ticks struct{ idle, all uint64 }

// readTicks reads the first line of /proc/stat (proc_stat(5)).
func readTicks() (t ticks, err error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return t, err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 {
		return t, fmt.Errorf("read /proc/stat: %q", line)
	}
	for i, f := range fields[1:9] { // user, nice, system, idle, iowait, irq, softirq, steal
		n, err := strconv.ParseUint(f, 10, 64)
		if err != nil {
			return t, fmt.Errorf("read /proc/stat: %w", err)
		}
		t.all += n
		if i == 3 || i == 4 {
			t.idle += n
		}
	}
	return t, nil
}

// since is the share of the time that the cores were idle, 0 to 1.
func (t ticks) since(before ticks) float64 {
	if t.all == before.all {
		return 0
	}
	return float64(t.idle-before.idle) / float64(t.all-before.all)
}
