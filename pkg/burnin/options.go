package burnin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/blockdev"
	"github.com/orbit-pxe/orbit/pkg/hardware"
)

// Options say what to try.
type Options struct {
	For         time.Duration // in all; 0 is api.DefaultBurnin
	Tests       []string      // of api.BurninTests; none is all, without the network where Head is ""
	Memory      float64       // share of the free memory; 0 is api.DefaultMemory
	Head        string        // base URL of the head that the network test talks to
	Destructive string        // disk to write to (see blockdev.Resolve), "all", or ""
	Seed        uint64        // of all patterns; 0 is a random one
	Root        string        // of /proc and /sys; "" is this machine's

	// Health describes the disks: their ids, and what they count. nil: it is not known.
	Health func(context.Context) ([]hardware.Disk, error)
	Events api.Sink     // nil: none
	HTTP   *http.Client // nil: a plain one

	seams seams
}

// seams are where tests put faults in, and make ends.
type seams struct {
	list   func(context.Context) ([]blockdev.Disk, error)              // in place of blockdev.List
	open   func(d disk) disk                                           // in place of what was opened
	memory func(words []uint64)                                        // before a block is compared
	sum    func(cpu int, unit uint64, sum [32]byte) (instead [32]byte) // a result
	most   int64                                                       // bytes of memory to try at most
	rounds int                                                         // of each test; 0: as many as there is time for
}

// more tells whether there is to be another round after so many.
func (o *Options) more(n int) bool { return o.seams.rounds == 0 || n < o.seams.rounds }

// RefusedError says that nothing was begun, and why.
type RefusedError struct{ Err error }

func (e *RefusedError) Error() string { return e.Err.Error() }
func (e *RefusedError) Unwrap() error { return e.Err }

// complete fills in what was left to us.
func (o *Options) complete() error {
	o.For, o.Memory = cmp.Or(o.For, api.DefaultBurnin), cmp.Or(o.Memory, api.DefaultMemory)
	check := api.BurninOptions{For: o.For.String(), Tests: o.Tests, Memory: o.Memory, Destructive: o.Destructive}
	if err := check.Validate(); err != nil {
		return err
	}
	if o.Head == "" {
		if o.wants(api.NetworkTest) {
			return errors.New("the network is tested against a head: say which")
		}
	} else if u, err := url.Parse(o.Head); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("head %q is not an http or https URL", o.Head)
	}
	o.Head = strings.TrimRight(o.Head, "/")
	given := o.Tests
	o.Tests = nil
	for _, t := range api.BurninTests() {
		if slices.Contains(given, t) || len(given) == 0 && (t != api.NetworkTest || o.Head != "") {
			o.Tests = append(o.Tests, t)
		}
	}
	if o.Events == nil {
		o.Events = api.Discard
	}
	if o.HTTP == nil {
		o.HTTP = &http.Client{}
	}
	if o.seams.list == nil {
		o.seams.list = blockdev.List
	}
	if o.Seed == 0 {
		o.Seed = uint64(time.Now().UnixNano()) | 1
	}
	return nil
}

func (o *Options) wants(test string) bool { return slices.Contains(o.Tests, test) }

// text reads a small file of the machine, "" if there is none.
func (o *Options) text(path string) string {
	b, err := os.ReadFile(filepath.Join("/", o.Root, path))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// glob finds files of the machine.
func (o *Options) glob(pattern string) []string {
	root := filepath.Join("/", o.Root)
	found, _ := filepath.Glob(filepath.Join(root, pattern)) // the pattern is ours, and good
	for i, path := range found {
		found[i] = "/" + strings.TrimPrefix(strings.TrimPrefix(path, root), "/")
	}
	return found
}
