package burnin

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

func TestLast(t *testing.T) {
	good := &hardware.Burnin{Tests: []hardware.BurninTest{
		{ID: "memory", Error: "2 words", Readings: &hardware.BurninTestReadings{Bytes: 1 << 40, Passes: 3}},
		{ID: "disk eui.1", Passed: true, Writes: true},
	}, Readings: &hardware.BurninReadings{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Took: 600}}
	text, err := json.Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		name, text string
		want       *hardware.Burnin
		fails      string
	}{
		{"good", string(text), good, ""},
		{"cut", string(text[:len(text)/2]), nil, "unexpected end"},
		{"empty", "", nil, "unexpected end"},
		{"nothing", "{}", nil, "0 tests"},
		{"many", `{"tests":[` + strings.Repeat(`{"id":"x","passed":true},`, 5000) + `{}]}`, nil, "5001 tests"},
	} {
		h := sysfs.Host{Root: t.TempDir()}
		file := h.Path(hardware.BurninFile)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(x.text), 0o644)); err != nil {
			t.Fatal(err)
		}
		got, err := Last(t.Context(), h)
		if diff := cmp.Diff(x.want, got); diff != "" {
			t.Errorf("%s: %s", x.name, diff)
		}
		if x.fails == "" && err != nil || x.fails != "" && (err == nil || !strings.Contains(err.Error(), x.fails)) {
			t.Errorf("%s: %v, want %q", x.name, err, x.fails)
		}
	}
	if got, err := Last(t.Context(), sysfs.Host{Root: t.TempDir()}); got != nil || err != nil {
		t.Errorf("never tried: %v, %v", got, err)
	}
}
