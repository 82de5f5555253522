package scsi

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// log makes a log page of parameters, each a code and its bytes.
func log(page byte, parameters ...any) []byte {
	b := []byte{page, 0, 0, 0}
	for i := 0; i < len(parameters); i += 2 {
		data := parameters[i+1].(string)
		b = binary.BigEndian.AppendUint16(b, uint16(parameters[i].(int)))
		b = append(append(b, 0x03, byte(len(data))), data...)
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)-4))
	return b
}

func parse(t *testing.T, b []byte) Log {
	t.Helper()
	l, err := ParseLog(b, b[0]&0x3f)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLogPages(t *testing.T) {
	list := parse(t, []byte{0, 0, 0, 4, 0, 0x02, 0x0d, 0x2f})
	if !list.Has(PageExceptions) || !list.Has(PageTemperature) || list.Has(PageSolidState) {
		t.Errorf("%+v", list)
	}
	s, temperature, ok := parse(t, log(PageExceptions, 0, "\x5d\x10\x26\x41")).Exception()
	if words, failing := s.Warning(); !ok || temperature != 38 || words != "failure predicted" || !failing {
		t.Errorf("exception %+v %d %v", s, temperature, ok)
	}
	s, temperature, ok = parse(t, log(PageExceptions, 0, "\x00\x00\xff")).Exception()
	if words, failing := s.Warning(); !ok || temperature != 0 || words != "" || failing {
		t.Errorf("no exception %+v %d %v", s, temperature, ok)
	}
	if words, failing := (Sense{ASC: 0x0b, ASCQ: 1}).Warning(); words != "temperature too high" || failing {
		t.Error(words)
	}
	if words, failing := (Sense{ASC: 0x0b, ASCQ: 9}).Warning(); words != "informational exception 0b/09h" || failing {
		t.Error(words)
	}
	for name, test := range map[string]struct {
		get  func() (int64, bool)
		want int64
	}{
		"temperature": {wide(parse(t, log(PageTemperature, 0, "\x00\x24", 1, "\x00\x44")).Temperature), 36},
		"cycles":      {parse(t, log(PageStartStop, 1, "201812", 3, "\x00\x00\xc3\x50", 4, "\x00\x00\x00\x4d")).Cycles, 77},
		"wear":        {wide(parse(t, log(PageSolidState, 1, "\x00\x00\x00\x07")).Wear), 7},
		"minutes":     {parse(t, log(PageBackground, 0, "\x00\x01\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00")).Minutes, 65536},
		"uncorrected": {parse(t, log(PageReads, 5, "\x00\x00\x01\x00\x00\x00\x00\x00", 6, "\x00\x02")).Uncorrected, 2},
		"bytes":       {parse(t, log(PageReads, 5, "\x00\x00\x01\x00\x00\x00\x00\x00", 6, "\x00\x02")).Bytes, 1 << 40},
		"most":        {parse(t, log(PageReads, 5, "\xff\xff\xff\xff\xff\xff\xff\xff")).Bytes, math.MaxInt64},
	} {
		if got, ok := test.get(); got != test.want || !ok {
			t.Errorf("%s: %d, %v", name, got, ok)
		}
	}
	for name, get := range map[string]func() (int64, bool){
		"no sensor":       wide(parse(t, log(PageTemperature, 0, "\x00\xff")).Temperature),
		"zero":            wide(parse(t, log(PageTemperature, 0, "\x00\x00")).Temperature),
		"short":           wide(parse(t, log(PageSolidState, 1, "\x00\x00\x00")).Wear),
		"none":            parse(t, log(PageReads)).Bytes,
		"too long":        parse(t, log(PageReads, 5, "123456789")).Bytes,
		"cycles no value": parse(t, log(PageStartStop, 4, "\xff\xff\xff\xff")).Cycles,
	} {
		if got, ok := get(); ok {
			t.Errorf("%s: %d", name, got)
		}
	}
}

func wide(get func() (int, bool)) func() (int64, bool) {
	return func() (int64, bool) { n, ok := get(); return int64(n), ok }
}

func TestBrokenLog(t *testing.T) {
	whole := log(PageReads, 5, "\x00\x01", 6, "\x00\x02")
	for n := range whole {
		if l, err := ParseLog(whole[:n], PageReads); err == nil {
			t.Errorf("%d of %d bytes: %+v", n, len(whole), l)
		}
	}
	cut := append([]byte(nil), whole...)
	cut[3] -= 1
	if l, err := ParseLog(cut, PageReads); err == nil || len(l.Values) != 1 {
		t.Errorf("parameter cut short: %+v, %v", l, err)
	}
	if _, err := ParseLog(whole, PageWrites); err == nil {
		t.Error("another page: no error")
	}
	whole[0], whole[1] = whole[0]|0x40, 1
	if _, err := ParseLog(whole, PageReads); err == nil {
		t.Error("a subpage: no error")
	}
}

func TestSense(t *testing.T) {
	for _, test := range []struct {
		sense  string
		want   Sense
		asleep bool
	}{
		{"700005000000000a00000000200000000000", Sense{5, 0x20, 0}, false}, // recorded
		{"72015e0400000000", Sense{1, 0x5e, 4}, true},
		{"7200 5e03 00000000", Sense{0, 0x5e, 3}, false}, // idle
		{"70000200000000 0a 00000000 0402 00000000", Sense{2, 4, 2}, true},
		{"70000200000000 0a 00000000 0401 00000000", Sense{2, 4, 1}, false}, // becoming ready
		{"70000600", Sense{Key: 6}, false},
	} {
		b, err := hex.DecodeString(removeSpace(test.sense))
		if err != nil {
			t.Fatal(err)
		}
		got, ok := ParseSense(b)
		if !ok || got != test.want || got.Asleep() != test.asleep {
			t.Errorf("%s: %+v, %v, asleep %v", test.sense, got, ok, got.Asleep())
		}
	}
	if s := (Sense{5, 0x20, 0}).Error(); s != "sense key 5h, additional sense 20/00h" {
		t.Error(s)
	}
	for _, b := range [][]byte{nil, {0x70, 0, 5}, {0, 0, 0, 0, 0, 0, 0, 0}} {
		if s, ok := ParseSense(b); ok {
			t.Errorf("%x: %+v", b, s)
		}
	}
}

func removeSpace(s string) string {
	var b []byte
	for i := range len(s) {
		if s[i] != ' ' {
			b = append(b, s[i])
		}
	}
	return string(b)
}

func TestPages(t *testing.T) {
	b1 := []byte{0, 0xb1, 0, 4, 0x1c, 0x20, 0, 0}
	if n := RPM(b1); n != 7200 {
		t.Errorf("%d rpm", n)
	}
	solid := []byte{0, 0xb1, 0, 4, 0, 1, 0, 0}
	if n := RPM(solid) + RPM(b1[:5]) + RPM(nil) + RPM([]byte{0, 0x80, 0, 4, 0x1c, 0x20, 0, 0}); n != 0 {
		t.Errorf("%d rpm", n)
	}
	ata := make([]byte, 4+56+512)
	ata[1], ata[2], ata[3], ata[56], ata[60] = 0x89, 568>>8, 568&0xff, 0xec, 42
	if id := Identify(ata); len(id) != 512 || id[0] != 42 {
		t.Errorf("%d bytes", len(id))
	}
	if Identify(ata[:len(ata)-1]) != nil {
		t.Error("a page cut short has an identity")
	}
	ata[56] = 0xa1 // IDENTIFY PACKET DEVICE
	if Identify(ata) != nil {
		t.Error("a CD drive has an identity")
	}
}

func TestCommands(t *testing.T) {
	for want, cdb := range map[string][]byte{
		"03010000fc00":             RequestSense(),
		"4d006f00000000100000":     LogSense(PageExceptions, 4096),
		"a20100018000000000040000": SecurityIn(1, 1, 2048),
		"37000d00000000000400":     GrownDefects(),
	} {
		if got := hex.EncodeToString(cdb); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	for _, test := range []struct {
		b    []byte
		want int64
		ok   bool
	}{
		{[]byte{0, 0x0d, 0, 24}, 3, true}, {[]byte{0, 0x08, 0, 24}, 6, true}, {[]byte{0, 0x05, 0, 24}, 0, false}, {[]byte{0, 0x0d, 0}, 0, false},
	} {
		if n, ok := ParseGrownDefects(test.b); n != test.want || ok != test.ok {
			t.Errorf("%x: %d, %v", test.b, n, ok)
		}
	}
}

func FuzzLogPage(f *testing.F) {
	f.Add(log(PageReads, 5, "\x00\x01", 6, "\x00\x02"))
	f.Add(log(PageExceptions, 0, "\x5d\x10\x26"))
	f.Add([]byte{0, 0, 0, 2, 0, 0x2f})
	f.Add([]byte{0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x20, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		RPM(b)
		Identify(b)
		ParseGrownDefects(b)
		if s, ok := ParseSense(b); ok {
			s.Asleep()
			s.Warning()
		}
		if len(b) == 0 {
			return
		}
		l, err := ParseLog(b, b[0]&0x3f)
		if err != nil {
			return
		}
		if again, err := ParseLog(b, l.Page); err != nil || !cmp.Equal(l, again) {
			t.Errorf("reads otherwise the second time: %v", err)
		}
		l.Has(PageReads)
		l.Exception()
		l.Temperature()
		l.Wear()
		for _, get := range []func() (int64, bool){l.Cycles, l.Minutes, l.Uncorrected, l.Bytes} {
			if n, _ := get(); n < 0 {
				t.Errorf("%+v gives %d", l, n)
			}
		}
	})
}
