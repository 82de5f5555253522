package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/qemu/room"
)

func TestMain(m *testing.M) {
	room.Main()
	os.Exit(m.Run())
}

// cells are a room of one and one of 32, by multicast and by others.
func cells() []*cell {
	good, bad := condition{Name: "good", Rate: 1}, condition{Name: "bad", Rate: 1, Loss: 0.01}
	one := func(c condition, way string, clients int, sent uint64, seconds ...float64) *cell {
		x := &cell{Condition: c, Way: way, Clients: clients, Image: 1000}
		for _, s := range seconds {
			x.Rounds = append(x.Rounds, round{Elapsed: time.Duration(s * 1e9), Sent: sent, Blocks: 1000})
		}
		return x
	}
	return []*cell{
		one(good, "multicast", 1, 1050, 2, 9, 2.2), one(good, "http", 1, 1040, 1.8, 1.8, 1), one(good, "udpcast", 1, 1040, 2.1, 2.1, 2.1),
		one(good, "multicast", 32, 1050, 3.2), one(good, "http", 32, 33000, 60), one(good, "udpcast", 32, 1040, 3.3),
		one(bad, "multicast", 1, 1100, 2), one(bad, "multicast", 32, 1101, 3.1),
	}
}

func TestGoals(t *testing.T) {
	r := &report{Cells: cells(), Costs: []*cost{
		{Rounds: []spent{{PerGB: 1}, {PerGB: 3}}}, {Rounds: []spent{{PerGB: 4}}},
	}}
	var got []string
	for _, g := range r.goals() {
		got = append(got, g.String())
	}
	want := []string{
		"not met  not slower than udpcast to 1 clients, good: 2.20 s and 2.10 s",
		"not met  32 clients in at most 1.5 x the time of one, bad: 1.55, with the CPU idle for 0 % of it",
		"not met  at most 1.1 x the image sent to 32 clients, bad: 1.101, of which headers are 0.101",
		"met      at least 0.8 x as fast as HTTP to one client, good: 2.20 s and 1.80 s",
		"met      32 clients in at most 1.5 x the time of one, good: 1.45, with the CPU idle for 0 % of it",
		"met      not slower than udpcast to 32 clients, good: 3.20 s and 3.30 s",
		"met      at most 1.1 x the image sent to 1 clients, bad: 1.100, of which headers are 0.100",
		"met      batched at most half the server's CPU time of block by block: 0.50",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("goals (-want +got):\n%s", diff)
	}
}

func TestRefuses(t *testing.T) {
	for _, args := range [][]string{
		{"-clients", "0"}, {"-clients", "x"}, {"-ways", "pigeon"}, {"-size", "0"}, {"-loss", "100"}, {"-size", "100000000"}, {"-dir", "/none"},
	} {
		if err := run(t.Context(), args); err == nil {
			t.Errorf("%v was measured", args)
		}
	}
}

// TestQuick measures all of it, in small.
func TestQuick(t *testing.T) {
	if os.Getenv("ORBIT_SLOW") == "" {
		t.Skip("fills rooms for half a minute (set ORBIT_SLOW=1)")
	}
	if os.Getuid() != 0 {
		t.Skip("needs root, for network namespaces")
	}
	p := &plan{dir: t.TempDir(), size: 8 * mib, big: 32 * mib, clients: []int{1, 4}, rounds: 1, rate: 200e6, loss: 0.01, ways: ways("8x8/128"), cost: true}
	r, err := p.measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Cells) != 3*6+2 || len(r.Costs) != 2 || len(r.Goals) == 0 {
		t.Errorf("%d cells, %d costs and %d goals", len(r.Cells), len(r.Costs), len(r.Goals))
	}
	for _, c := range r.Cells {
		one := c.Rounds[0]
		least := float64(p.size) * 8 / 200e6 // seconds; a bucket full of tokens may go faster
		if c.sent() < 1 || c.Condition.Rate > 0 && c.elapsed().Seconds() < 0.8*least || one.Server <= 0 || one.Client <= 0 {
			t.Errorf("%s to %d, %s: %+v", c.Way, c.Clients, c.Condition.Name, one)
		}
		if c.Way == "http" && c.sent() < float64(c.Clients) {
			t.Errorf("HTTP to %d clients took %.2f images", c.Clients, c.sent())
		}
	}
	text, err := json.Marshal(r)
	if err != nil || !strings.Contains(string(text), `"Elapsed"`) {
		t.Errorf("as JSON: %.200s, %v", text, err)
	}
	t.Log("\n" + r.String())
}
