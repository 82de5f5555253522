package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/qemu"
)

// A small node, whose root is memory, is tried in all ways at once: it stays alive,
// and the head has the result with its inventory.
func TestBurnin(t *testing.T) {
	l := newLab(t, ethernet)
	l.serve()
	first, second := l.empty(qemu.Virtio, 32<<20), l.empty(qemu.SATA, 32<<20)
	second.Path += "2"
	for _, d := range []qemu.Disk{first, second} {
		l.check(os.WriteFile(d.Path, bytes.Repeat([]byte("orbit"), 32<<20/5), 0o644))
	}
	l.assign(api.Job{Kind: api.Burnin, Burnin: &api.BurninOptions{For: "60s", Destructive: "bus=sata"}})
	m := l.start(qemu.Node{Memory: 512, Disks: []qemu.Disk{first, second}, Direct: l.direct("orbit.head=" + l.head.URL)})
	n := l.succeeded()

	var d hardware.Document
	for begun := time.Now(); d.Burnin == nil && time.Since(begun) < time.Minute; {
		raw, err := l.get("/v1/nodes/" + mac + "/inventory")
		l.check(err)
		d = hardware.Document{}
		l.check(json.Unmarshal(raw, &d))
	}
	if d.Burnin == nil {
		t.Fatalf("the head has no result; events %+v", n.Events)
	}
	var ids []string
	for _, x := range d.Burnin.Tests {
		t.Logf("%+v %+v", x, *x.Readings)
		ids = append(ids, x.ID)
		if !x.Passed || x.Readings.Bytes == 0 || x.Writes != (x.ID == "disk "+idOf(d, "sata")) {
			t.Errorf("%+v", x)
		}
	}
	want := []string{"memory", "cpu", "disk " + idOf(d, "virtio"), "disk " + idOf(d, "sata"), "network"}
	slices.Sort(ids)
	slices.Sort(want)
	if !slices.Equal(ids, want) {
		t.Errorf("tests %q, want %q", ids, want)
	}
	if took := d.Burnin.Readings.Took; took > 100 {
		t.Errorf("it took %v s of 60", took)
	}
	if r := m.Resets(); r != 0 {
		t.Errorf("%d resets", r)
	}
	for path, same := range map[string]bool{first.Path: true, second.Path: false} {
		b, err := os.ReadFile(path)
		l.check(err)
		if bytes.HasPrefix(b, []byte("orbitorbit")) != same {
			t.Errorf("%s: as it was is %v, want %v", path, !same, same)
		}
	}
}

// idOf is the id of the disk on a bus.
func idOf(d hardware.Document, bus string) string {
	for _, x := range d.Disks {
		if x.Bus == bus {
			return x.ID
		}
	}
	return "none on " + bus
}
