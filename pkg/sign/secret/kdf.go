package secret

import (
	"fmt"

	"golang.org/x/crypto/scrypt"

	"github.com/orbit-pxe/orbit/pkg/sign"
)

// Limits say how much work a guess at a password costs, in the terms of
// libsodium's crypto_pwhash_scryptsalsa208sha256, which derives scrypt's
// parameters from them.
type Limits struct {
	Ops    uint64
	Memory uint64 // bytes
}

// Sensitive is what minisign uses: 1 GiB of memory and a few seconds.
func Sensitive() Limits { return Limits{Ops: 1 << 25, Memory: 1 << 30} }

const (
	blockSize = 8       // scrypt's r
	maxOps    = 1 << 27 // four times what minisign uses
	maxMemory = 1 << 30
)

// params are scrypt's N and p.
func (l Limits) params() (n, p int) {
	ops := max(l.Ops, 32768)
	if ops < l.Memory/32 {
		return power(ops / (blockSize * 4)), 1
	}
	n = power(l.Memory / (blockSize * 128))
	return n, int(min(ops/4/uint64(n), 0x3fffffff) / blockSize)
}

// power is the least power of two, from 2 on, above half of n.
func power(n uint64) int {
	p := uint64(2)
	for p <= n/2 && p < 1<<62 {
		p *= 2
	}
	return int(p)
}

// derive stretches a password to n bytes.
func (l Limits) derive(password, salt []byte, n int) ([]byte, error) {
	if l.Ops > maxOps || l.Memory > maxMemory {
		return nil, &sign.MalformedError{What: "secret key", Reason: fmt.Sprintf("opening it would take %d operations and %d bytes of memory", l.Ops, l.Memory)}
	}
	cost, parallel := l.params()
	b, err := scrypt.Key(password, salt, cost, blockSize, parallel, n)
	if err != nil {
		return nil, &sign.MalformedError{What: "secret key", Reason: err.Error()}
	}
	return b, nil
}
