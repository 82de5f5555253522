package burnin

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/zeebo/blake3"
)

// unitSize is how many bytes a unit of work hashes.
const unitSize = 5 * len(unit{}.data)

// known is what unit 0 comes to, on any machine.
const known = "bcd72d6dc6e18baa46b2a6d75a369709caea809e8ba2c57f18ffc4597a02b37a"

// unit is some work for one processor: its integer, floating point and vector
// units, and its caches. What it comes to depends on the number alone.
type unit struct {
	data [256 << 10]byte
	a, b [48 * 48]float64
}

// do does the work of a number.
func (u *unit) do(number uint64) [32]byte {
	x := mix(number)
	for i := 0; i < len(u.data); i += 8 {
		x += 0x9e3779b97f4a7c15
		binary.LittleEndian.PutUint64(u.data[i:], mix(x))
	}
	sum := sha256.Sum256(u.data[:])
	for range 2 {
		copy(u.data[:], sum[:])
		b := blake3.Sum256(u.data[:])
		copy(u.data[len(u.data)-len(b):], b[:])
		sum = sha256.Sum256(u.data[:])
	}
	h := blake3.New()
	h.Write(sum[:])
	var word [8]byte
	binary.LittleEndian.PutUint64(word[:], u.floats())
	h.Write(word[:])
	binary.LittleEndian.PutUint64(word[:], u.integers())
	h.Write(word[:])
	h.Sum(sum[:0])
	return sum
}

// floats multiplies matrices of what the data says. Each operation is rounded by
// itself, so that processors which can do two in one come to the same.
func (u *unit) floats() uint64 {
	const n = 48
	for i := range u.a {
		w := binary.LittleEndian.Uint64(u.data[8*i:])
		u.a[i] = float64(w>>11)/(1<<53) + 0.5
		u.b[i] = math.Sqrt(float64(w<<32>>43) + 1)
	}
	var h uint64
	for i := range n {
		for j := range n {
			s := 1.0
			for k := range n {
				s = float64(s + float64(u.a[i*n+k]*u.b[k*n+j]))
			}
			h = bits.RotateLeft64(h, 7) ^ math.Float64bits(float64(s/u.b[i*n+j]))
		}
	}
	return h
}

// integers multiplies, divides and counts bits.
func (u *unit) integers() uint64 {
	h := uint64(1)
	for i := 0; i < 64<<10; i += 16 {
		x, y := binary.LittleEndian.Uint64(u.data[i:]), binary.LittleEndian.Uint64(u.data[i+8:])|1
		hi, lo := bits.Mul64(x^h, y)
		h = hi ^ bits.RotateLeft64(lo, bits.OnesCount64(x)) + x/y + x%(y>>33|1) + uint64(bits.LeadingZeros64(y))
	}
	return h
}
