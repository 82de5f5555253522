package hardware

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/hardware"
)

func TestGate(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, hold)
	gate := func(when, boot string, want ...string) {
		t.Helper()
		for _, s := range []*Store{s, open(t, dir, hold)} {
			why := s.Gate(id, boot, noon, noon.Add(time.Second))
			if (why == "") != (len(want) == 0) {
				t.Errorf("%s: %q, want %q", when, why, want)
			}
			for _, part := range want {
				if !strings.Contains(why, part) {
					t.Errorf("%s: %q, want %q in it", when, why, part)
				}
			}
		}
	}
	gate("nothing came", "b1", "waiting for the inventory of this boot")
	if why := s.Gate(id, "b1", noon, noon.Add(time.Hour)); !strings.Contains(why, "too old") {
		t.Errorf("after an hour: %q", why)
	}
	put(t, s, boot(t, "b1"), noon)
	gate("first inventory", "b1")
	gate("next boot", "b2", "waiting for the inventory of this boot")
	put(t, s, boot(t, "b2", func(d *hardware.Document) {
		d.Disks[0].Partitions = []hardware.Partition{{ID: "1"}}
		d.CPUs[0].Microcode = "0x2"
		d.USB = []hardware.USB{{ID: "1-1", Vendor: "1d6b", Device: "0002"}}
	}), noon)
	gate("after imaging, with a stick and new microcode", "b2")
	put(t, s, boot(t, "b3", lostDIMM), noon)
	gate("a DIMM is gone", "b3", "not what was accepted", "memory.modules[DIMM A2]: gone", "memory.total: 32 GiB -> 16 GiB")
	gate("of another boot", "b4", "waiting")
	put(t, s, boot(t, "b4", lostDIMM), noon)
	gate("still gone", "b4", "memory.modules[DIMM A2]: gone")
	put(t, s, boot(t, "b5"), noon)
	gate("back again", "b5")
	put(t, s, boot(t, "b6", lostDIMM), noon)
	if v, err := s.Accept(id, 0, noon); err != nil || v.Number != 5 || !v.Accepted.Equal(noon) {
		t.Errorf("accept: %+v, %v", v, err)
	}
	gate("accepted", "b6")
	put(t, s, boot(t, "b7"), noon)
	gate("back after that", "b7", "memory.modules[DIMM A2]: new")

	// A node that does not tell its boot must send after its hello.
	late := noon.Add(time.Minute)
	if why := s.Gate(id, "", late, late); !strings.Contains(why, "waiting") {
		t.Errorf("without a boot, before the inventory: %q", why)
	}
	put(t, s, boot(t, "", lostDIMM), late.Add(time.Second))
	if why := s.Gate(id, "", late, late); why != "" {
		t.Errorf("without a boot, after it: %q", why)
	}
	if _, err := s.Accept("52:54:00:00:00:02", 0, noon); !errors.Is(err, ErrNone) {
		t.Errorf("accept of nothing: %v", err)
	}
	// A head that only reports holds nobody.
	if why := open(t, dir).Gate("52:54:00:00:00:02", "b", noon, noon); why != "" {
		t.Errorf("with a policy to report: %q", why)
	}
}

// What was there while the head only reported is what a policy to hold begins
// with.
func TestFromReportToHold(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	put(t, s, boot(t, "b1"), noon)
	put(t, s, boot(t, "b2", lostDIMM), noon)
	s = open(t, dir, hold)
	put(t, s, boot(t, "b3", lostDIMM), noon)
	if why := s.Gate(id, "b3", noon, noon); why != "" {
		t.Errorf("held: %q", why)
	}
	put(t, s, boot(t, "b4"), noon)
	if why := s.Gate(id, "b4", noon, noon); why == "" {
		t.Error("not held for what changed since")
	}
}

// only is a later look at some sections of a boot.
func only(t testing.TB, name string, sections []string, change func(*hardware.Document)) []byte {
	t.Helper()
	return boot(t, name, func(d *hardware.Document) {
		all := *d
		*d = hardware.Document{Schema: hardware.Schema, ID: "x", Only: sections, Readings: all.Readings, NICs: all.NICs, Disks: all.Disks}
		change(d)
	})
}

func heard(d *hardware.Document) {
	d.NICs[0].Neighbour = &hardware.Neighbour{Switch: "sw1", Port: "ge-0/0/1"}
}

func TestSectionsOfTheSameBoot(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, hold)
	nics := []string{"nics"}
	if _, err := s.Put(id, only(t, "b1", nics, heard), noon); !errors.Is(err, ErrOtherBoot) {
		t.Errorf("sections of nothing: %v", err)
	}
	put(t, s, boot(t, "b1", func(d *hardware.Document) {
		d.Errors = []hardware.Problem{{ID: "bmc", Error: "gave up"}, {ID: "nics", Error: "not root"}}
	}), noon)
	for _, other := range []string{"b2", ""} {
		if _, err := s.Put(id, only(t, other, nics, heard), noon); !errors.Is(err, ErrOtherBoot) {
			t.Errorf("sections of boot %q: %v", other, err)
		}
	}
	put(t, s, only(t, "b1", nics, heard), noon)
	v, d := latest(t, s)
	if v.Number != 1 || d.NICs[0].Neighbour == nil || len(d.Disks) != 1 || d.ID != machine("").ID || d.Only != nil ||
		len(d.Errors) != 1 || d.Errors[0].ID != "bmc" || len(d.Readings.Collectors) != 3 {
		t.Errorf("version %d: %+v", v.Number, d)
	}

	// At the next boot the switch has not been heard of yet.
	put(t, s, boot(t, "b2"), noon)
	v, d = latest(t, open(t, dir, hold))
	want := &hardware.Neighbour{Switch: "sw1", Port: "ge-0/0/1", Readings: &hardware.NeighbourReadings{Earlier: true}}
	if diff := cmp.Diff(want, d.NICs[0].Neighbour); diff != "" || v.Number != 1 {
		t.Errorf("version %d, neighbour (-want +got):\n%s", v.Number, diff)
	}
	put(t, s, only(t, "b2", nics, func(*hardware.Document) {}), noon)
	if _, d = latest(t, s); d.NICs[0].Neighbour != nil {
		t.Errorf("neighbour that was listened for in vain: %+v", d.NICs[0].Neighbour)
	}

	// A section that has become empty is so.
	a := put(t, s, only(t, "b2", []string{"disks"}, func(d *hardware.Document) { d.Disks = nil }), noon)
	if v, d = latest(t, s); v.Number != 2 || len(d.Disks) != 0 || !a.New {
		t.Errorf("version %d: %+v", v.Number, d.Disks)
	}
	if why := s.Differs(id); !strings.Contains(why, "disks[naa.5000c500a1b2c3d4]: gone") {
		t.Errorf("a disk that went in the boot that was accepted: %q", why)
	}
	for _, sections := range [][]string{{"schema"}, {"readings"}, {}} {
		_, err := s.Put(id, only(t, "b2", sections, func(d *hardware.Document) {}), noon)
		var bad *DocumentError
		if len(sections) > 0 && !errors.As(err, &bad) {
			t.Errorf("sections %q: %v", sections, err)
		}
	}
}

// A version is not split because of what is learned later in the boot it is of.
func TestCompletes(t *testing.T) {
	s := open(t, t.TempDir())
	put(t, s, boot(t, "b1"), noon)
	put(t, s, boot(t, "b2", lostDIMM), noon)
	put(t, s, only(t, "b2", []string{"nics"}, func(d *hardware.Document) { d.NICs[0].Driver = "ice" }), noon)
	list, err := s.History(id, 0)
	if err != nil || len(list) != 2 {
		t.Fatalf("%d versions, %v", len(list), err)
	}
	if got := list[0].Changes; len(got) != 3 || got[2].Path != "nics[52:54:00:00:00:01].driver" {
		t.Errorf("changes of the second: %+v", got)
	}
	put(t, s, boot(t, "b3", lostDIMM), noon)
	if list, err := s.History(id, 0); err != nil || len(list) != 3 {
		t.Errorf("%d versions, %v", len(list), err)
	}
}

func failed(section string, text string) func(*hardware.Document) {
	return func(d *hardware.Document) {
		d.Disks = nil
		d.Errors = []hardware.Problem{{ID: section, Error: text}}
	}
}

// A collector that fails makes no disks disappear, and hides none that did.
func TestFailedCollector(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, hold)
	put(t, s, boot(t, "b1"), noon)
	a := put(t, s, boot(t, "b2", failed("disks", "gave up after 1s")), noon)
	if got := Sentences(a.Changes, 9); !cmp.Equal(got, []string{"disks: not compared: gave up after 1s"}) {
		t.Errorf("changes: %q", got)
	}
	if why := s.Gate(id, "b2", noon, noon); !strings.Contains(why, "gave up after 1s") {
		t.Errorf("gate: %q", why)
	}
	if a := put(t, s, boot(t, "b3", failed("disks", "gave up after 1.1s")), noon); a.New {
		t.Errorf("failed again: %+v", a)
	}
	s = open(t, dir, hold)
	a = put(t, s, boot(t, "b4", func(d *hardware.Document) { d.Disks[0].Serial = "S2" }), noon)
	if got := Sentences(a.Changes, 9); !cmp.Equal(got, []string{"disks[naa.5000c500a1b2c3d4].serial: S1 -> S2"}) {
		t.Errorf("changes after that: %q", got)
	}
	// Who accepts a machine whose disks could not be learned is not asked again.
	put(t, s, boot(t, "b5", failed("disks", "gave up after 1s")), noon)
	if _, err := s.Accept(id, 0, noon); err != nil {
		t.Fatal(err)
	}
	put(t, s, boot(t, "b6", failed("disks", "gave up after 1.2s")), noon)
	if why := s.Gate(id, "b6", noon, noon); why != "" {
		t.Errorf("accepted like that: %q", why)
	}
}

// The last burn-in stays though the next boot knows nothing of it.
func TestBurninStays(t *testing.T) {
	s := open(t, t.TempDir(), hold)
	put(t, s, boot(t, "b1"), noon)
	put(t, s, only(t, "b1", []string{"burnin"}, func(d *hardware.Document) {
		d.Burnin = &hardware.Burnin{Tests: []hardware.BurninTest{{ID: "memory", Error: "bit 3"}}}
	}), noon)
	put(t, s, boot(t, "b2"), noon)
	_, d := latest(t, s)
	if d.Burnin == nil || len(d.Burnin.Tests) != 1 {
		t.Errorf("burn-in: %+v", d.Burnin)
	}
	if why := s.Gate(id, "b2", noon, noon); why != "" {
		t.Errorf("held: %q", why)
	}
}

// An update of Orbit knows more about the same machine.
func TestUpdateHoldsNobody(t *testing.T) {
	updated := func(d *hardware.Document) {
		d.Readings.Version = "1.1"
		d.System.Family = "PowerEdge"
		d.CPUs[0].Flags = []string{"avx", "vmx"}
		d.BMC.Firmware = ""
		d.Watchdogs = []hardware.Watchdog{{ID: "iTCO"}} // of a collector that did not run before
	}
	for name, test := range map[string]struct {
		change func(*hardware.Document)
		held   string
	}{
		"as it was":      {func(*hardware.Document) {}, ""},
		"a DIMM less":    {lostDIMM, "memory"},
		"another disk":   {func(d *hardware.Document) { d.Disks = append(d.Disks, hardware.Disk{ID: "x"}) }, "disks[x]: new"},
		"a value":        {func(d *hardware.Document) { d.System.Serial = "other" }, "system.serial"},
		"read-only":      {func(d *hardware.Document) { d.Disks[0].ReadOnly = true }, "read_only"},
		"not an update":  {func(d *hardware.Document) { d.Readings.Version = "1.0" }, "system.family"},
		"another kernel": {func(d *hardware.Document) { d.Readings.Version, d.Readings.Kernel = "1.0", "6.13" }, ""},
	} {
		s := open(t, t.TempDir(), hold)
		put(t, s, boot(t, "b1"), noon)
		put(t, s, boot(t, "b2", updated, test.change), noon)
		if why := s.Gate(id, "b2", noon, noon); (why == "") != (test.held == "") || !strings.Contains(why, test.held) {
			t.Errorf("%s: %q, want %q", name, why, test.held)
		}
	}
}

func TestDocumentsThatAreRefused(t *testing.T) {
	s := open(t, t.TempDir())
	good := string(boot(t, "b1"))
	for name, text := range map[string]string{
		"nothing": "", "text": "hello", "list": "[]", "half": good[:len(good)/2], "two": good + good,
		"no schema": `{"id":"x"}`, "another schema": `{"schema":"lshw/1"}`, "newer": strings.Replace(good, "inventory/1", "inventory/2", 1),
		"deep":   `{"schema":"orbit-inventory/1","x":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + `}`,
		"deeper": strings.Repeat("[", 1<<19), "many": `{"schema":"orbit-inventory/1","x":[` + strings.Repeat("0,", maxValues) + `0]}`,
		"long": good + strings.Repeat(" ", MaxSize),
	} {
		var bad *DocumentError
		if _, err := s.Put(id, []byte(text), noon); !errors.As(err, &bad) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := s.Nodes(); got != nil {
		t.Errorf("nodes %v", got)
	}
	// What is odd, but not hostile, is taken as it is.
	for _, text := range []string{
		`{"schema":"orbit-inventory/1"}`,
		`{"schema":"orbit-inventory/1","disks":7,"nics":[1,null,{"id":5,"neighbour":"x"}],"errors":{"id":1},"readings":[]}`,
		`{"schema":"orbit-inventory/1","disks":null,"memory":{"modules":[[{"id":"a"}]]},"readings":{"boot":"b9","collectors":"x"}}`,
		`{"schema":"orbit-inventory/1","only":"nics","nics":7,"readings":{"boot":"b9"}}`,
		`{"schema":"orbit-inventory/1","only":["nics","new"],"new":{"a":1},"errors":[{"id":"new"},7],"readings":{"boot":"b9"}}`,
	} {
		put(t, s, []byte(text), noon)
	}
	_, tree, err := s.Latest(id)
	if err != nil || !cmp.Equal(tree["new"], any(map[string]any{"a": json.Number("1")})) {
		t.Errorf("a section that only newer nodes know: %v, %v", tree, err)
	}
}

func FuzzPut(f *testing.F) {
	f.Add(boot(f, "b1"), boot(f, "b2", lostDIMM))
	f.Add(boot(f, "b1", heard), only(f, "b1", []string{"nics"}, heard))
	f.Add([]byte(`{"schema":"orbit-inventory/1","nics":[{"id":"a","neighbour":{}}],"readings":{"boot":"b"}}`),
		[]byte(`{"schema":"orbit-inventory/1","only":["nics"],"nics":[{"id":"a"}],"errors":[{"id":"nics"}],"readings":{"boot":"b"}}`))
	names := &Names{}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		x, err := read(a)
		y, err2 := read(b)
		if err != nil || err2 != nil {
			return
		}
		p := Policy{Ignore: DefaultIgnore(), Report: DefaultReport(), Hold: true}
		if _, err := merge(x, y); err == nil && bootOf(x) != bootOf(y) {
			t.Error("merged two boots")
		}
		kept, _ := keep(x, y)
		if r := p.serious(y, kept); !r.Same() {
			t.Errorf("what was kept is a change: %v", Sentences(r, 5))
		}
		p.changes(without(y, x), x)
		Warnings(Typed(names.Add(y, noon)))
	})
}

// What depends on the kernel, on cables, or on what stands elsewhere in the
// network is no reason to keep a room from working.
func TestHoldsNobodyForThat(t *testing.T) {
	updated := func(d *hardware.Document) { d.Readings.Version, d.Readings.Kernel = "2.0", "6.18" }
	first := func(d *hardware.Document) {
		d.CPUs[0].MaxMHz = 4000
		d.NICs[0].Media, d.NICs[0].MaxSpeed = "da", 25000
		d.SDRs = []hardware.SDR{{ID: "n1", Kind: "USRP N210", Bus: "network"}}
	}
	for name, test := range map[string]struct {
		change []func(*hardware.Document)
		held   bool
	}{
		"no cable":                 {change: []func(*hardware.Document){first, func(d *hardware.Document) { d.NICs[0].Media, d.NICs[0].MaxSpeed = "", 10000 }}},
		"a radio elsewhere is off": {change: []func(*hardware.Document){first, func(d *hardware.Document) { d.SDRs = nil }}},
		"a watchdog's driver": {change: []func(*hardware.Document){first, updated, func(d *hardware.Document) {
			d.Watchdogs = []hardware.Watchdog{{ID: "iTCO_wdt"}}
			d.CPUs[0].MaxMHz = 3900
			d.SerialPorts = []hardware.SerialPort{{ID: "ttyS1"}}
		}}},
		"a BMC that is slow": {change: []func(*hardware.Document){first, func(d *hardware.Document) {
			d.BMC, d.Errors = nil, []hardware.Problem{{ID: "bmc", Error: "ask the BMC for its LAN channel: gave up after 1s"}}
		}}},
		"virtual media of the BMC": {change: []func(*hardware.Document){first, func(d *hardware.Document) {
			d.Disks = append(d.Disks, hardware.Disk{ID: "usb-1", Bus: "usb", Size: 1 << 20})
			d.NICs = append(d.NICs, hardware.NIC{ID: "usb-2", Bus: "usb"})
		}}},
		"a list in what was there": {change: []func(*hardware.Document){first, updated, func(d *hardware.Document) {
			d.CPUs[0].Caches = []hardware.Cache{{ID: "L1"}}
		}}},
		"a driver for what was there": {change: []func(*hardware.Document){first, updated, func(d *hardware.Document) {
			d.NICs = append(d.NICs, hardware.NIC{ID: "n2", Address: "0000:01:00.0"})
			d.PCI[0].Driver, d.TPM = "ice", &hardware.TPM{Version: "2.0"}
		}}},
		"a driver without an update": {held: true, change: []func(*hardware.Document){first, func(d *hardware.Document) {
			d.NICs = append(d.NICs, hardware.NIC{ID: "n2", Address: "0000:01:00.0"})
		}}},
		"a card that came with an update": {held: true, change: []func(*hardware.Document){first, updated, func(d *hardware.Document) {
			d.NICs = append(d.NICs, hardware.NIC{ID: "n2", Address: "0000:02:00.0"})
		}}},
		"the same without an update": {held: true, change: []func(*hardware.Document){first, func(d *hardware.Document) {
			d.CPUs[0].Caches = []hardware.Cache{{ID: "L1"}}
		}}},
		"a disk inside, with an update": {held: true, change: []func(*hardware.Document){first, updated, func(d *hardware.Document) {
			d.Disks = append(d.Disks, hardware.Disk{ID: "sas-1", Bus: "sas"})
		}}},
		"a module more, with an update": {held: true, change: []func(*hardware.Document){first, updated, func(d *hardware.Document) {
			d.Memory.Modules = append(d.Memory.Modules, hardware.DIMM{ID: "DIMM A3"})
		}}},
	} {
		s := open(t, t.TempDir(), hold)
		put(t, s, boot(t, "b1", first), noon)
		put(t, s, boot(t, "b2", test.change...), noon)
		if why := s.Gate(id, "b2", noon, noon); (why != "") != test.held {
			t.Errorf("%s: held: %q, want %v", name, why, test.held)
		}
	}
}
