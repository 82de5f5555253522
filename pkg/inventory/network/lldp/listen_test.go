package lldp

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// asSwitch makes lldpd say what a switch says. The TLVs of 802.1 are given by
// their bytes: VLANs take a kernel that has them.
const asSwitch = `configure system hostname sw1.example
configure system description "Orbit lab switch"
configure system ip management pattern 192.0.2.1
configure ports s-p1 lldp portidsubtype local Gi1/0/7 description "to node 1"
configure lldp custom-tlv oui 00,80,c2 subtype 1 oui-info 00,2a
configure lldp custom-tlv add oui 00,80,c2 subtype 3 oui-info 00,2a,03,6c,61,62
configure lldp custom-tlv add oui 00,12,0f subtype 4 oui-info 05,ee
configure lldp tx-interval 1
`

func TestHearSwitch(t *testing.T) {
	if !inside(t, "lldpd", "lldpcli") {
		return
	}
	s := newSwitches(t)
	a := s.wire("p1", [6]byte{2, 0, 0, 0, 0, 1})
	b := s.wire("p2", [6]byte{2, 0, 0, 0, 0, 2}) // a cable to someone who is silent
	bridge := func() {
		s.there("ip", "link", "add", "br0", "address", "02:00:00:00:00:99", "type", "bridge")
		s.there("ip", "link", "set", "s-p1", "address", "02:00:00:00:00:99", "master", "br0")
		s.there("ip", "link", "set", "br0", "up")
		s.there("ip", "addr", "add", "192.0.2.1/24", "dev", "br0")
	}
	bridge()
	control := s.lldpd(asSwitch, "-I", "s-p1,br0")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	began := time.Now()
	got, err := Listen(ctx, []Port{a}, &PDU{TTL: 120, System: "node1", Description: "Orbit", Capable: Station, Enabled: Station})
	if err != nil {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Errorf("waited on for %v when all were heard", time.Since(began))
	}
	want := map[int]PDU{a.Index: {
		Chassis: ChassisID{ChassisMAC, "\x02\x00\x00\x00\x00\x99"}, Port: PortID{7, "Gi1/0/7"}, PortDescription: "to node 1",
		System: "sw1.example", Description: "Orbit lab switch", Enabled: Bridge, Addresses: []Address{{1, "\xc0\x00\x02\x01"}},
		VLAN: 42, VLANs: []VLAN{{42, "lab"}}, MaxFrame: 1518,
	}}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(PDU{}, "TTL", "Capable")); diff != "" {
		t.Errorf("heard (-want +got):\n%s", diff)
	}

	// What we said stands in the switch's table now.
	var table struct {
		LLDP struct {
			Interface map[string]struct {
				Chassis map[string]struct {
					ID, Capability json.RawMessage
					Descr          string
				}
				Port struct {
					ID    struct{ Type, Value string }
					Descr string
				}
			}
		}
	}
	text := s.there("lldpcli", "-u", control, "-f", "json", "show", "neighbors", "details")
	if err := json.Unmarshal([]byte(text), &table); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	heard := table.LLDP.Interface["s-p1"]
	node, ok := heard.Chassis["node1"]
	if !ok || node.Descr != "Orbit" || heard.Port.ID.Value != "02:00:00:00:00:01" || heard.Port.Descr != "p1" {
		t.Errorf("the switch heard %s", text)
	}

	// The silent one is waited for as long as it was to be.
	ctx, cancel = context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	got, err = Listen(ctx, []Port{a, b}, nil)
	if err != nil || ctx.Err() == nil || len(got) != 1 || got[a.Index].System != "sw1.example" {
		t.Errorf("heard %+v, %v", got, err)
	}
}

func TestHearCDP(t *testing.T) {
	if !inside(t, "lldpd", "lldpcli") {
		return
	}
	s := newSwitches(t)
	a := s.wire("p1", [6]byte{2, 0, 0, 0, 0, 1})
	s.there("ip", "addr", "add", "192.0.2.1/24", "dev", "s-p1")
	s.lldpd("configure system hostname sw2\nconfigure system description \"Old words\"\nconfigure lldp tx-interval 1\n", "-ccc", "-m", "192.0.2.1")
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	got, err := Listen(ctx, []Port{a}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := PDU{Chassis: ChassisID{ChassisLocal, "sw2"}, Port: PortID{PortName, "s-p1"}, System: "sw2", Description: "Old words",
		Capable: Station, Enabled: Station, Addresses: []Address{{1, "\xc0\x00\x02\x01"}}, CDP: true}
	if diff := cmp.Diff(want, got[a.Index], cmpopts.IgnoreFields(PDU{}, "TTL")); diff != "" {
		t.Errorf("heard (-want +got):\n%s", diff)
	}
}

// TestNobody ends at once where there is nobody to wait for, and when it is
// told to.
func TestNobody(t *testing.T) {
	if !inside(t) {
		return
	}
	if got, err := Listen(context.Background(), nil, nil); len(got) != 0 || err != nil {
		t.Errorf("heard %v, %v", got, err)
	}
	s := newSwitches(t)
	a := s.wire("p1", [6]byte{2, 0, 0, 0, 0, 1})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if got, err := Listen(ctx, []Port{a}, nil); len(got) != 0 || err != nil {
		t.Errorf("heard %v, %v", got, err)
	}
	got, err := Listen(context.Background(), []Port{{Index: 4711, Name: "none"}}, nil)
	if len(got) != 0 || err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("heard %v, %v on an interface that is not there", got, err)
	}
	s.run("ip", "link", "set", "p1", "down")
	ctx, cancel = context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := Listen(ctx, []Port{a}, &PDU{TTL: 120}); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("announced on an interface that is down: %v", err)
	}
}
