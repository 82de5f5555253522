package burnin

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/orbit-pxe/orbit/pkg/api"
)

// votes are what processors found units of work to come to.
type votes struct {
	r    *run
	step api.Step

	mu    sync.Mutex
	units [kinds][]ballot
	errs  []error
}

// ballot is who found one sum.
type ballot struct {
	sum  [32]byte
	cpus []int // each once
}

// most bounds the sums of one unit: by then nothing works, and that is known.
const most = 256

func (v *votes) fail(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.errs = append(v.errs, err)
}

// cast takes what a processor found. The first time that it is something else than
// before is told at once.
func (v *votes) cast(cpu int, unit uint64, sum [32]byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	all := v.units[unit]
	i := slices.IndexFunc(all, func(b ballot) bool { return b.sum == sum })
	if i < 0 {
		if i = len(all); i == most {
			return
		}
		all = append(all, ballot{sum: sum})
		v.units[unit] = all
		if i == 1 {
			v.r.warn(v.step, fmt.Sprintf("cpu %d and cpu %d compute different things", all[0].cpus[0], cpu))
		}
	}
	if !slices.Contains(all[i].cpus, cpu) {
		all[i].cpus = append(all[i].cpus, cpu)
	}
}

// verdict names the processors that are wrong.
func (v *votes) verdict() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	var wrong []int // units, by processor
	tied := 0
	for unit, all := range v.units {
		right, ok := elect(unit, all)
		if !ok {
			tied++
			continue
		}
		for _, b := range all {
			if b.sum == right {
				continue
			}
			for _, cpu := range b.cpus {
				wrong = append(wrong, make([]int, max(0, cpu+1-len(wrong)))...)
				wrong[cpu]++
			}
		}
	}
	var words []string
	for cpu, n := range wrong {
		if n > 0 {
			words = append(words, fmt.Sprintf("cpu %d computed %d of %d kinds of work wrong", cpu, n, kinds))
		}
	}
	if len(words) == 0 && tied > 0 {
		words = append(words, fmt.Sprintf("processors disagree on %d kinds of work, and which is wrong does not show", tied))
	}
	errs := v.errs
	if len(words) > 0 {
		errs = append(errs, errors.New(strings.Join(words, ", ")))
	}
	return errors.Join(errs...)
}

// elect is what a unit comes to: what is known, else what most found. It is not ok
// where there is no majority.
func elect(unit int, all []ballot) (right [32]byte, ok bool) {
	if unit == 0 {
		hex.Decode(right[:], []byte(known))
		return right, true
	}
	n := 0
	for _, b := range all {
		switch {
		case len(b.cpus) > n:
			right, n, ok = b.sum, len(b.cpus), true
		case len(b.cpus) == n:
			ok = false
		}
	}
	return right, ok || len(all) == 0
}
