package burnin

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/api"
)

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
