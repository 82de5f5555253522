package lab

import (
	"errors"
	"testing"
)

// ForTest makes a lab that ends with the test, or skips the test where none
// can be made.
func ForTest(tb testing.TB, o Options) *Lab {
	tb.Helper()
	l, err := New(o)
	if errors.Is(err, ErrUnavailable) {
		tb.Skip(err)
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := l.Close(); err != nil {
			tb.Errorf("close the lab: %v", err)
		}
	})
	return l
}
