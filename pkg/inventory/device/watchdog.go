package device

import (
	"context"
	"fmt"
	"sort"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// cardReset is the flag of the boot status that says that the watchdog caused
// the last reset: WDIOF_CARDRESET of include/uapi/linux/watchdog.h.
const cardReset = 0x20

// Watchdogs lists the watchdogs by what sysfs tells of them. Their devices are
// never opened, for that would start them.
func Watchdogs(ctx context.Context, h sysfs.Host) (found []hardware.Watchdog, err error) {
	const class = "/sys/class/watchdog/"
	names, err := h.List(class)
	if err != nil {
		return nil, fmt.Errorf("list watchdogs: %w", err)
	}
	for _, name := range names {
		if ctx.Err() != nil {
			return found, context.Cause(ctx)
		}
		dir := class + name + "/"
		w := hardware.Watchdog{Name: name, Identity: words(h.Text(dir + "identity")), NoWayOut: h.Text(dir+"nowayout") == "1"}
		if path := h.Real(dir + "device"); path != "" {
			w.Driver = driver(h, path)
		}
		switch {
		case w.Identity != "":
			w.ID = w.Identity
		case w.Driver != "":
			w.ID = w.Driver
		default:
			w.ID = name
		}
		if state := h.Text(dir + "state"); state != "" {
			timeout, _ := h.Int(dir + "timeout")
			status, _ := h.Int(dir + "bootstatus")
			w.Readings = &hardware.WatchdogReadings{Active: state == "active", Timeout: int(timeout), Caused: status&cardReset != 0}
		}
		found = append(found, w)
	}
	sort.SliceStable(found, func(i, j int) bool { return sysfs.Compare(found[i].ID, found[j].ID) < 0 })
	given := map[string]int{}
	for i := range found {
		found[i].ID = distinct(given, found[i].ID)
	}
	return found, nil
}
