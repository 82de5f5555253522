package seal

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"math/big"
)

// Signer is the key of one who signs, as far as it is needed to check that: an
// RSA key of 512 bits.
type Signer struct {
	modulus, exponent *big.Int
}

const (
	block    = 64 // bytes of a signature
	payload  = 53 // of which the first are the digest, and the rest means nothing
	padding  = block - payload
	cipherIn = 32 // bytes of a key for the cipher
)

// ParseSigner reads a .skey file: lines of hexadecimal digits, the first two of
// them modulus and exponent. The others are private, and of no use here.
func ParseSigner(text []byte) (*Signer, error) {
	lines := bytes.Fields(text)
	if len(lines) < 2 {
		return nil, fmt.Errorf("parse signer's key: %d lines, expected at least 2", len(lines))
	}
	var n [2]*big.Int
	for i := range n {
		var ok bool
		if len(lines[i]) > 2*block {
			return nil, fmt.Errorf("parse signer's key: line %d has %d digits, expected at most %d", i+1, len(lines[i]), 2*block)
		}
		if n[i], ok = new(big.Int).SetString(string(lines[i]), 16); !ok {
			return nil, fmt.Errorf("parse signer's key: line %d is no hexadecimal number", i+1)
		}
	}
	s := &Signer{n[0], n[1]}
	if s.modulus.BitLen() != 8*block || s.modulus.Bit(0) == 0 || s.exponent.Sign() <= 0 || s.exponent.BitLen() > 32 {
		return nil, fmt.Errorf("parse signer's key: modulus of %d bits and exponent of %d bits, expected an odd one of %d and at most 32",
			s.modulus.BitLen(), s.exponent.BitLen(), 8*block)
	}
	return s, nil
}

// ParseCipher reads an .ekey file: 64 hexadecimal digits.
func ParseCipher(text []byte) ([]byte, error) {
	key := make([]byte, cipherIn)
	text = bytes.TrimSpace(text)
	if len(text) != hex.EncodedLen(cipherIn) {
		return nil, fmt.Errorf("parse cipher's key: %d digits, expected %d", len(text), hex.EncodedLen(cipherIn))
	}
	if _, err := hex.Decode(key, text); err != nil {
		return nil, fmt.Errorf("parse cipher's key: %w", err)
	}
	return key, nil
}

// digest is what was signed: PKCS #1 v1.5, block type 1.
func (s *Signer) digest(signature []byte) ([]byte, error) {
	n := new(big.Int).SetBytes(signature[:block])
	if n.Cmp(s.modulus) >= 0 {
		return nil, errSignature
	}
	b := n.Exp(n, s.exponent, s.modulus).FillBytes(make([]byte, block))
	head := bytes.Repeat([]byte{0xff}, padding)
	head[0], head[1], head[padding-1] = 0, 1, 0
	if !bytes.Equal(b[:padding], head) {
		return nil, errSignature
	}
	return b[padding:][:sha1.Size], nil
}

const errSignature reason = "its signature is not by this key"
