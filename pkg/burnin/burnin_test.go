package burnin

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/blockdev"
	"github.com/orbit-pxe/orbit/pkg/hardware"
)

const mib = 1 << 20

// none has no disks.
func none(context.Context) ([]blockdev.Disk, error) { return nil, nil }

// heard collects events.
type heard struct {
	mu  sync.Mutex
	all []api.Event
}

func (h *heard) sink(e api.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, e)
}

// words are all that is said in a state.
func (h *heard) words(state api.State) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var b strings.Builder
	for _, e := range h.all {
		if e.State == state {
			b.WriteString(string(e.Step) + " " + e.Message + "\n")
		}
	}
	return b.String()
}

// try runs some tests, each twice unless o says for how long.
func try(t *testing.T, o Options, tests ...string) (*hardware.Burnin, *heard) {
	t.Helper()
	h := &heard{}
	o.Events, o.Tests = h.sink, tests
	if o.For == 0 {
		o.For, o.seams.rounds = time.Minute, 2
	}
	o.seams.most = 64 * mib
	if o.seams.list == nil {
		o.seams.list = none
	}
	b, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return b, h
}

// Time is a bound, whatever there is to do.
func TestBound(t *testing.T) {
	began := time.Now()
	b, _ := try(t, Options{For: 3 * time.Second})
	if took := time.Since(began); !b.Passed || took < 2*time.Second || took > 15*time.Second {
		t.Errorf("%v, %+v", took, b)
	}
}

func TestShare(t *testing.T) {
	left := 10 * time.Second
	var got []time.Duration
	for tests := api.BurninTests(); len(tests) > 0; tests = tests[1:] {
		d := share(tests, left)
		left -= d
		got = append(got, d)
	}
	if diff := cmp.Diff([]time.Duration{4e9, 2e9, 3e9, 1e9}, got); diff != "" {
		t.Error(diff)
	}
	if d := share([]string{api.CPUTest}, -time.Second); d != 0 {
		t.Error(d)
	}
}

func TestRefused(t *testing.T) {
	for want, o := range map[string]Options{
		"say which":          {Tests: []string{api.NetworkTest}},
		"not an http":        {Head: "ftp://h"},
		"unknown":            {Tests: []string{"fans"}},
		"want a time":        {For: time.Millisecond},
		"up to 0.95":         {Memory: 2},
		"does not test disk": {Tests: []string{api.CPUTest}, Destructive: "all"},
		"no disk matches":    {Tests: []string{api.DiskTest}, Destructive: "serial=none-such"},
	} {
		o.seams.list = none
		o.seams.memory = func([]uint64) { t.Error("something was begun") }
		_, err := Run(t.Context(), o)
		if refused := new(RefusedError); !errors.As(err, &refused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want it refused for %q", err, want)
		}
	}
}

func TestStopped(t *testing.T) {
	ctx, stop := context.WithCancelCause(t.Context())
	o := Options{Tests: []string{api.CPUTest}, For: time.Hour}
	o.seams.list = none
	stopped := errors.New("enough")
	o.seams.sum = func(_ int, n uint64, sum [32]byte) [32]byte { stop(stopped); return sum }
	began := time.Now()
	if b, err := Run(ctx, o); !errors.Is(err, stopped) || b != nil || time.Since(began) > 10*time.Second {
		t.Errorf("%v, %v after %v", b, err, time.Since(began))
	}
}

// All at once, as on a node without disks and head.
func TestAll(t *testing.T) {
	b, h := try(t, Options{})
	want := &hardware.Burnin{Passed: true, Tests: []hardware.BurninTest{{ID: "memory", Passed: true}, {ID: "cpu", Passed: true}}}
	if diff := cmp.Diff(want, b, cmpopts.IgnoreTypes(&hardware.BurninReadings{}, &hardware.BurninTestReadings{})); diff != "" {
		t.Error(diff)
	}
	if b.Readings.Took <= 0 || time.Since(b.Readings.Time) > time.Minute {
		t.Errorf("%+v", b.Readings)
	}
	if h.all[0].Step != api.BurninStep || !strings.Contains(h.all[0].Message, "for 1 min 00 s: memory, ") {
		t.Errorf("first event %+v", h.all[0])
	}
	steps := map[api.Step]string{}
	for _, e := range h.all {
		if e.State != api.Progress {
			steps[e.Step] += string(e.State) + " "
		}
	}
	if diff := cmp.Diff(map[api.Step]string{"burnin": "start done ", "memory": "start done ", "cpu": "start done ", "disk": "start note done "}, steps); diff != "" {
		t.Error(diff)
	}
}

func write(t *testing.T, root, file, text string) {
	t.Helper()
	path := filepath.Join(root, file)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// loop is a loop device of some size.
func loop(t *testing.T, size int64) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root makes loop devices")
	}
	file := filepath.Join(t.TempDir(), "disk")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Truncate(file, size)); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("losetup", "--find", "--show", "--partscan", file).Output()
	if err != nil {
		t.Skip("no loop devices here: ", err)
	}
	path := strings.TrimSpace(string(out))
	t.Cleanup(func() { exec.Command("losetup", "--detach", path).Run() })
	return path
}

// What tries nothing has not passed: without disks there is no test of them alone.
func TestNothingToTry(t *testing.T) {
	o := Options{Tests: []string{api.DiskTest}, For: time.Second}
	o.seams.list = none
	var refused *RefusedError
	if b, err := Run(t.Context(), o); !errors.As(err, &refused) || b != nil {
		t.Errorf("%+v, %v", b, err)
	}
}
