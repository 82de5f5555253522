package device

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/hardware"
)

// What goes wrong in an unforeseen way with one device leaves the others.
func TestPanics(t *testing.T) {
	var done atomic.Int64
	err := each(context.Background(), 20, func(i int) {
		if i == 7 {
			panic("seven")
		}
		done.Add(1)
	})
	if err == nil || !strings.Contains(err.Error(), "seven") || done.Load() != 19 {
		t.Errorf("%d done, %v", done.Load(), err)
	}
	good := hardware.Sensor{ID: "good"}
	chips := []chip{
		{sensors: make([]hardware.Sensor, 1), facts: func(int) hardware.Sensor { panic("bad") }},
		{sensors: make([]hardware.Sensor, 1), facts: func(int) hardware.Sensor { return good }, value: func(int) *hardware.SensorReadings { return nil }},
	}
	measure(context.Background(), chips)
	if chips[1].sensors[0].ID != good.ID {
		t.Errorf("%+v", chips[1].sensors)
	}
}
