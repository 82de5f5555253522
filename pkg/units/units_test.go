package units

import (
	"math"
	"testing"
	"time"
)

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 KiB", 1024: "1.0 KiB", 10 << 10: "10 KiB",
		1<<20 - 1: "1.0 MiB", 1288490189: "1.2 GiB", 250059350016: "233 GiB",
		math.MaxInt64: "8.0 EiB", -4096: "-4.0 KiB",
	} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestRate(t *testing.T) {
	if got := Rate(620<<20, 2*time.Second); got != "310 MiB/s" {
		t.Errorf("Rate = %q", got)
	}
	if got := Rate(1, 0); got != "- B/s" {
		t.Errorf("Rate over no time = %q", got)
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 ms", 850 * time.Millisecond: "850 ms", 4200 * time.Millisecond: "4.2 s",
		59949 * time.Millisecond: "59.9 s", 59960 * time.Millisecond: "1 min 00 s",
		185 * time.Second: "3 min 05 s", 130 * time.Minute: "2 h 10 min", -time.Second: "-1.0 s",
	} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%d) = %q, want %q", d, got, want)
		}
	}
}

func TestParseBytes(t *testing.T) {
	for s, want := range map[string]int64{
		"0": 0, "512": 512, "512b": 512, "4k": 4096, "4K": 4096, "4KiB": 4096, "4kb": 4000,
		"100G": 100 << 30, " 1.5 GiB ": 3 << 29, "2T": 2 << 40, "480GB": 480e9, "1Mi": 1 << 20,
	} {
		if got, err := ParseBytes(s); err != nil || got != want {
			t.Errorf("ParseBytes(%q) = %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "G", "-1", "1X", "1GiBs", "1.2.3", "9999999P", "9e9", "99999999999999999999", "8191.99999999P99"} {
		if got, err := ParseBytes(s); err == nil {
			t.Errorf("ParseBytes(%q) = %d, want an error", s, got)
		}
	}
}

func TestParseBits(t *testing.T) {
	for s, want := range map[string]int64{
		"200M": 200e6, "1.5G": 15e8, "800k": 8e5, "100K": 1e5, "200Mbit": 200e6, "1Gbit/s": 1e9, "1000000": 1e6, "1000G": 1e12,
		"": 0, "5": 0, "99k": 0, "-5M": 0, "1T": 0, "M": 0, "NaN": 0, "Inf": 0, "1001G": 0, "9e300G": 0, "200 M": 0,
	} {
		if got, err := ParseBits(s); got != want || (err != nil) != (want == 0) {
			t.Errorf("ParseBits(%q) = %d, %v, want %d", s, got, err, want)
		}
	}
}

func FuzzParseBytes(f *testing.F) {
	f.Add("100G")
	f.Add("1.5 kib")
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := ParseBytes(s); err == nil && n < 0 {
			t.Errorf("ParseBytes(%q) = %d", s, n)
		}
	})
}
