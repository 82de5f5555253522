package ata

import (
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// recorded is what QEMU's IDE disk answered to Linux.
func recorded(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "qemu."+name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// identity makes one with these words.
func identity(words map[int]uint16) []byte {
	b := make([]byte, 512)
	copy(b[54:], "oMed lno e                               ")
	for word, v := range words {
		binary.LittleEndian.PutUint16(b[2*word:], v)
	}
	return b
}

// seal makes the bytes add up to 0.
func seal(b []byte) []byte {
	b[511] = 0
	b[511] = -sum(b[:512])
	return b
}

func TestParseIdentity(t *testing.T) {
	const ok = 1 << 14
	for name, test := range map[string]struct {
		b    []byte
		want Identity
	}{
		"QEMU": {recorded(t, "identity"), Identity{Model: "MyDisk", Serial: "SATA0001", Firmware: "FW1", WWN: "5000c50015ea71ab", RPM: 7200, SMART: true, Sector: 512}},
		"solid, opal, frozen, 4K": {identity(map[int]uint16{48: ok | 1, 69: 1 << 4, 83: ok, 82: 1, 85: 1, 84: ok | 1<<5, 106: ok | 1<<12, 117: 2048, 217: 1, 128: 1 | 8}),
			Identity{Model: "Model one", Solid: true, Trusted: true, Encrypts: true, SMART: true, Logs: true, Sector: 4096, Security: SecurityFrozen}},
		"locked":                     {identity(map[int]uint16{128: 1 | 2 | 4 | 8}), Identity{Model: "Model one", Sector: 512, Security: SecurityLocked}},
		"enabled":                    {identity(map[int]uint16{128: 1 | 2 | 8}), Identity{Model: "Model one", Sector: 512, Security: SecurityEnabled}},
		"disabled":                   {identity(map[int]uint16{128: 1 | 1<<5}), Identity{Model: "Model one", Sector: 512, Security: SecurityDisabled}},
		"words that are not valid":   {identity(map[int]uint16{48: 1, 82: 1, 85: 1, 84: 1 << 5, 106: 1 << 12, 117: 2048, 217: 0xffff, 69: 0xffff, 128: 0xffff}), Identity{Model: "Model one", Sector: 512}},
		"a sector of 8 TiB":          {identity(map[int]uint16{106: ok | 1<<12, 117: 0xffff, 118: 0xffff}), Identity{Model: "Model one", Sector: 512}},
		"checksum that does not lie": {seal(append(identity(map[int]uint16{0: 0x40})[:510], 0xa5, 0)), Identity{Model: "Model one", Sector: 512}},
	} {
		got, err := ParseIdentity(test.b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	broken := seal(append(identity(nil)[:510], 0xa5, 0))
	broken[511]++
	for name, b := range map[string][]byte{"empty": nil, "short": identity(nil)[:511], "zeros": make([]byte, 512), "checksum": broken, "ATAPI": identity(map[int]uint16{0: 0x8580})} {
		if id, err := ParseIdentity(b); err == nil {
			t.Errorf("%s: no error: %+v", name, id)
		}
	}
}

func TestParseSMART(t *testing.T) {
	s, err := ParseSMART(recorded(t, "smart"), recorded(t, "thresholds"))
	if err != nil {
		t.Fatal(err)
	}
	temperature, _ := s.Temperature()
	hours, _ := s.Hours()
	cycles, _ := s.Count(12)
	reallocated, ok := s.Count(5)
	_, none := s.Count(197)
	sectors, _ := s.Get(5)
	want := []any{31, int64(1), int64(0), int64(0), true, false, Attribute{ID: 5, Prefail: true, Value: 100, Worst: 100, Threshold: 36}}
	if diff := cmp.Diff(want, []any{temperature, hours, cycles, reallocated, ok, none, sectors}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, a := range s {
		if a.Failing() {
			t.Errorf("%+v fails", a)
		}
	}
	if s, err := ParseSMART(recorded(t, "smart"), nil); err != nil || s[0].Threshold != 0 {
		t.Errorf("without thresholds: %v, %v", s, err)
	}
	broken := recorded(t, "smart")
	broken[5]++
	for name, b := range map[string][]byte{"empty": nil, "short": recorded(t, "smart")[:511], "checksum": broken} {
		if _, err := ParseSMART(b, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := ParseSMART(recorded(t, "smart"), make([]byte, 100)); err == nil {
		t.Error("short thresholds: no error")
	}
}

func TestAttributes(t *testing.T) {
	s := SMART{
		{ID: 5, Prefail: true, Value: 36, Threshold: 36, Raw: 0x0001_0000_0042},
		{ID: 9, Raw: 0x7f_3412_0010_0001}, {ID: 190, Raw: 0x1e190022}, {ID: 177, Value: 97}, {ID: 173, Value: 80}, {ID: 202, Value: 88}, {ID: 233, Value: 200}, {ID: 179, Value: 99},
	}
	if !s[0].Failing() || s[1].Failing() || (Attribute{Value: 1, Threshold: 254}).Failing() {
		t.Error("thresholds")
	}
	count, _ := s.Count(5)
	hours, _ := s.Hours()
	temperature, _ := s.Temperature()
	if count != 0x42 || hours != 0x100001 || temperature != 34 {
		t.Errorf("count %#x, hours %#x, temperature %d", count, hours, temperature)
	}
	for model, want := range map[string]int{"Samsung SSD 870 EVO 500GB": 3, "CT500MX500SSD1": 12, "Micron_5300_MTFDDAK480TDS": 12, "INTEL SSDSC2KB480G8": -1, "SomeOther": -1} {
		got, ok := s.Wear(model)
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%s: wear %d, want %d", model, got, want)
		}
	}
	if spare, ok := s.Spare("SAMSUNG MZ7LH480"); spare != 99 || !ok {
		t.Errorf("spare %d", spare)
	}
	if _, ok := s.Spare("Other"); ok {
		t.Error("spare of a model that is not known")
	}
}

// statistics makes the log with these values.
func statistics(values map[[2]int]uint64) []byte {
	b := make([]byte, 8*512)
	for page := range 8 {
		b[512*page], b[512*page+2] = 1, byte(page)
	}
	for at, v := range values {
		binary.LittleEndian.PutUint64(b[512*at[0]+at[1]:], v|0xc0<<56)
	}
	return b
}

func TestStatistics(t *testing.T) {
	b := statistics(map[[2]int]uint64{{1, 8}: 12, {1, 16}: 3456, {1, 24}: 1 << 40, {1, 40}: 2, {3, 32}: 5, {3, 56}: 6, {4, 8}: 7, {5, 8}: 0xfe, {6, 24}: 8, {7, 8}: 101})
	s, err := ParseStatistics(b)
	if err != nil {
		t.Fatal(err)
	}
	var got []int64
	for _, f := range []func() (int64, bool){s.PowerCycles, s.Hours, s.Written, s.Read, s.Reallocated, s.Pending, s.Uncorrectable, s.CRCErrors} {
		n, ok := f()
		if !ok {
			t.Error("not there")
		}
		got = append(got, n)
	}
	temperature, _ := s.Temperature()
	wear, _ := s.Wear()
	got = append(got, int64(temperature), int64(wear))
	if diff := cmp.Diff([]int64{12, 3456, 1 << 40, 2, 5, 6, 7, 8, -2, 101}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	b[7*512+2] = 0 // says it is another page
	b[5*512+15] = 0x80
	s, _ = ParseStatistics(b[:8*512-1])
	if _, ok := s.Wear(); ok {
		t.Error("wear of half a page")
	}
	if _, ok := s.Temperature(); ok {
		t.Error("temperature that is not valid")
	}
	if s, err := ParseStatistics(b[:511]); err == nil {
		t.Errorf("short: %v", s)
	}
	directory := make([]byte, 512)
	directory[8] = 8
	if n := Pages(directory, LogStatistics); n != 8 || Pages(directory[:511], LogStatistics) != 0 || Pages(directory, LogDirectory) != 0 {
		t.Errorf("%d pages", n)
	}
}

// TestCDB compares with what sg_sat_identify, hdparm and smartctl send.
func TestCDB(t *testing.T) {
	for _, test := range []struct {
		c    Command
		want string
	}{
		{IdentifyDevice(), "85080e0000000100000000000000ec00"},
		{CheckPowerMode(), "8506200000000000000000000000e500"},
		{ReadData(), "85080e00d000010000004f00c200b000"},
		{ReadThresholds(), "85080e00d100010000004f00c200b000"},
		{ReturnStatus(), "85062000da00000000004f00c200b000"},
		{ReadLog(LogStatistics, 8), "85090e00000008000400000000002f00"},
	} {
		if got := hex.EncodeToString(test.c.CDB()); got != test.want {
			t.Errorf("%+v is %s, want %s", test.c, got, test.want)
		}
	}
}

func TestRegisters(t *testing.T) {
	sense := func(s string) []byte {
		b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, test := range []struct {
		sense               string
		ok, asleep, healthy bool
	}{
		{"7201001d0000000e 090c000000ff0000000000000050", true, false, false}, // recorded: active
		{"7201001d0000000e 090c000000000000000000000050", true, true, false},
		{"7201001d00000012 0202 0000 090c000000800000000000000050", true, false, false}, // behind another descriptor
		{"7201001d0000000e 090c000000000000004f00c20050", true, true, true},             // recorded: healthy
		{"7201001d0000000e 090c000000ff0000004f00c20050", true, false, true},
		{"7201001d0000000e 090c000000ff000000f4002c0050", true, false, false},
		{"700001 0050 0001 0a 00 00 4f c2 001d 00000000", true, true, true}, // fixed
		{"700001 0050 00ff 0a 00 00 f4 2c 001d 00000000", true, false, false},
		{"700005 0000 0000 0a 00 00 00 00 2000 00000000", false, false, false},
		{"7201001d0000000e 090c00000000", false, false, false}, // truncated
		{"7201001d000000ff 09ff00000000", false, false, false},
		{"7205", false, false, false},
		{"", false, false, false},
	} {
		r, ok := ParseRegisters(sense(test.sense))
		if ok != test.ok || ok && r.Asleep() != test.asleep {
			t.Errorf("%s: %+v, %v", test.sense, r, ok)
		}
		if healthy, known := r.Healthy(); healthy != test.healthy || healthy && !known {
			t.Errorf("%s: healthy %v %v", test.sense, healthy, known)
		}
	}
}

func FuzzIdentify(f *testing.F) {
	f.Add(recorded(f, "identity"))
	f.Add(identity(map[int]uint16{48: 1<<14 | 1, 128: 7}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		id, err := ParseIdentity(b)
		if err != nil {
			return
		}
		if len(b) < 512 || id.Model == "" || id.Sector < 512 || id.RPM < 0 || len(id.Model) > 40 || strings.ContainsAny(id.Model+id.Serial+id.Firmware, "\x1b\n\x00") {
			t.Errorf("%+v of %d bytes", id, len(b))
		}
	})
}

func FuzzSMART(f *testing.F) {
	f.Add(recorded(f, "smart"), recorded(f, "thresholds"), statistics(map[[2]int]uint64{{1, 8}: 12}), []byte("\x72\x01\x00\x1d\x00\x00\x00\x0e\x09\x0c\x00\x00\x00\xff\x00\x00\x00\x4f\x00\xc2\x00\x50"))
	f.Fuzz(func(t *testing.T, data, limits, log, sense []byte) {
		if len(data) >= 512 {
			seal(data)
		}
		if len(limits) >= 512 {
			seal(limits)
		} else {
			limits = nil
		}
		if s, err := ParseSMART(data, limits); err == nil {
			if len(s) > attributes {
				t.Errorf("%d attributes", len(s))
			}
			s.Temperature()
			s.Hours()
			s.Count(5)
			if wear, ok := s.Wear("Samsung"); ok && (wear < 0 || wear > 100) {
				t.Errorf("wear %d", wear)
			}
			s.Spare("Crucial")
		}
		if s, err := ParseStatistics(log); err == nil {
			for _, get := range []func() (int64, bool){s.PowerCycles, s.Hours, s.Written, s.Read, s.Reallocated, s.Pending, s.Uncorrectable, s.CRCErrors} {
				if n, _ := get(); n < 0 {
					t.Errorf("count %d", n)
				}
			}
			s.Temperature()
			s.Wear()
		}
		Pages(log, LogStatistics)
		r, _ := ParseRegisters(sense)
		r.Asleep()
		r.Healthy()
	})
}
