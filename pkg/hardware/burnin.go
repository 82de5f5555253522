package hardware

import "time"

// Burnin is the result of trying a machine hard.
type Burnin struct {
	Passed bool         `json:"passed"`
	Tests  []BurninTest `json:"tests,omitempty"`

	Readings *BurninReadings `json:"readings,omitempty"`
}

// BurninTest is one thing that was tried.
type BurninTest struct {
	ID     string `json:"id"` // "memory", "cpu", "disk ID", "network"
	Passed bool   `json:"passed"`
	Error  string `json:"error,omitempty"`  // what failed
	Writes bool   `json:"writes,omitempty"` // it wrote to the disk

	Readings *BurninTestReadings `json:"readings,omitempty"`
}

// BurninReadings says when it was.
type BurninReadings struct {
	Time time.Time `json:"time"`
	Took float64   `json:"took"` // seconds
}

// BurninTestReadings is what was done.
type BurninTestReadings struct {
	Bytes  int64   `json:"bytes,omitempty"`
	Passes int     `json:"passes,omitempty"`
	Rate   float64 `json:"rate,omitempty"` // bytes/s
	Took   float64 `json:"took,omitempty"` // seconds

	Hottest   int   `json:"hottest,omitempty"`   // degrees Celsius, of the processors meanwhile
	Throttled int64 `json:"throttled,omitempty"` // how often processors were slowed down by heat meanwhile
}

// BurninFile is where the last result lies on a node, as the JSON of a Burnin.
const BurninFile = "/run/orbit/burnin.json"
