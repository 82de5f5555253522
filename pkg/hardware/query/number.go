package query

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/units"
)

// num is a number, exact where it is whole.
type num struct {
	whole   int64
	float   float64
	isWhole bool
}

func whole(n int64) num { return num{whole: n, float: float64(n), isWhole: true} }

// compare is negative, 0 or positive.
func (a num) compare(b num) int {
	if a.isWhole && b.isWhole {
		return order(a.whole, b.whole)
	}
	return order(a.float, b.float)
}

func order[T int64 | float64 | string](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// parseNumber reads a number as people write it: digits, a fraction, a unit.
func parseNumber(s string) (num, bool) {
	digits, minus := strings.CutPrefix(s, "-")
	if digits == "" || !isDigit(digits[0]) {
		return num{}, false
	}
	if strings.Trim(digits, "0123456789.") == "" { // no unit: fractions stay
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return whole(n), true
		}
		f, err := strconv.ParseFloat(s, 64)
		return num{float: f}, err == nil
	}
	n, err := units.ParseBytes(digits)
	if minus {
		n = -n
	}
	return whole(n), err == nil
}

// numberOf reads a number of a document.
func numberOf(value any) (num, bool) {
	switch v := value.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return whole(n), true
		}
		f, err := v.Float64()
		return num{float: f}, err == nil
	case float64:
		if n := int64(v); float64(n) == v && v < 1<<53 && v > -1<<53 {
			return whole(n), true
		}
		return num{float: v}, true
	case int:
		return whole(int64(v)), true
	case int64:
		return whole(v), true
	case string:
		// Digits with zeros before them are a code, not a number.
		if strings.Trim(v, "0123456789.") != "" || len(v) > 1 && v[0] == '0' && v[1] != '.' {
			return num{}, false
		}
		return parseNumber(v)
	}
	return num{}, false
}
