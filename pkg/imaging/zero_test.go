package imaging

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// The runs cover the data in order without a gap, those that are zero are, and
// no long run of zeros is taken for data.
func TestRuns(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		data := content(seed, 1+random.IntN(1<<22))
		least := grain << random.IntN(4)
		at := 0
		err := runs(data, least, func(r run) error {
			if r.from != at || r.to <= r.from {
				t.Fatalf("seed %d: run from %d to %d follows %d", seed, r.from, r.to, at)
			}
			at = r.to
			if zero := bytes.Count(data[r.from:r.to], []byte{0}) == r.to-r.from; r.zero && !zero {
				t.Fatalf("seed %d: %d to %d is not zero", seed, r.from, r.to)
			}
			if !r.zero && longestZeros(data[r.from:r.to]) >= least+2*grain {
				t.Fatalf("seed %d: %d to %d has a run of zeros of %d", seed, r.from, r.to, longestZeros(data[r.from:r.to]))
			}
			return nil
		})
		if err != nil || at != len(data) {
			t.Fatalf("seed %d: runs end at %d of %d, %v", seed, at, len(data), err)
		}
	}
}

func longestZeros(p []byte) (longest int) {
	n := 0
	for _, c := range p {
		if n++; c != 0 {
			n = 0
		}
		longest = max(longest, n)
	}
	return longest
}

func BenchmarkRuns(b *testing.B) {
	data := content(1, 4*mib)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		runs(data, grain, func(run) error { return nil })
	}
}
