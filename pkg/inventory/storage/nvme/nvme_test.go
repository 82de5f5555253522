package nvme

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// recorded is what QEMU's NVMe disk answered to Linux.
func recorded(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "qemu."+name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParseController(t *testing.T) {
	got, err := ParseController(recorded(t, "controller"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Controller{Model: "QEMU NVMe Ctrl", Serial: "NVME0001", Firmware: "7.2.22"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	b := recorded(t, "controller")
	b[256] |= 1
	if got, err := ParseController(b); err != nil || !got.Security {
		t.Errorf("%+v, %v", got, err)
	}
	for _, b := range [][]byte{nil, b[:ControllerSize-1], make([]byte, ControllerSize)} {
		if c, err := ParseController(b); err == nil {
			t.Errorf("%d bytes: %+v", len(b), c)
		}
	}
}

func TestParseHealth(t *testing.T) {
	got, err := ParseHealth(recorded(t, "health"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Health{Temperature: 50, HasTemperature: true, Read: 512000}, got); diff != "" {
		t.Errorf("QEMU (-want +got):\n%s", diff)
	}

	b := make([]byte, LogSize)
	b[0], b[3], b[4], b[5] = 0b1001_1101, 8, 10, 130
	binary.LittleEndian.PutUint16(b[1:], 273+41)
	binary.LittleEndian.PutUint64(b[32:], 1000)
	binary.LittleEndian.PutUint64(b[48+8:], 1) // more than 64 bits
	binary.LittleEndian.PutUint64(b[112:], 77)
	binary.LittleEndian.PutUint64(b[128:], 4000)
	binary.LittleEndian.PutUint64(b[144:], 12)
	binary.LittleEndian.PutUint64(b[160:], math.MaxUint64)
	got, err = ParseHealth(b)
	if err != nil {
		t.Fatal(err)
	}
	want := Health{Warning: 0x9d, Temperature: 41, HasTemperature: true, Spare: 8, Threshold: 10, Used: 130, Read: 512e6, Written: math.MaxInt64,
		PowerCycles: 77, PowerOnHours: 4000, UnsafeStops: 12, MediaErrors: math.MaxInt64}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	words := []string{"spare blocks below the threshold", "reliability degraded", "read-only", "backup of volatile memory failed"}
	if diff := cmp.Diff(words, got.Warnings()); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	if _, err := ParseHealth(b[:LogSize-1]); err == nil {
		t.Error("short: no error")
	}
}

func TestNamespace(t *testing.T) {
	b := make([]byte, NamespaceSize)
	for _, tt := range []struct {
		at   int
		id   string
		want string
	}{{0, "", ""}, {120, "\x00\x25\x38\x5b\x71\xb0\x12\x34", "eui.0025385b71b01234"}, {104, "\x01", "nguid.01000000000000000000000000000000"}} {
		copy(b[tt.at:], tt.id)
		if got, err := ParseNamespace(b); got != tt.want || err != nil {
			t.Errorf("%q, %v, want %q", got, err, tt.want)
		}
	}
	if _, err := ParseNamespace(b[1:]); err == nil {
		t.Error("short: no error")
	}
}

func FuzzNVMe(f *testing.F) {
	f.Add(recorded(f, "controller"), recorded(f, "health"))
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, controller, log []byte) {
		if c, err := ParseController(controller); err == nil && (len(controller) < ControllerSize || strings.ContainsAny(c.Model+c.Serial+c.Firmware, "\x1b\x00\n")) {
			t.Errorf("%+v", c)
		}
		if name, err := ParseNamespace(controller); err == nil && (len(controller) < NamespaceSize || len(name) > 40) {
			t.Errorf("namespace %q", name)
		}
		h, err := ParseHealth(log)
		if err == nil && (len(log) < LogSize || h.Read < 0 || h.Written < 0 || h.PowerOnHours < 0 || h.MediaErrors < 0 || len(h.Warnings()) > 6) {
			t.Errorf("%+v", h)
		}
	})
}
