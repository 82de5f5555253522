package report

import (
	"strconv"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/units"
)

// words joins those that are not empty.
func words(list ...string) string {
	var some []string
	for _, s := range list {
		if s != "" {
			some = append(some, s)
		}
	}
	return strings.Join(some, " ")
}

// named is a value behind its name, "" without a value.
func named(name, value string) string {
	if value == "" {
		return ""
	}
	return name + " " + value
}

// when is a text if something is so.
func when(so bool, text string) string {
	if so {
		return text
	}
	return ""
}

func number(n int) string { return number64(int64(n)) }

// number64 is "" for 0, which stands for unknown.
func number64(n int64) string { return when(n != 0, strconv.FormatInt(n, 10)) }

func size(n int64) string { return when(n != 0, units.Bytes(n)) }

// unit is a number with its unit, "" for 0.
func unit(n int, of string) string { return when(n != 0, number(n)+" "+of) }

// count is a number of things: "1 disk", "2 disks".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return strconv.Itoa(n) + " " + thing + "s"
}

// onOff is a fact that may not be known.
func onOff(name string, fact *bool) string {
	switch {
	case fact == nil:
		return ""
	case *fact:
		return name + " on"
	}
	return name + " off"
}

// decimal is a measured value with at most two digits behind the point.
func decimal(f float64) string {
	s := strconv.FormatFloat(f, 'f', 2, 64)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}
