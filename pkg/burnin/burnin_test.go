package burnin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
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

func TestMemory(t *testing.T) {
	b, h := try(t, Options{}, api.MemoryTest)
	if len(b.Tests) != 1 || !b.Passed || b.Tests[0].ID != "memory" {
		t.Fatalf("%+v", b)
	}
	r := b.Tests[0].Readings
	if r.Passes != 2 || r.Bytes != 2*4*64*mib || r.Rate <= 0 || r.Took <= 0 {
		t.Errorf("%+v", r)
	}
	if done := h.words(api.Done); !strings.Contains(done, "memory 64 MiB, 2 patterns") || !strings.Contains(done, "burnin 1 tests passed") {
		t.Errorf("events: %s", done)
	}
}

// One bit that does not keep what it is given is found, whichever value it sticks at.
func TestMemoryFault(t *testing.T) {
	for _, stuck := range []func(*uint64){
		func(w *uint64) { *w &^= 1 << 17 },
		func(w *uint64) { *w |= 1 << 17 },
	} {
		var once atomic.Uint64
		o := Options{}
		o.seams.memory = func(words []uint64) {
			once.CompareAndSwap(0, address(words))
			if address(words) == once.Load() {
				stuck(&words[12345])
			}
		}
		b, h := try(t, o, api.MemoryTest)
		e := b.Tests[0].Error
		if b.Passed || !strings.Contains(e, "words were read back wrong: address 0x") || !strings.Contains(e, "bits 0000000000020000; ") {
			t.Errorf("%v %s", b.Passed, e)
		}
		if os.Geteuid() == 0 && !strings.Contains(e, "(physical 0x") {
			t.Errorf("no physical address in %q", e)
		}
		if n := strings.Count(h.words(api.Note), "\n"); n != 1 {
			t.Errorf("%d notes, want that of the first fault", n)
		}
	}
}

// An address line that is stuck makes two words one.
func TestMemoryAddressFault(t *testing.T) {
	o := Options{}
	o.seams.memory = func(words []uint64) { words[1<<10] = words[1<<11] }
	if b, _ := try(t, o, api.MemoryTest); b.Passed || !strings.Contains(b.Tests[0].Error, "addresses") {
		t.Errorf("%+v", b.Tests)
	}
}

func TestMemoryNone(t *testing.T) {
	root := t.TempDir()
	write(t, root, "proc/meminfo", "MemTotal:  131072 kB\nMemAvailable:  65536 kB\n")
	b, _ := try(t, Options{Root: root}, api.MemoryTest)
	if b.Passed || !strings.Contains(b.Tests[0].Error, "no memory to try: 64 MiB are free") {
		t.Errorf("%+v", b.Tests)
	}
}

func TestToTry(t *testing.T) {
	for _, x := range []struct {
		total, free, want int64 // MiB
		share             float64
	}{
		{16384, 16000, 14400, 0.9},
		{16384, 16000, 15200, 0.95},
		{16384, 16000, 1600, 0.1},
		{512, 400, 344, 0.9},
		{512, 30, -26, 0.9},
	} {
		root := t.TempDir()
		write(t, root, "proc/meminfo", "MemTotal: "+fmt.Sprint(x.total<<10)+" kB\nMemAvailable: "+fmt.Sprint(x.free<<10)+" kB\n")
		r := &run{Options: Options{Root: root, Memory: x.share}}
		if got := r.toTry() >> 20; got != x.want {
			t.Errorf("%d MiB of %d of %d MiB, want %d", got, x.free, x.total, x.want)
		}
	}
}

// Whatever the pattern, turning it twice gives it back, and one bit that differs is seen.
func TestPatterns(t *testing.T) {
	names := map[string]bool{}
	for n := range 200 {
		p := patternAt(n, 7)
		names[p.name] = true
		words := make([]uint64, 1000)
		p.fill(words, 5000)
		seen := 0
		bad := func(int, uint64) { seen++ }
		p.compare(words, 5000, bad)
		p.turn(words, 5000, false, bad)
		p.inverted().compare(words, 5000, bad)
		p.inverted().turn(words, 5000, true, bad)
		p.compare(words, 5000, bad)
		if seen != 0 {
			t.Fatalf("%s: %d differ of what was written", p.name, seen)
		}
		words[3] ^= 4
		p.compare(words, 5000, bad)
		p.turn(words, 5000, false, bad)
		words[3] ^= 1 << 63
		p.inverted().turn(words, 5000, true, bad)
		if seen != 3 {
			t.Errorf("%s: a bit that differs is seen %d times of 3", p.name, seen)
		}
	}
	if len(names) != 64+5 {
		t.Errorf("%d kinds of pattern, want each bit's and five more", len(names))
	}
}

func TestCPU(t *testing.T) {
	b, h := try(t, Options{}, api.CPUTest)
	if !b.Passed || b.Tests[0].Readings.Passes < 2 || b.Tests[0].Readings.Bytes == 0 {
		t.Errorf("%+v", b.Tests[0])
	}
	if !strings.Contains(h.words(api.Done), "units of work alike") {
		t.Error(h.words(api.Done))
	}
}

func TestCPUFault(t *testing.T) {
	cpus, err := online()
	if err != nil {
		t.Fatal(err)
	}
	last := cpus[len(cpus)-1]
	for unit, want := range map[uint64]string{0: "cpu " + fmt.Sprint(last) + " computed 1 of 64 kinds of work wrong", 9: "disagree on 1 kinds of work"} {
		if len(cpus) == 1 && unit != 0 {
			continue
		}
		if len(cpus) > 2 {
			want = "cpu " + fmt.Sprint(last) + " computed 1 of 64 kinds of work wrong"
		}
		o := Options{}
		o.seams.sum = func(cpu int, n uint64, sum [32]byte) [32]byte {
			if cpu == last && n == unit {
				sum[0] ^= 1
			}
			return sum
		}
		if b, _ := try(t, o, api.CPUTest); b.Passed || !strings.Contains(b.Tests[0].Error, want) {
			t.Errorf("unit %d: %+v, want %q", unit, b.Tests, want)
		}
	}
}

// The processors that are wrong are those which find what others do not.
func TestVotes(t *testing.T) {
	right, wrong := [32]byte{1}, [32]byte{2}
	for _, x := range []struct {
		name string
		cast func(v *votes)
		want string
	}{
		{"all alike", func(v *votes) {
			for cpu := range 4 {
				v.cast(cpu, 3, right)
			}
		}, ""},
		{"one of four, once", func(v *votes) {
			for cpu := range 4 {
				v.cast(cpu, 3, right)
			}
			v.cast(2, 3, wrong)
		}, "cpu 2 computed 1 of 64 kinds of work wrong"},
		{"one of four, first", func(v *votes) {
			v.cast(1, 3, wrong)
			for cpu := range 4 {
				v.cast(cpu, 3, right)
				v.cast(cpu, 4, right)
			}
			v.cast(1, 4, wrong)
		}, "cpu 1 computed 2 of"},
		{"all wrong about what is known", func(v *votes) { v.cast(0, 0, wrong); v.cast(1, 0, wrong) }, "cpu 0 computed 1 of 64 kinds of work wrong, cpu 1 "},
		{"one against one", func(v *votes) { v.cast(0, 3, right); v.cast(1, 3, wrong) }, "does not show"},
		{"rubbish", func(v *votes) {
			for i := range 10000 {
				v.cast(0, 3, [32]byte{byte(i), byte(i >> 8)})
			}
		}, "does not show"},
	} {
		h := &heard{}
		v := &votes{r: &run{Options: Options{Events: h.sink}}, step: api.CPUStep}
		x.cast(v)
		if err := v.verdict(); x.want == "" && err != nil || x.want != "" && (err == nil || !strings.Contains(err.Error(), x.want)) {
			t.Errorf("%s: %v, want %q", x.name, err, x.want)
		}
		if told := len(h.all); told > 3 {
			t.Errorf("%s: told %d times", x.name, told)
		}
	}
}

// What the machine counts while it is tried fails the test that was under way.
func TestCounts(t *testing.T) {
	root := t.TempDir()
	for file, text := range map[string]string{
		"proc/interrupts":                                                     "      CPU0 CPU1\n  0:  5 5  timer\nMCE:  1 2  Machine check exceptions\n",
		"sys/devices/system/edac/mc/mc0/ce_count":                             "7\n",
		"sys/devices/system/edac/mc/mc0/ue_count":                             "0\n",
		"sys/devices/system/edac/mc/mc0/dimm0/dimm_ce_count":                  "5\n",
		"sys/devices/system/edac/mc/mc0/dimm0/dimm_ue_count":                  "0\n",
		"sys/devices/system/edac/mc/mc0/dimm0/dimm_label":                     "CPU0_DIMM_A1\n",
		"sys/devices/system/edac/mc/mc0/dimm1/dimm_ce_count":                  "0\n",
		"sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count":    "3\n",
		"sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count": "3\n",
		"sys/class/hwmon/hwmon0/name":                                         "nvme\n",
		"sys/class/hwmon/hwmon0/temp1_input":                                  "99000\n",
		"sys/class/hwmon/hwmon1/name":                                         "coretemp\n",
		"sys/class/hwmon/hwmon1/temp2_input":                                  "71500\n",
	} {
		write(t, root, file, text)
	}
	var once sync.Once
	o := Options{Root: root}
	o.seams.sum = func(cpu int, n uint64, sum [32]byte) [32]byte {
		once.Do(func() {
			write(t, root, "sys/devices/system/edac/mc/mc0/ce_count", "10\n")
			write(t, root, "sys/devices/system/edac/mc/mc0/dimm0/dimm_ce_count", "8\n")
			write(t, root, "sys/devices/system/edac/mc/mc0/ue_count", "1\n")
			write(t, root, "proc/interrupts", "MCE:  1 4  Machine check exceptions\n")
			write(t, root, "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "13\n")
			write(t, root, "sys/class/hwmon/hwmon1/temp2_input", "101000\n")
		})
		return sum
	}
	b, h := try(t, o, api.CPUTest)
	want := "the machine counted 1 uncorrectable memory errors of mc0, 2 machine check exceptions, 3 corrected memory errors of CPU0_DIMM_A1"
	if got := b.Tests[0].Error; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if r := b.Tests[0].Readings; r.Throttled != 10 || r.Hottest != 101 {
		t.Errorf("%+v", r)
	}
	if !strings.Contains(h.words(api.Note), "throttled by heat 10 times, at up to 101 degrees") {
		t.Error(h.words(api.Note))
	}
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
