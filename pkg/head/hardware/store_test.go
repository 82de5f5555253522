package hardware

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/hardware"
)

const id = "52:54:00:00:00:01"

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func ptr[T any](v T) *T { return &v }

// machine is a small server, as it would say in a boot.
func machine(boot string) hardware.Document {
	return hardware.Document{
		Schema: hardware.Schema, ID: "4c4c4544-0042-3510-8052-b4c04f4e4e32",
		System: &hardware.System{Vendor: "Dell Inc.", Product: "PowerEdge R430", Serial: "B5RNN2"},
		BMC:    &hardware.BMC{Address: "10.0.0.9", Firmware: "2.4"},
		CPUs:   []hardware.CPU{{ID: "CPU 0", Model: "Xeon", Microcode: "0x1", Flags: []string{"vmx"}}},
		Memory: &hardware.Memory{Total: 32 << 30, Modules: []hardware.DIMM{
			{ID: "DIMM A1", Size: 16 << 30, Serial: "1", Readings: &hardware.ErrorCounts{}},
			{ID: "DIMM A2", Size: 16 << 30, Serial: "2"},
		}},
		Disks: []hardware.Disk{{ID: "naa.5000c500a1b2c3d4", Name: "sda", Size: 1 << 40, Serial: "S1",
			Readings: &hardware.DiskReadings{Temperature: ptr(30)}}},
		NICs: []hardware.NIC{{ID: "52:54:00:00:00:01", Name: "eth0", MAC: "52:54:00:00:00:01", Driver: "igb"}},
		PCI:  []hardware.PCI{{ID: "0000:01:00.0", Class: "020000", Vendor: "8086", Device: "1533"}},
		Readings: &hardware.Taken{Time: noon, Boot: boot, Version: "1.0", Kernel: "6.12",
			Collectors: []hardware.CollectTime{{ID: "disks"}, {ID: "memory"}, {ID: "nics"}}},
	}
}

// boot is a machine's document after some changes.
func boot(t testing.TB, name string, changes ...func(*hardware.Document)) []byte {
	t.Helper()
	d := machine(name)
	for _, change := range changes {
		change(&d)
	}
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func open(t testing.TB, dir string, change ...func(*Options)) *Store {
	t.Helper()
	o := Options{Policy: Policy{Ignore: DefaultIgnore(), Report: DefaultReport()}, Log: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&o)
	}
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func hold(o *Options) { o.Policy.Hold = true }

func put(t testing.TB, s *Store, text []byte, when time.Time) Arrival {
	t.Helper()
	a, err := s.Put(id, text, when)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// latest is the last version and its document as it would be sent out.
func latest(t testing.TB, s *Store) (Version, hardware.Document) {
	t.Helper()
	v, tree, err := s.Latest(id)
	if err != nil {
		t.Fatal(err)
	}
	return v, Typed(tree)
}

func lostDIMM(d *hardware.Document) { d.Memory.Modules = d.Memory.Modules[:1]; d.Memory.Total /= 2 }

func TestHistory(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if _, _, err := s.Latest(id); !errors.Is(err, ErrNone) {
		t.Errorf("before anything came: %v", err)
	}
	text := strings.Replace(string(boot(t, "b1")), `"product":`, `"shade":"teal <&> \u00e4","count":12345678901234567890,"product":`, 1)
	if a := put(t, s, []byte(text), noon); a.Number != 1 || !a.New {
		t.Errorf("first: %+v", a)
	}
	// The same machine a day later: warmer, with other partitions and names.
	again := boot(t, "b2", func(d *hardware.Document) {
		d.Disks[0].Readings.Temperature, d.Disks[0].Name = ptr(45), "sdb"
		d.Disks[0].Table, d.Disks[0].Partitions = "gpt", []hardware.Partition{{ID: "1", Size: 5}}
		d.BMC.Address = "10.0.0.10"
	})
	again = []byte(strings.Replace(string(again), `"product":`, `"shade":"teal <&> \u00e4","count":12345678901234567890,"product":`, 1))
	if a := put(t, s, again, noon.Add(24*time.Hour)); a.Number != 1 || a.New {
		t.Errorf("the same: %+v", a)
	}
	check := func(s *Store, when string) {
		t.Helper()
		v, d := latest(t, s)
		if v.First != noon || !v.Seen.Equal(noon.Add(24*time.Hour)) || v.Boot != "b2" || v.Born != "b1" || *d.Disks[0].Readings.Temperature != 45 || d.Disks[0].Table != "gpt" {
			t.Errorf("%s: %+v, %+v", when, v, d.Disks[0])
		}
		_, tree, err := s.Latest(id)
		system := tree["system"].(map[string]any)
		if err != nil || system["shade"] != "teal <&> ä" || system["count"] != json.Number("12345678901234567890") {
			t.Errorf("%s: fields of newer nodes: %v, %v", when, system, err)
		}
	}
	check(s, "at once")
	check(open(t, dir), "after a restart")

	a := put(t, s, boot(t, "b3", lostDIMM), noon.Add(48*time.Hour))
	if a.Number != 2 || !a.New {
		t.Errorf("with a DIMM less: %+v", a)
	}
	want := []string{
		"memory.modules[DIMM A2]: gone (16 GiB, serial 2)",
		"memory.total: 32 GiB -> 16 GiB",
		"system.count: was 12345678901234567890, is not known now",
		"system.shade: was teal <&> ä, is not known now",
	}
	if diff := cmp.Diff(want, Sentences(a.Changes, 10)); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	s = open(t, dir)
	list, err := s.History(id, 0)
	if err != nil || len(list) != 2 || list[0].Number != 2 || len(list[0].Changes) != 4 || list[1].Number != 1 || list[1].Document != nil {
		t.Errorf("history: %+v, %v", list, err)
	}
	if list, err := s.History(id, 1); err != nil || len(list) != 1 || list[0].Number != 2 {
		t.Errorf("newest of the history: %+v, %v", list, err)
	}
	if got := s.Nodes(); !cmp.Equal(got, []string{id}) {
		t.Errorf("nodes %v", got)
	}
}

func TestAt(t *testing.T) {
	s := open(t, t.TempDir())
	if _, _, err := s.At(id, "1"); !errors.Is(err, ErrNone) {
		t.Errorf("before anything came: %v", err)
	}
	for i := range 3 {
		put(t, s, boot(t, fmt.Sprint("b", i), func(d *hardware.Document) { d.System.Serial = fmt.Sprint("S", i) }), noon.Add(time.Duration(i)*time.Hour))
	}
	for _, test := range []struct {
		word   string
		number int
	}{
		{"", 3}, {"latest", 3}, {"accepted", 3}, {"1", 1}, {"2", 2},
		{"2026-11-23T12:00:00Z", 1}, {"2026-11-23T13:59:59Z", 2}, {"2027-01-01T00:00:00+01:00", 3},
		{"4", 0}, {"0", 0}, {"-1", 0}, {"yesterday", 0}, {"2026-11-23T11:59:59Z", 0}, {"../1", 0},
	} {
		v, tree, err := s.At(id, test.word)
		if v.Number != test.number || (tree == nil) != (test.number == 0) || test.number == 0 && !errors.Is(err, ErrNoVersion) {
			t.Errorf("at %q: version %d, %v", test.word, v.Number, err)
		}
	}
	for _, test := range []struct {
		from, to string
		want     []string
	}{
		{"", "", []string{"system.serial: S1 -> S2"}},
		{"", "1", nil},
		{"", "2", []string{"system.serial: S0 -> S1"}},
		{"1", "", []string{"system.serial: S0 -> S2"}},
		{"3", "1", []string{"system.serial: S2 -> S0"}},
		{"2026-11-23T12:00:00Z", "accepted", []string{"system.serial: S0 -> S2"}},
	} {
		old, new, r, err := s.Diff(id, test.from, test.to)
		if diff := cmp.Diff(test.want, Sentences(r, 9)); diff != "" || err != nil || old.Document != nil || new.Document != nil {
			t.Errorf("from %q to %q: %v (-want +got):\n%s", test.from, test.to, err, diff)
		}
	}
	if _, _, _, err := s.Diff(id, "9", ""); !errors.Is(err, ErrNoVersion) {
		t.Errorf("difference to what there is not: %v", err)
	}
	if _, err := s.Put("../x", boot(t, "b"), noon); err == nil {
		t.Error("a node with a path for a name was taken")
	}
}

// A history has an end: by count and by bytes. What was accepted stays.
func TestHistoryIsBounded(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, hold, func(o *Options) { o.Versions = 4 })
	for i := range 10 {
		put(t, s, boot(t, fmt.Sprint("b", i), func(d *hardware.Document) { d.System.Serial = fmt.Sprint("S", i) }), noon)
	}
	numbers := func(s *Store) (found []int) {
		list, err := s.History(id, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range list {
			found = append(found, v.Number)
		}
		return found
	}
	for _, s := range []*Store{s, open(t, dir, hold)} {
		if diff := cmp.Diff([]int{10, 9, 8, 1}, numbers(s)); diff != "" {
			t.Errorf("kept (-want +got):\n%s", diff)
		}
	}
	big := open(t, t.TempDir(), func(o *Options) { o.Bytes = 300 << 10 })
	for i := range 20 {
		put(t, big, boot(t, fmt.Sprint("b", i), func(d *hardware.Document) {
			d.System.Serial = strings.Repeat(fmt.Sprint(i), 9<<10)
		}), noon)
	}
	if got := numbers(big); len(got) < 2 || len(got) > 10 || got[0] != 20 {
		t.Errorf("of 300 KiB of versions there are %v", got)
	}
}

func TestCorruptFiles(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "half": `{"number":2,"document":{"schema":"orbit-inv`, "of another number": `{"number":7}`,
		"without a document": `{"number":2}`, "of another kind": `{"number":2,"document":[1]}`, "long": strings.Repeat(" ", maxFile+1),
		"deep": `{"number":2,"document":` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			put(t, s, boot(t, "b1"), noon)
			put(t, s, boot(t, "b2", lostDIMM), noon)
			path := filepath.Join(dir, id, fileName(2))
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			s = open(t, dir, hold)
			var corrupt *CorruptError
			if _, _, err := s.Latest(id); !errors.As(err, &corrupt) || corrupt.Path != path {
				t.Errorf("latest: %v", err)
			}
			if _, _, err := s.At(id, "2"); !errors.As(err, &corrupt) {
				t.Errorf("it itself: %v", err)
			}
			if v, _, err := s.At(id, "1"); err != nil || v.Number != 1 {
				t.Errorf("another one: %v", err)
			}
			if list, err := s.History(id, 0); !errors.As(err, &corrupt) || len(list) != 1 {
				t.Errorf("history: %d, %v", len(list), err)
			}
			if why := s.Gate(id, "b2", noon, noon); !strings.Contains(why, "cannot be read") {
				t.Errorf("gate: %q", why)
			}
			if _, err := s.Accept(id, 0, noon); err == nil {
				t.Error("accepted what cannot be read")
			}
			// The next inventory mends it.
			if a := put(t, s, boot(t, "b3"), noon); a.Number != 3 {
				t.Errorf("then: %+v", a)
			}
			if why := s.Gate(id, "b3", noon, noon); why != "" {
				t.Errorf("the machine that version 1 accepted is held: %q", why)
			}
		})
	}
	dir := t.TempDir()
	put(t, open(t, dir), boot(t, "b1"), noon)
	left := filepath.Join(dir, id, ".tmp-000002.json-123")
	if err := os.WriteFile(left, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "lost+found", "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	latest(t, open(t, dir))
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what a power cut left is still there: %v", err)
	}
}

func TestManyAtOnce(t *testing.T) {
	s := open(t, t.TempDir(), hold, func(o *Options) { o.Versions = 5 })
	var wait sync.WaitGroup
	for i := range 8 {
		node := fmt.Sprintf("52:54:00:00:01:%02x", i/2)
		wait.Go(func() {
			for j := range 10 {
				name := fmt.Sprint("b", i, j)
				text := boot(t, name, func(d *hardware.Document) { d.System.Serial = fmt.Sprint(i, j) })
				if _, err := s.Put(node, text, time.Now()); err != nil {
					t.Error(err)
				}
				s.Gate(node, name, noon, noon)
				_, _, err := s.Latest(node)
				_, historyErr := s.History(node, 3)
				_, acceptErr := s.Accept(node, 0, time.Now())
				if err := errors.Join(err, historyErr, acceptErr); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	for _, node := range s.Nodes() {
		if list, err := s.History(node, 0); err != nil || len(list) != 5 || list[0].Number != 20 {
			t.Errorf("%s: %d versions, %v", node, len(list), err)
		}
		if why := s.Differs(node); why != "" {
			t.Errorf("%s: %s", node, why)
		}
	}
}

func BenchmarkPut(b *testing.B) {
	s := open(b, b.TempDir())
	text := boot(b, "b1")
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		put(b, s, text, noon)
	}
}
