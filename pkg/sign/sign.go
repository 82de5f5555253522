// Package sign verifies minisign signatures (https://jedisct1.github.io/minisign,
// "Signature format"): Ed25519 over the message itself ("Ed") or over its
// BLAKE2b-512 digest ("ED", what minisign makes today). Keys and signatures
// are those of the minisign tool. Making them is package secret's.
//
// A public key file and a signature file:
//
//	untrusted comment: <anything>
//	base64("Ed" key id (8) public key (32))
//
//	untrusted comment: <anything>
//	base64("Ed" or "ED" key id (8) signature of the message (64))
//	trusted comment: <anything>
//	base64(signature of the signature above and of the trusted comment (64))
package sign

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/blake2b"
)

const (
	// UntrustedPrefix and TrustedPrefix begin the lines of comments.
	UntrustedPrefix = "untrusted comment: "
	TrustedPrefix   = "trusted comment: "

	// Plain and Prehashed are the algorithms that keys and signatures name.
	Plain     = "Ed"
	Prehashed = "ED"

	// MaxComment is the longest trusted comment that minisign reads, in bytes.
	MaxComment = 8192 - 1 - len(TrustedPrefix)
)

// KeyID names a key pair. It is random and says nothing about the key.
type KeyID [8]byte

// String is the id as minisign prints it: "E7620F1842B4E81F".
func (k KeyID) String() string { return fmt.Sprintf("%016X", binary.LittleEndian.Uint64(k[:])) }

// PublicKey is what signatures are verified with. Keys can be compared.
type PublicKey struct {
	ID  KeyID
	Key [ed25519.PublicKeySize]byte
}

// MalformedError reports a key or signature that is not in minisign's format.
type MalformedError struct {
	What   string // "public key", "signature"
	Reason string
}

func (e *MalformedError) Error() string { return fmt.Sprintf("read %s: %s", e.What, e.Reason) }

// KeyError reports a signature made with another key.
type KeyError struct {
	Want, Got KeyID
}

func (e *KeyError) Error() string {
	return fmt.Sprintf("verify signature: it was made with key %s, not with %s", e.Got, e.Want)
}

// ErrSignature reports a signature that does not fit the message, or whose
// trusted comment was changed.
var ErrSignature = errors.New("verify signature: it does not fit what it is said to sign")

// ParsePublicKey reads a public key: its line in base64, or the two lines of
// a .pub file.
func ParsePublicKey(text string) (PublicKey, error) {
	fail := func(reason string) (PublicKey, error) {
		return PublicKey{}, &MalformedError{"public key", reason}
	}
	lines := splitLines(text)
	switch {
	case len(lines) == 2 && strings.HasPrefix(lines[0], UntrustedPrefix):
		lines = lines[1:]
	case len(lines) != 1:
		return fail("want one line in base64, or a comment and that line")
	}
	b, err := decode(strings.TrimSpace(lines[0]), 42)
	if err != nil {
		return fail(err.Error())
	}
	if string(b[:2]) != Plain {
		return fail(fmt.Sprintf("unknown algorithm %q", b[:2]))
	}
	return PublicKey{KeyID(b[2:10]), [ed25519.PublicKeySize]byte(b[10:])}, nil
}

// String is the key in one line of base64, as minisign -P takes it.
func (k PublicKey) String() string {
	return base64.StdEncoding.EncodeToString(append(append([]byte(Plain), k.ID[:]...), k.Key[:]...))
}

// File is the content of a .pub file.
func (k PublicKey) File() string {
	return UntrustedPrefix + "minisign public key " + k.ID.String() + "\n" + k.String() + "\n"
}

// Verify checks that sig, the text of a .minisig file, is k's signature of
// message, and gives its trusted comment. The comment is as authentic as the
// message, but it may hold any bytes. The error is a *[KeyError],
// [ErrSignature] or a *[MalformedError].
func (k PublicKey) Verify(message, sig []byte) (trustedComment string, err error) {
	s, err := parseSignature(string(sig))
	if err != nil {
		return "", err
	}
	if s.id != k.ID {
		return "", &KeyError{Want: k.ID, Got: s.id}
	}
	if s.prehashed {
		sum := blake2b.Sum512(message)
		message = sum[:]
	}
	if !ed25519.Verify(k.Key[:], message, s.message) || !ed25519.Verify(k.Key[:], append(s.message, s.comment...), s.global) {
		return "", ErrSignature
	}
	return s.comment, nil
}

// signature is a .minisig file taken apart.
type signature struct {
	prehashed bool
	id        KeyID
	message   []byte // signature of the message
	comment   string
	global    []byte // signature of message and comment
}

func parseSignature(text string) (signature, error) {
	fail := func(reason string) (signature, error) {
		return signature{}, &MalformedError{"signature", reason}
	}
	lines := splitLines(text)
	if len(lines) != 4 {
		return fail(fmt.Sprintf("it has %d lines, not 4", len(lines)))
	}
	comment, trusted := strings.CutPrefix(lines[2], TrustedPrefix)
	if !strings.HasPrefix(lines[0], UntrustedPrefix) || !trusted {
		return fail("its comments do not begin with \"untrusted comment: \" and \"trusted comment: \"")
	}
	b, err := decode(lines[1], 74)
	if err != nil {
		return fail(err.Error())
	}
	s := signature{id: KeyID(b[2:10]), message: b[10:], comment: comment}
	switch string(b[:2]) {
	case Plain:
	case Prehashed:
		s.prehashed = true
	default:
		return fail(fmt.Sprintf("unknown algorithm %q", b[:2]))
	}
	if s.global, err = decode(lines[3], ed25519.SignatureSize); err != nil {
		return fail(err.Error())
	}
	return s, nil
}

// splitLines takes off the ends of the lines, and of the last one any number.
func splitLines(text string) []string {
	lines := strings.SplitN(strings.TrimRight(text, "\r\n"), "\n", 6)
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], "\r")
	}
	return lines
}

// decode is size bytes from one line of base64.
func decode(line string, size int) ([]byte, error) {
	if len(line) > 2*size {
		return nil, errors.New("line too long")
	}
	b, err := base64.StdEncoding.Strict().DecodeString(line)
	if err != nil || strings.ContainsAny(line, "\r\n") {
		return nil, errors.New("broken base64")
	}
	if len(b) != size {
		return nil, fmt.Errorf("%d bytes in base64, not %d", len(b), size)
	}
	return b, nil
}
