package device

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// mostTrips is more trip points than a zone has.
const mostTrips = 32

// zones lists the thermal zones that are none of the chips: firmware's, mostly.
func zones(h sysfs.Host, chips []chip) (found []chip, err error) {
	const class = "/sys/class/thermal/"
	names, err := h.List(class)
	if err != nil {
		return nil, fmt.Errorf("list thermal zones: %w", err)
	}
	known := map[string]bool{}
	for _, c := range chips {
		known[c.sensors[0].Chip] = true
	}
	for _, name := range names {
		kind := words(h.Text(class + name + "/type"))
		if strings.HasPrefix(name, "thermal_zone") && kind != "" && !known[kind] {
			found = append(found, zone(h, class+name+"/", kind))
		}
	}
	return found, nil
}

func zone(h sysfs.Host, dir, kind string) chip {
	start := hardware.Sensor{ID: kind, Chip: kind, Kind: "temperature"}
	// Firmware's zones have a name: \_TZ_.THRM.
	if path := strings.TrimPrefix(words(h.Text(dir+"device/path")), `\`); path != "" {
		start.ID += " " + path
	}
	start.ID += " temp"
	return chip{
		sensors: []hardware.Sensor{start},
		facts: func(int) hardware.Sensor {
			s := start
			for i := range mostTrips {
				trip := dir + "trip_point_" + strconv.Itoa(i)
				switch h.Text(trip + "_type") {
				case "critical":
					s.Crit = limit(h, trip+"_temp", quantities()[0])
				case "hot":
					s.Max = limit(h, trip+"_temp", quantities()[0])
				case "":
					return s
				}
			}
			return s
		},
		value: func(int) *hardware.SensorReadings {
			if n, ok := h.Int(dir + "temp"); ok {
				return &hardware.SensorReadings{Value: float64(n) / 1000}
			}
			return nil
		},
	}
}
