package api

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// What a burn-in tries.
const (
	MemoryTest  = "memory"
	CPUTest     = "cpu"
	DiskTest    = "disk"
	NetworkTest = "network"
)

// BurninTests are all there are, in the order in which they are run.
func BurninTests() []string { return []string{MemoryTest, CPUTest, DiskTest, NetworkTest} }

// Bounds of a burn-in's length.
const (
	LeastBurnin   = time.Second
	DefaultBurnin = 10 * time.Minute
	MostBurnin    = 30 * 24 * time.Hour
)

// DefaultMemory is the share of the free memory that a burn-in tries.
const DefaultMemory = 0.9

// BurninOptions say what a job of the kind burnin tries.
type BurninOptions struct {
	For         string   `json:"for,omitempty"`         // in all, as "10m" or "24h"; "" is DefaultBurnin
	Tests       []string `json:"tests,omitempty"`       // of BurninTests; none is all
	Memory      float64  `json:"memory,omitempty"`      // share of the free memory, up to 0.95; 0 is DefaultMemory
	Destructive string   `json:"destructive,omitempty"` // the disk to write to, or "all"; what is on it is lost
}

// Length is how long a burn-in is to take.
func (o *BurninOptions) Length() (time.Duration, error) {
	if o == nil || o.For == "" {
		return DefaultBurnin, nil
	}
	d, err := time.ParseDuration(o.For)
	if err != nil || d < LeastBurnin || d > MostBurnin {
		return 0, fmt.Errorf("burn-in for %q: want a time from 1s to 720h, such as 10m", o.For)
	}
	return d, nil
}

// Validate tells what of the options makes no sense; nil options do.
func (o *BurninOptions) Validate() error {
	if o == nil {
		return nil
	}
	_, err := o.Length()
	errs := []error{err}
	for _, t := range o.Tests {
		if !slices.Contains(BurninTests(), t) {
			errs = append(errs, fmt.Errorf("burn-in test %q unknown (there are %s)", t, strings.Join(BurninTests(), ", ")))
		}
	}
	if !(o.Memory >= 0 && o.Memory <= 0.95) {
		errs = append(errs, fmt.Errorf("burn-in of %v of the free memory: want a share up to 0.95", o.Memory))
	}
	if o.Destructive != "" && len(o.Tests) > 0 && !slices.Contains(o.Tests, DiskTest) {
		errs = append(errs, errors.New("burn-in that writes to a disk, and does not test disks"))
	}
	return errors.Join(errs...)
}
