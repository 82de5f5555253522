// Package secret makes minisign keys and signatures, and reads and writes the
// secret key files of the minisign tool, with a password or without. Nodes
// only verify: that is package sign.
//
// A secret key file is a comment line and one of base64 with
//
//	  0  2  "Ed"
//	  2  2  "Sc" for scrypt, or two zeros for no password
//	  4  2  "B2"
//	  6 32  salt
//	 38  8  operations limit, little-endian (see kdf.go)
//	 46  8  memory limit in bytes, little-endian
//	 54  8  key id       \
//	 62 64  secret key    } with a password XORed with the derived key
//	126 32  checksum     /
//
// where the checksum is BLAKE2b-256 of "Ed", key id and secret key. minisign
// leaves it zero if there is no password.
package secret

import (
	"bytes"
	"crypto/ed25519"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/blake2b"

	"github.com/orbit-pxe/orbit/pkg/sign"
)

const (
	fileBytes = 158
	scryptKDF = "Sc"
	noKDF     = "\x00\x00"
	checksum  = "B2"
)

// ErrPassword reports a password that does not open a key, or a damaged file:
// that cannot be told apart.
var ErrPassword = errors.New("open secret key: wrong password, or the file is damaged")

// Key is a key pair. It must not be printed.
type Key struct {
	id   sign.KeyID
	priv ed25519.PrivateKey
}

// Generate makes a key pair from random, which is crypto/rand.Reader.
func Generate(random io.Reader) (Key, error) {
	b := make([]byte, len(sign.KeyID{})+ed25519.SeedSize)
	if _, err := io.ReadFull(random, b); err != nil {
		return Key{}, fmt.Errorf("generate key: %w", err)
	}
	return Key{sign.KeyID(b[:8]), ed25519.NewKeyFromSeed(b[8:])}, nil
}

// Public is the public half.
func (k Key) Public() sign.PublicKey {
	return sign.PublicKey{ID: k.id, Key: [ed25519.PublicKeySize]byte(k.priv[ed25519.SeedSize:])}
}

// Sign gives the text of a .minisig file for message. The trusted comment is
// one line that is signed as well.
func (k Key) Sign(message []byte, trustedComment string) ([]byte, error) {
	if strings.ContainsAny(trustedComment, "\r\n") {
		return nil, errors.New("sign: the trusted comment has more than one line")
	}
	if len(trustedComment) > sign.MaxComment {
		return nil, fmt.Errorf("sign: the trusted comment has more than %d bytes", sign.MaxComment)
	}
	sum := blake2b.Sum512(message)
	sig := ed25519.Sign(k.priv, sum[:])
	global := ed25519.Sign(k.priv, append(bytes.Clone(sig), trustedComment...))
	var b strings.Builder
	b.WriteString(sign.UntrustedPrefix + "signature from minisign secret key\n")
	b.WriteString(base64.StdEncoding.EncodeToString(append(append([]byte(sign.Prehashed), k.id[:]...), sig...)) + "\n")
	b.WriteString(sign.TrustedPrefix + trustedComment + "\n")
	b.WriteString(base64.StdEncoding.EncodeToString(global) + "\n")
	return []byte(b.String()), nil
}

// Encrypted tells whether Parse needs a password for the text of a secret key
// file.
func Encrypted(text string) (bool, error) {
	b, err := decode(text)
	if err != nil {
		return false, err
	}
	return string(b[2:4]) == scryptKDF, nil
}

// Parse opens a secret key file, with its password if it has one. Deriving the
// key takes a second or more, and as much memory as the file says: a GiB for
// those of minisign. The error is [ErrPassword] or a *[sign.MalformedError].
func Parse(text string, password []byte) (Key, error) {
	b, err := decode(text)
	if err != nil {
		return Key{}, err
	}
	secret := b[54:]
	if string(b[2:4]) == scryptKDF {
		l := Limits{Ops: binary.LittleEndian.Uint64(b[38:]), Memory: binary.LittleEndian.Uint64(b[46:])}
		stream, err := l.derive(password, b[6:38], len(secret))
		if err != nil {
			return Key{}, err
		}
		subtle.XORBytes(secret, secret, stream)
	}
	k := Key{sign.KeyID(secret[:8]), ed25519.PrivateKey(bytes.Clone(secret[8:72]))}
	sum := k.checksum()
	bare := string(b[2:4]) == noKDF && bytes.Count(secret[72:], []byte{0}) == len(sum)
	if !bare && subtle.ConstantTimeCompare(sum[:], secret[72:]) == 0 {
		return Key{}, ErrPassword
	}
	if !ed25519.NewKeyFromSeed(k.priv.Seed()).Equal(k.priv) {
		return Key{}, &sign.MalformedError{What: "secret key", Reason: "its public half belongs to another key"}
	}
	return k, nil
}

// File is the content of a secret key file, encrypted with the password unless
// that is empty. The salt comes from random, which is crypto/rand.Reader.
func (k Key) File(random io.Reader, password []byte, l Limits) (string, error) {
	b := make([]byte, 0, fileBytes)
	kind, salt := noKDF, make([]byte, 32)
	if len(password) > 0 {
		kind = scryptKDF
		if _, err := io.ReadFull(random, salt); err != nil {
			return "", fmt.Errorf("write secret key: %w", err)
		}
	} else {
		l = Limits{}
	}
	b = append(b, sign.Plain+kind+checksum...)
	b = append(b, salt...)
	b = binary.LittleEndian.AppendUint64(b, l.Ops)
	b = binary.LittleEndian.AppendUint64(b, l.Memory)
	b = append(b, k.id[:]...)
	b = append(b, k.priv...)
	sum := k.checksum()
	b = append(b, sum[:]...)
	comment := "minisign secret key " + k.id.String()
	if len(password) > 0 {
		stream, err := l.derive(password, salt, len(b[54:]))
		if err != nil {
			return "", err
		}
		subtle.XORBytes(b[54:], b[54:], stream)
		comment = "minisign encrypted secret key"
	}
	return sign.UntrustedPrefix + comment + "\n" + base64.StdEncoding.EncodeToString(b) + "\n", nil
}

func (k Key) checksum() [32]byte {
	return blake2b.Sum256(append(append([]byte(sign.Plain), k.id[:]...), k.priv...))
}

// decode gives the bytes of a secret key file, its three algorithms checked.
func decode(text string) ([]byte, error) {
	fail := func(format string, args ...any) ([]byte, error) {
		return nil, &sign.MalformedError{What: "secret key", Reason: fmt.Sprintf(format, args...)}
	}
	comment, rest, ok := strings.Cut(text, "\n")
	line := strings.TrimRight(rest, "\r\n")
	if !ok || !strings.HasPrefix(comment, sign.UntrustedPrefix) || strings.ContainsAny(line, "\r\n") {
		return fail("want a line \"untrusted comment: ...\" and one in base64")
	}
	if len(line) > base64.StdEncoding.EncodedLen(fileBytes) {
		return fail("line too long")
	}
	b, err := base64.StdEncoding.Strict().DecodeString(line)
	if err != nil {
		return fail("broken base64")
	}
	if len(b) != fileBytes {
		return fail("%d bytes in base64, not %d", len(b), fileBytes)
	}
	if string(b[:2]) != sign.Plain || string(b[4:6]) != checksum || string(b[2:4]) != scryptKDF && string(b[2:4]) != noKDF {
		return fail("unknown algorithms %q", b[:6])
	}
	return b, nil
}
