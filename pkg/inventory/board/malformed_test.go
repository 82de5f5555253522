package board

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/inventory/smbios"
	"github.com/orbit-pxe/orbit/pkg/inventory/smbios/smbiostest"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

func TestNothing(t *testing.T) {
	got, err := gather(t.TempDir())
	if diff := cmp.Diff(sections{}, got); diff != "" {
		t.Errorf("found in an empty directory:\n%s", diff)
	}
	for _, want := range []string{"there are no processors", "read memory size"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// TestMalformed puts other things into each file of a server in turn: nothing
// falls over, and what that file does not tell of stays as it was.
func TestMalformed(t *testing.T) {
	files := controllers(server())
	root := files.write(t, smbiostest.Supermicro)
	want, err := gather(root)
	if err != nil {
		t.Fatal(err)
	}
	others := regexp.MustCompile(`/cpu[2-7]/|/index[12]/`)
	for path, content := range files {
		if path = filepath.Join(root, path); others.MatchString(path) {
			continue
		}
		for _, bad := range []string{"", "\n", "-1\n", "99999999999999999999999\n", "0-999999999\n", "\x00\xff\xfe:\n:\n", strings.Repeat("processor\t: 7\nphysical id\t: 9\n", 100)} {
			if err := os.WriteFile(path, []byte(bad), 0o644); err != nil {
				t.Fatal(err)
			}
			got, _ := gather(root)
			b, err := json.Marshal(got)
			if err != nil || len(b) > 64<<10 {
				t.Errorf("%s with %q: %d bytes of JSON, %v", path, bad, len(b), err)
			}
			if diff := cmp.Diff(want.System, got.System); diff != "" {
				t.Errorf("%s with %q: the system differs:\n%s", path, bad, diff)
			}
			if got.Memory == nil || len(got.Memory.Modules) != len(want.Memory.Modules) {
				t.Errorf("%s with %q: lost a module", path, bad)
			}
			if len(got.CPUs) < 2 {
				t.Errorf("%s with %q: lost a socket", path, bad)
			}
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := gather(root); cmp.Diff(want, got) != "" {
		t.Error("it is not as it was")
	}
}

// TestFaultyTable: faults are told once, damage by all who miss something.
func TestFaultyTable(t *testing.T) {
	b := &smbiostest.Table{Major: 3, Minor: 3}
	b.Add(1, 0x1b, smbiostest.Fields{4: "ACME", 7: byte(9)})
	entry, table := b.Bytes()
	root := half().write(t, func() ([]byte, []byte) { return entry, table })
	h, ctx := sysfs.Host{Root: root}, context.Background()
	s, err := System(ctx, h)
	if err == nil || !strings.Contains(err.Error(), "no string 9") || s.Vendor != "ACME" {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := Memory(ctx, h); err != nil {
		t.Error(err)
	}
	smbiostest.Write(t, root, entry, table[:len(table)-10])
	for name, find := range map[string]func() error{
		"system": func() error { _, err := System(ctx, h); return err },
		"cpus":   func() error { _, err := CPUs(ctx, h); return err },
		"memory": func() error { _, err := Memory(ctx, h); return err },
	} {
		if err := find(); err == nil || !strings.Contains(err.Error(), "SMBIOS table is faulty") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestGivenUp: those that look through many files heed their context.
func TestGivenUp(t *testing.T) {
	cause := errors.New("gave up after 1s")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(cause)
	h := sysfs.Host{Root: server().write(t, nil)}
	if _, err := CPUs(ctx, h); !errors.Is(err, cause) {
		t.Errorf("CPUs: %v", err)
	}
	if _, err := NUMA(ctx, h); !errors.Is(err, cause) {
		t.Errorf("NUMA: %v", err)
	}
}

func TestUnevenSockets(t *testing.T) {
	socket := func(b *smbiostest.Table, name string, status byte, cores byte) {
		b.Add(4, 0x2a, smbiostest.Fields{4: name, 5: byte(3), 0x18: status, 0x1a: uint16(0xffff), 0x1c: uint16(0xffff), 0x1e: uint16(0xffff), 0x23: cores, 0x24: cores, 0x25: 2 * cores})
	}
	root := server().write(t, nil)
	for name, c := range map[string]struct {
		table func(*smbiostest.Table)
		want  []string
	}{
		"more in Linux":    {func(b *smbiostest.Table) { socket(b, "CPU", 0x41, 8) }, []string{"CPU 2/4", "package 1 2/4"}},
		"more in SMBIOS":   {func(b *smbiostest.Table) { socket(b, "A", 0x41, 8); socket(b, "B", 0x41, 8); socket(b, "C", 0x42, 8) }, []string{"A 2/4", "B 2/4", "C 8/16"}},
		"first one empty":  {func(b *smbiostest.Table) { socket(b, "A", 0, 0); socket(b, "B", 0x41, 8); socket(b, "C", 0x41, 8) }, []string{"A 0/0", "B 2/4", "C 2/4"}},
		"all of one name":  {func(b *smbiostest.Table) { socket(b, "CPU", 0x41, 8); socket(b, "CPU", 0x41, 8) }, []string{"CPU 2/4", "CPU #2 2/4"}},
		"none has a name":  {func(b *smbiostest.Table) { socket(b, " ", 0x41, 8); socket(b, " ", 0, 8) }, []string{"socket 0 2/4", "socket 1 0/0", "package 1 2/4"}},
		"a coprocessor":    {func(b *smbiostest.Table) { b.Add(4, 0x1a, smbiostest.Fields{4: "FPU", 5: byte(4), 0x18: byte(0x41)}) }, []string{"package 0 2/4", "package 1 2/4"}},
		"nothing is known": {func(*smbiostest.Table) {}, []string{"package 0 2/4", "package 1 2/4"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := &smbiostest.Table{Major: 2, Minor: 7}
			c.table(b)
			entry, table := b.Bytes()
			smbiostest.Write(t, root, entry, table)
			cpus, err := CPUs(context.Background(), sysfs.Host{Root: root})
			if err != nil {
				t.Error(err)
			}
			var got []string
			for _, c := range cpus {
				got = append(got, fmt.Sprintf("%s %d/%d", c.ID, c.Cores, c.Threads))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestSlotIDs: a module keeps its id whatever is in the other slots.
func TestSlotIDs(t *testing.T) {
	for _, c := range []struct{ slots, want []string }{ // slots are "bank/slot"
		{[]string{"/A1", "/A2"}, []string{"A1", "A2"}},
		{[]string{"BANK 0/DIMM0", "BANK 1/DIMM0", "BANK 2/DIMM1"}, []string{"BANK 0 DIMM0", "BANK 1 DIMM0", "DIMM1"}},
		{[]string{"/DIMM", "/DIMM", "/DIMM"}, []string{"DIMM", "DIMM #2", "DIMM #3"}},
		{[]string{"BANK 0/", "/"}, []string{"BANK 0", "slot 1"}},
	} {
		var slots []smbios.MemoryDevice
		for i, text := range c.slots {
			bank, slot, _ := strings.Cut(text, "/")
			slots = append(slots, smbios.MemoryDevice{Bank: bank, Slot: slot, Empty: i > 0})
		}
		if diff := cmp.Diff(c.want, slotIDs(slots)); diff != "" {
			t.Errorf("%q: %s", c.slots, diff)
		}
	}
}
