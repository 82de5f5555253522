// Package units prints and reads byte counts, rates and durations the way
// every message of the project shows them: binary multiples with the IEC
// 80000-13 names ("1.2 GiB"), rates per second ("310 MiB/s"), durations as a
// person says them ("4.2 s", "3 min 05 s").
package units

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

var names = [...]string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}

// Bytes is n in words, three digits or so: "512 B", "4.0 KiB", "1.2 GiB".
func Bytes(n int64) string {
	if n < 0 {
		return "-" + bytes(-float64(n))
	}
	return bytes(float64(n))
}

func bytes(f float64) string {
	unit := 0
	// 999.5 and not 1024, so that no value needs more than three digits
	// before the point.
	for f >= 999.5 && unit < len(names)-1 {
		f /= 1024
		unit++
	}
	if unit == 0 || f >= 9.95 {
		return fmt.Sprintf("%.0f %s", f, names[unit])
	}
	return fmt.Sprintf("%.1f %s", f, names[unit])
}

// Rate is n bytes in d as a rate: "310 MiB/s". Where d is not positive there
// is no rate to tell, and the answer is "- B/s".
func Rate(n int64, d time.Duration) string {
	if d <= 0 || n < 0 {
		return "- B/s"
	}
	return bytes(float64(n)/d.Seconds()) + "/s"
}

// Duration is d as a person says it: "850 ms", "4.2 s", "3 min 05 s",
// "2 h 10 min".
func Duration(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + Duration(-d)
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 59950*time.Millisecond:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour-500*time.Millisecond:
		s := int64(math.Round(d.Seconds()))
		return fmt.Sprintf("%d min %02d s", s/60, s%60)
	}
	m := int64(math.Round(d.Minutes()))
	return fmt.Sprintf("%d h %02d min", m/60, m%60)
}

// ParseBytes reads a byte count: a number, with or without a fraction, and an
// optional unit. K, M, G, T, P, with or without "iB", are binary multiples, as in
// dd, lsblk and qemu-img; KB, MB, GB, TB, PB are decimal, as on a disk's label.
// Case and spaces between number and unit do not matter.
func ParseBytes(s string) (int64, error) {
	text := strings.TrimSpace(s)
	cut := strings.IndexFunc(text, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if cut < 0 {
		cut = len(text)
	}
	number, unit := text[:cut], strings.ToLower(strings.TrimSpace(text[cut:]))
	factor, ok := multiple(unit)
	if !ok || number == "" {
		return 0, fmt.Errorf("size %q not understood (give a number and K, M, G or T, such as 100G)", s)
	}
	if !strings.Contains(number, ".") {
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n > math.MaxInt64/factor {
			return 0, fmt.Errorf("size %q is not a number of bytes that fits 63 bits", s)
		}
		return n * factor, nil
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || f*float64(factor) >= math.MaxInt64 {
		return 0, fmt.Errorf("size %q is not a number of bytes that fits 63 bits", s)
	}
	return int64(math.Round(f * float64(factor))), nil
}

// ParseBits reads a rate in bit/s, 100 kbit/s to 1 Tbit/s: a number, with or
// without a fraction, and k, M or G for powers of a thousand, "bit" and "/s" after
// that: "200M", "1.5Gbit/s".
func ParseBits(s string) (int64, error) {
	number := strings.TrimSuffix(strings.TrimSuffix(s, "/s"), "bit")
	scale := 1.0
	if n := len(number); n > 0 {
		switch number[n-1] {
		case 'k', 'K':
			scale = 1e3
		case 'M':
			scale = 1e6
		case 'G':
			scale = 1e9
		}
		if scale > 1 {
			number = number[:n-1]
		}
	}
	f, err := strconv.ParseFloat(number, 64)
	if n := f * scale; err == nil && n >= 1e5 && n <= 1e12 {
		return int64(n), nil
	}
	return 0, fmt.Errorf("rate %q not understood (give bits in a second, 100k to 1000G, such as 400M)", s)
}

// multiple is how many bytes one of the unit, in lower case, is.
func multiple(unit string) (int64, bool) {
	if unit == "" || unit == "b" {
		return 1, true
	}
	power := strings.IndexByte("kmgtp", unit[0]) + 1
	if power == 0 {
		return 0, false
	}
	base := int64(1024)
	switch unit[1:] {
	case "", "i", "ib":
	case "b":
		base = 1000
	default:
		return 0, false
	}
	n := base
	for range power - 1 {
		n *= base
	}
	return n, true
}
