package smbios_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/inventory/smbios"
	"github.com/orbit-pxe/orbit/pkg/inventory/smbios/smbiostest"
)

// FuzzTable: whatever firmware writes, the decoder comes back, with a table of
// bounded size whose strings are clean.
func FuzzTable(f *testing.F) {
	for _, machine := range smbiostest.Machines() {
		entry, table := machine()
		f.Add(entry, table)
		f.Add([]byte(nil), table)
	}
	for _, c := range malformed() {
		if len(c.table) < 4096 {
			f.Add(c.entry, c.table)
		}
	}
	f.Fuzz(func(t *testing.T, entry, table []byte) {
		got := smbios.Parse(entry, table)
		if len(got.Faults) > 12 {
			t.Errorf("%d faults", len(got.Faults))
		}
		if (got.Err() == nil) != (len(got.Faults) == 0) {
			t.Errorf("error %v for faults %q", got.Err(), got.Faults)
		}
		sane(t, reflect.ValueOf(*got), len(table))
		if _, err := json.Marshal(got); err != nil {
			t.Error(err)
		}
		if again := smbios.Parse(entry, table); !reflect.DeepEqual(got, again) {
			t.Error("decoded twice, it differs")
		}
	})
}

// sane looks at every value in a table of size bytes.
func sane(t *testing.T, v reflect.Value, size int) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			switch v.Type().Field(i).Name {
			case "Faults", "Host", "Service": // words of the decoder's own, and IP addresses
			default:
				sane(t, v.Field(i), size)
			}
		}
	case reflect.Slice:
		if v.Len() > 2048 || v.Len() > size {
			t.Errorf("%d of %v in %d bytes", v.Len(), v.Type(), size)
		}
		for i := range v.Len() {
			sane(t, v.Index(i), size)
		}
	case reflect.String:
		if s := v.String(); s != smbios.Clean(s) && s != "none" && s != "0000:00:00.0" {
			t.Errorf("%q is not clean", s)
		}
	case reflect.Int, reflect.Int64:
		if v.Int() < -1 {
			t.Errorf("%d is negative", v.Int())
		}
	}
}

func BenchmarkParse(b *testing.B) {
	entry, table := smbiostest.Dell()
	b.SetBytes(int64(len(table)))
	b.ReportAllocs()
	for b.Loop() {
		smbios.Parse(entry, table)
	}
}
