package smbios_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/inventory/smbios"
	"github.com/orbit-pxe/orbit/pkg/inventory/smbios/smbiostest"
)

// system adds a system with a vendor and a product, and a module behind it.
func system(t *smbiostest.Table) *smbiostest.Table {
	t.Add(1, 0x1b, smbiostest.Fields{4: "ACME", 5: "Rocket"})
	return t
}

func modules(t *smbiostest.Table, n int) *smbiostest.Table {
	for range n {
		t.Add(17, 0x28, smbiostest.Fields{4: uint16(0xffff), 0xc: uint16(1024), 0x10: "DIMM"})
	}
	return t
}

// malformed are tables with one thing wrong each. All begin with a good system.
func malformed() map[string]struct {
	entry, table []byte
	fault        string // part of it; "": none
	modules      int    // that are found
} {
	type mistake = struct {
		entry, table []byte
		fault        string
		modules      int
	}
	good := func() *smbiostest.Table { return system(&smbiostest.Table{Major: 3, Minor: 3}) }
	old := func() *smbiostest.Table { return system(&smbiostest.Table{Major: 2, Minor: 8}) }
	with := func(fault string, modules int, t *smbiostest.Table, change func(entry, table []byte) ([]byte, []byte)) mistake {
		entry, table := t.Bytes()
		if change != nil {
			entry, table = change(entry, table)
		}
		return mistake{entry, table, fault, modules}
	}
	raw := func(t *smbiostest.Table, b ...byte) *smbiostest.Table {
		t.Raw = append(t.Raw, b...)
		t.Count++
		return t
	}
	m := map[string]mistake{
		"nothing wrong":                with("", 2, modules(good(), 2), nil),
		"no end marker":                with("it has no end", 2, modules(good(), 2), func(e, b []byte) ([]byte, []byte) { return e, b[:len(b)-6] }),
		"end marker without its zeros": with("", 2, modules(good(), 2), func(e, b []byte) ([]byte, []byte) { return e, b[:len(b)-2] }),
		"cut in a string": with("strings of structure of type 17, handle 0x1002, have no end", 2, modules(good(), 2),
			func(e, b []byte) ([]byte, []byte) { return e, b[:len(b)-6-2] }),
		"cut in a structure": with("handle 0x1002, has 39 bytes, not 40", 1, modules(good(), 2),
			func(e, b []byte) ([]byte, []byte) { return e, b[:len(b)-6-7] }),
		"cut in a header": with("it has no end", 1, modules(good(), 2),
			func(e, b []byte) ([]byte, []byte) { return e, b[:len(b)-6-46+3] }),
		"shorter than the entry point says": with("it has 95 bytes, not 138", 1, modules(old(), 2), func(e, b []byte) ([]byte, []byte) { return e, b[:len(b)-6-37] }),
		"longer than the entry point says":  with("", 2, modules(old(), 2), func(e, b []byte) ([]byte, []byte) { return e, append(b, "rubbish"...) }),
		"fewer structures than the entry point says": with("it has 4 structures, not 7", 2, modules(old(), 2), func(e, b []byte) ([]byte, []byte) {
			return count(e, 7), append(b, 126, 4, 0, 0, 0, 0)
		}),
		"more structures than the entry point says": with("", 1, modules(old(), 2), func(e, b []byte) ([]byte, []byte) { return count(e, 2), b }),
		"behind the end marker":                     with("", 1, modules(raw(modules(good(), 1), 127, 4, 1, 0, 0, 0), 1), nil),
		"behind the end marker, counted":            with("", 2, modules(raw(modules(old(), 1), 127, 4, 1, 0, 0, 0), 1), nil),
		"length 0":                                  with("claims a length of 0", 1, modules(raw(modules(good(), 1), 99, 0, 1, 0, 0, 0), 1), nil),
		"length 3":                                  with("claims a length of 3", 1, modules(raw(modules(good(), 1), 17, 3, 1, 0, 0, 0), 1), nil),
		"length takes the rest":                     with("has 56 bytes, not 255", 0, modules(raw(good(), 17, 255, 1, 0), 1), nil),
		"structure of a header only":                with("of 4 bytes is too short", 1, modules(raw(good(), 17, 4, 1, 0, 0, 0), 1), nil),
		"string beyond the set":                     with("has no string 9", 1, raw(good(), append(module(), "DIMM\x00\x00"...)...), nil),
		"no strings, one referred to":               with("has no string 9", 2, modules(raw(good(), append(module(), 0, 0)...), 1), nil),
		"last string empty":                         with("zeros too many before structure 3", 2, modules(raw(bios(good()), append(module(), "DIMM\x00\x00\x00"...)...), 1), nil),
		"no entry point":                            with("no entry point", 2, modules(good(), 2), func(_, b []byte) ([]byte, []byte) { return nil, b }),
		"entry point of another kind":               with("is none that is known", 2, modules(good(), 2), func(_, b []byte) ([]byte, []byte) { return []byte("_SM4_ and so on and on and on and on"), b }),
		"entry point cut":                           with("is none that is known", 2, modules(good(), 2), func(e, b []byte) ([]byte, []byte) { return e[:20], b }),
		"entry point with a wrong sum":              with("checksum", 2, modules(good(), 2), func(e, b []byte) ([]byte, []byte) { e[5]++; return e, b }),
		"entry point with a wrong length":           with("entry point has 24 bytes, not 200", 2, modules(good(), 2), func(e, b []byte) ([]byte, []byte) { e[6] = 200; return e, b }),
		"refers to itself":                          with("", 1, raw(good(), 17, 0x28, 1, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), nil),
		"thousands of modules":                      with("more than 2048 structures of type 17", 2048, modules(good(), 5000), nil),
	}
	return m
}

func bios(t *smbiostest.Table) *smbiostest.Table {
	t.Add(0, 0x12, smbiostest.Fields{4: "ACME", 5: "1"})
	return t
}

// module is the formatted area of one, with string 9 for its slot.
func module() []byte {
	b := make([]byte, 0x28)
	copy(b, []byte{17, 0x28, 1, 0})
	b[0xd], b[0x10] = 4, 9
	return b
}

func count(entry []byte, n uint16) []byte {
	was := entry[28]
	binary.LittleEndian.PutUint16(entry[28:], n)
	entry[4] += was - entry[28] // whole
	entry[21] += was - entry[28]
	entry[4] += entry[28] - was
	return entry
}

func TestMalformed(t *testing.T) {
	for name, c := range malformed() {
		t.Run(name, func(t *testing.T) {
			got := smbios.Parse(c.entry, c.table)
			if diff := cmp.Diff(smbios.System{Vendor: "ACME", Product: "Rocket"}, got.System); diff != "" {
				t.Errorf("system (-want +got):\n%s", diff)
			}
			if len(got.MemoryDevices) != c.modules {
				t.Errorf("%d modules, want %d", len(got.MemoryDevices), c.modules)
			}
			faults := strings.Join(got.Faults, "; ")
			if c.fault == "" && faults != "" || !strings.Contains(faults, c.fault) {
				t.Errorf("faults %q, want %q", faults, c.fault)
			}
		})
	}
}

// TestTruncated cuts the tables of all machines everywhere: a part is never
// taken for the whole, and what is in it is as it is in the whole.
func TestTruncated(t *testing.T) {
	for name, machine := range smbiostest.Machines() {
		entry, table := machine()
		whole := smbios.Parse(entry, table)
		for n := range len(table) - 2 {
			part := smbios.Parse(entry, table[:n:n])
			if len(part.Faults) == 0 {
				t.Fatalf("%s: no fault in the first %d bytes of %d", name, n, len(table))
			}
			for i := range len(part.MemoryDevices) - 1 { // strings of the last may be cut
				if diff := cmp.Diff(whole.MemoryDevices[i], part.MemoryDevices[i]); diff != "" {
					t.Fatalf("%s, first %d bytes: module %d differs:\n%s", name, n, i, diff)
				}
			}
		}
	}
}

// TestFaultsAreFew: a table that is wrong everywhere does not fill the document.
func TestFaultsAreFew(t *testing.T) {
	table := bytes.Repeat(append(module(), 0, 0), 10000)
	got := smbios.Parse(nil, table)
	if n := len(got.Err().Error()); len(got.Faults) != 12 || n > 2000 {
		t.Errorf("%d faults in %d bytes", len(got.Faults), n)
	}
}

// TestCutString: a part of a string is not taken for the string.
func TestCutString(t *testing.T) {
	b := &smbiostest.Table{Major: 3, Minor: 3}
	b.Add(1, 0x1b, smbiostest.Fields{4: "ACME", 7: "S1234567"})
	entry, table := b.Bytes()
	got := smbios.Parse(entry, table[:len(table)-6-4])
	if diff := cmp.Diff(smbios.System{Vendor: "ACME"}, got.System); diff != "" {
		t.Errorf("system (-want +got):\n%s", diff)
	}
}
