package burnin

import (
	"encoding/hex"
	"testing"
)

// What unit 0 comes to is known: the same on every machine.
func TestKnown(t *testing.T) {
	u := new(unit)
	for range 2 {
		sum := u.do(0)
		if got := hex.EncodeToString(sum[:]); got != known {
			t.Errorf("unit 0 comes to %s, want %s", got, known)
		}
		u.do(5)
	}
}

func BenchmarkUnit(b *testing.B) {
	u := new(unit)
	b.SetBytes(int64(unitSize))
	for i := range b.N {
		u.do(uint64(i))
	}
}
