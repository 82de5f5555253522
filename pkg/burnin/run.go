package burnin

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/hardware"
)

// run is one burn-in.
type run struct {
	Options
	plan   *Plan
	result *hardware.Burnin
}

// Run tries the machine. That it does not stand that is no error: the result
// tells. The error is a *RefusedError where nothing was begun, and whatever ended
// ctx where it was stopped.
func Run(ctx context.Context, o Options) (*hardware.Burnin, error) {
	p, err := newPlan(ctx, &o)
	if err != nil {
		return nil, &RefusedError{err}
	}
	defer p.close()
	began := time.Now()
	r := &run{Options: o, plan: p, result: &hardware.Burnin{Passed: true}}
	r.event(api.BurninStep, api.Started, began, 0, p.words())
	for left := r.Tests; len(left) > 0; left = left[1:] {
		if err := r.test(ctx, left[0], share(left, time.Until(began.Add(o.For)))); err != nil {
			r.event(api.BurninStep, api.Failed, began, 0, err.Error())
			return nil, err
		}
	}
	r.result.Readings = &hardware.BurninReadings{Time: time.Now().UTC().Round(time.Second), Took: seconds(time.Since(began))}
	if f := Failure(r.result); f != "" {
		r.event(api.BurninStep, api.Failed, began, 0, f)
	} else {
		r.event(api.BurninStep, api.Done, began, 0, fmt.Sprintf("%d tests passed", len(r.result.Tests)))
	}
	return r.result, nil
}

// Failure says in a line what a burn-in has found, "" for nothing.
func Failure(b *hardware.Burnin) string {
	var words []string
	for _, t := range b.Tests {
		if !t.Passed {
			words = append(words, t.ID+": "+t.Error)
		}
	}
	return strings.Join(words, "; ")
}

// weights are the shares of the time that tests get.
func weight(test string) int {
	switch test {
	case api.MemoryTest:
		return 4
	case api.CPUTest:
		return 2
	case api.DiskTest:
		return 3
	}
	return 1
}

// share is how much of the time that is left the first of the tests gets.
func share(tests []string, left time.Duration) time.Duration {
	sum := 0
	for _, t := range tests {
		sum += weight(t)
	}
	return max(left, 0) * time.Duration(weight(tests[0])) / time.Duration(sum)
}

// trial is one test under way.
type trial struct {
	step  api.Step
	began time.Time
	until time.Time
	meter meter
}

// finding is what a test comes to. There are several of one that tries several
// things.
type finding struct {
	id     string
	bytes  int64
	passes int
	took   time.Duration
	rate   float64 // bytes/s; 0: of all the bytes in all the time
	writes bool
	err    error
}

// test runs one test for a time, and files what it finds.
func (r *run) test(ctx context.Context, name string, d time.Duration) error {
	t := &trial{began: time.Now()}
	t.until = t.began.Add(d)
	var do func(context.Context, *trial) ([]finding, string)
	switch name {
	case api.MemoryTest:
		t.step, do = api.MemoryStep, r.memory
	case api.CPUTest:
		t.step, do = api.CPUStep, r.processors
	case api.DiskTest:
		t.step, do = api.DiskStep, r.disks
	default:
		t.step, do = api.TrafficStep, r.network
	}
	r.event(t.step, api.Started, t.began, 0, "")
	before := r.count()
	heat := r.watchHeat(ctx)
	stop := t.meter.report(func(n int64) { r.event(t.step, api.Progress, t.began, n, "") })
	found, words := do(ctx, t)
	stop()
	hottest := heat()
	if ctx.Err() != nil {
		err := context.Cause(ctx)
		r.event(t.step, api.Failed, t.began, t.meter.bytes.Load(), err.Error())
		return err
	}
	after := r.count()
	if err := after.worse(before); err != nil && len(found) > 0 {
		found[0].err = errors.Join(found[0].err, err)
	}
	r.file(t, found, words, hottest, after.throttled-before.throttled)
	return nil
}

// file puts findings into the result and tells of them.
func (r *run) file(t *trial, found []finding, words string, hottest int, throttled int64) {
	var failed []string
	for _, f := range found {
		e := hardware.BurninTest{ID: f.id, Passed: f.err == nil, Writes: f.writes}
		if f.err != nil {
			e.Error = strings.ReplaceAll(f.err.Error(), "\n", "; ")
			failed = append(failed, f.id+": "+e.Error)
		}
		e.Readings = &hardware.BurninTestReadings{Bytes: f.bytes, Passes: f.passes, Took: seconds(f.took), Hottest: hottest, Throttled: throttled}
		if e.Readings.Rate = f.rate; f.rate == 0 && f.took > 0 {
			e.Readings.Rate = float64(f.bytes) / f.took.Seconds()
		}
		e.Readings.Rate = math.Round(e.Readings.Rate)
		r.result.Tests = append(r.result.Tests, e)
		r.result.Passed = r.result.Passed && e.Passed
	}
	if throttled > 0 {
		r.warn(t.step, fmt.Sprintf("the processors were throttled by heat %d times, at up to %d degrees Celsius (fans, dust, paste?)", throttled, hottest))
	}
	if len(failed) > 0 {
		r.event(t.step, api.Failed, t.began, t.meter.bytes.Load(), strings.Join(failed, "; "))
		return
	}
	r.event(t.step, api.Done, t.began, t.meter.bytes.Load(), words)
}

func (r *run) event(step api.Step, state api.State, began time.Time, bytes int64, message string) {
	e := api.Event{Time: time.Now(), Step: step, State: state, Bytes: bytes, Message: message}
	if state != api.Started {
		e.Seconds = time.Since(began).Seconds()
	}
	r.Events(e)
}

// warn tells of what somebody should look into at once.
func (r *run) warn(step api.Step, text string) { r.say(step, text, true) }

func (r *run) note(step api.Step, text string) { r.say(step, text, false) }

func (r *run) say(step api.Step, text string, warn bool) {
	r.Events(api.Event{Time: time.Now(), Step: step, State: api.Note, Message: text, Warn: warn})
}

func seconds(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }
