package diff

import (
	"encoding/json"
	"strconv"
)

// equal compares values without ids. Lists are in an order that means something.
func equal(a, b any) bool {
	switch x := a.(type) {
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !equal(x[i], y[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for key := range x {
			if _, ok := y[key]; !ok || !equal(x[key], y[key]) {
				return false
			}
		}
		return true
	case string, bool, nil:
		return a == b
	case json.Number:
		if a == b { // however large it is
			return true
		}
	}
	if n, ok := whole(a); ok {
		m, ok := whole(b)
		return ok && n == m
	}
	f, ok := float(a)
	g, ok2 := float(b)
	return ok && ok2 && f == g
}

// isAlmost tells of sizes of memory that Linux counts: it has some more or less
// of it from one kernel to the next.
func isAlmost(key string, a, b any) bool {
	if key != "usable" && key != "memory" && key != "total" {
		return false
	}
	x, ok := float(a)
	y, ok2 := float(b)
	return ok && ok2 && max(x, y)-min(x, y) <= max(x, y)/64
}

func whole(v any) (int64, bool) {
	switch n := v.(type) {
	case json.Number:
		i, err := strconv.ParseInt(string(n), 10, 64)
		return i, err == nil
	case float64:
		return int64(n), n == float64(int64(n)) && n < 1<<53 && n > -1<<53
	}
	return 0, false
}

func float(v any) (float64, bool) {
	switch n := v.(type) {
	case json.Number:
		f, err := strconv.ParseFloat(string(n), 64)
		return f, err == nil
	case float64:
		return n, true
	}
	return 0, false
}
