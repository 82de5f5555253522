package agent

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/hardware"
)

// A burn-in against the head, with the network: the result lies where the
// inventory finds it.
func TestBurnin(t *testing.T) {
	r := newRoom(t)
	r.assign(api.Job{Kind: api.Burnin, Burnin: &api.BurninOptions{For: "2s", Tests: []string{api.CPUTest, api.NetworkTest}}})
	r.start()
	r.wait("job: try this machine for 2.0 s, then shell")
	r.wait("job burnin succeeded; stay up")
	r.wait("waiting for a job")
	r.stays()
	text, err := os.ReadFile(filepath.Join(r.config.State, "burnin.json"))
	if err != nil {
		t.Fatal(err)
	}
	var b hardware.Burnin
	if err := json.Unmarshal(text, &b); err != nil || !b.Passed || len(b.Tests) != 2 || b.Tests[1].Readings.Bytes == 0 {
		t.Errorf("%v %s", err, text)
	}
	n := r.node()
	ended := map[api.Step]bool{}
	for _, e := range n.Events {
		if e.State == api.Done {
			ended[e.Step] = true
		}
	}
	if n.State != api.Succeeded || !ended[api.CPUStep] || !ended[api.TrafficStep] || !ended[api.BurninStep] {
		t.Errorf("%s, ended %v", n.State, ended)
	}
}

// What was not begun is told in the words of whoever refused it.
func TestBurninRefused(t *testing.T) {
	r := newRoom(t)
	r.assign(api.Job{Kind: api.Burnin, Burnin: &api.BurninOptions{For: "2s", Tests: []string{api.DiskTest}, Destructive: "serial=none-such"}})
	r.start()
	r.wait("and WRITE to disk serial=none-such")
	r.wait("job burnin FAILED: orbit refused, the disk is unchanged: burnin: no disk matches")
	r.stays()
	r.wait("this node stays")
	if n := r.node(); n.State != api.Broken || !strings.Contains(n.Console, "no disk matches") {
		t.Errorf("%s, %s", n.State, n.Console)
	}
}
