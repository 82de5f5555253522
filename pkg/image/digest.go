package image

import (
	"encoding/hex"
	"fmt"

	"github.com/zeebo/blake3"
)

// Digest is BLAKE3 with 32 bytes of output.
type Digest [32]byte

// Sum is the digest of b.
func Sum(b []byte) Digest { return blake3.Sum256(b) }

// String is the digest in hex.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// IsZero tells a digest that was never set.
func (d Digest) IsZero() bool { return d == Digest{} }

// MarshalText is String.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText is ParseDigest.
func (d *Digest) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDigest(string(text))
	return err
}

// ParseDigest reads what String gives.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(d) {
		return d, fmt.Errorf("%q is not a digest of 64 hexadecimal digits", s)
	}
	return Digest(b), nil
}

// DigestError reports a span that is not what the index says.
type DigestError struct {
	Span      int64
	Want, Got Digest
}

func (e *DigestError) Error() string {
	return fmt.Sprintf("span %d of the image (MiB %d of the disk): its digest is %s, expected %s", e.Span, e.Span, e.Got, e.Want)
}
