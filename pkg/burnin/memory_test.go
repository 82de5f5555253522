package burnin

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/api"
)

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
