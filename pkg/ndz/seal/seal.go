// Package seal opens the chunks of .ndz images, version 4, that are signed or
// encrypted: SHA-1 with RSA of 512 bits, and Blowfish in CBC mode (PKCS #7
// padding), as Emulab's imagezip writes them.
//
// Both are long obsolete, and whoever has the file that a signature is checked
// with can sign, too. They are here for images that exist. What protects an
// image is a digest of the file from somewhere that is trusted.
package seal

import (
	"crypto/cipher"
	"crypto/sha1"
	"crypto/subtle"
	"fmt"

	"golang.org/x/crypto/blowfish"

	"github.com/orbit-pxe/orbit/pkg/ndz"
)

// Keys opens chunks; it is an ndz.Opener. The zero value opens what is not
// encrypted and not signed, and checks unsigned checksums.
type Keys struct {
	Signer *Signer // checks signatures; if set, everything must be signed
	Cipher []byte  // decrypts: the 32 bytes of ParseCipher
}

// Offset and length of the checksum in a header. It covers the header with
// zeros in its place, and the stream.
const (
	sumOff = 72
	sumLen = 256
)

// Open checks a chunk and decrypts its stream.
func (k *Keys) Open(buf []byte, h *ndz.Header, chunk []byte) ([]byte, error) {
	if len(chunk) < ndz.HeaderSize+h.Size {
		return nil, fmt.Errorf("%w: %d bytes", ndz.ErrTruncated, len(chunk))
	}
	chunk = chunk[:ndz.HeaderSize+h.Size]
	if err := k.verify(h, chunk); err != nil {
		return nil, fmt.Errorf("%w: %w", ndz.ErrSeal, err)
	}
	stream := chunk[ndz.HeaderSize:]
	if h.Cipher == ndz.CipherNone {
		return stream, nil
	}
	stream, err := k.decrypt(buf, h, stream)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ndz.ErrSeal, err)
	}
	return stream, nil
}

// verify compares the checksum of a chunk with what the chunk holds.
func (k *Keys) verify(h *ndz.Header, chunk []byte) error {
	signed := h.Sum&ndz.SumSigned != 0
	switch {
	case k.Signer != nil && !signed:
		return reason("it is not signed")
	case h.Sum == ndz.SumNone:
		return nil
	case signed && k.Signer == nil:
		return reason("it is signed, and there is no key to check that with")
	}
	want := h.Checksum[:sha1.Size]
	if signed {
		var err error
		if want, err = k.Signer.digest(h.Checksum[:]); err != nil {
			return err
		}
	}
	var zeros [sumLen]byte
	d := sha1.New()
	d.Write(chunk[:sumOff])
	d.Write(zeros[:])
	d.Write(chunk[sumOff+sumLen:])
	if subtle.ConstantTimeCompare(d.Sum(nil), want) == 0 {
		return reason("its checksum does not match")
	}
	return nil
}

// decrypt gives the stream in clear.
func (k *Keys) decrypt(buf []byte, h *ndz.Header, stream []byte) ([]byte, error) {
	if len(k.Cipher) == 0 {
		return nil, reason("it is encrypted, and there is no key")
	}
	if len(stream) == 0 || len(stream)%blowfish.BlockSize != 0 {
		return nil, reason("it ends amid a block of the cipher")
	}
	c, err := blowfish.NewCipher(k.Cipher)
	if err != nil {
		return nil, err
	}
	clear := append(buf[:0], stream...)
	cipher.NewCBCDecrypter(c, h.IV[:blowfish.BlockSize]).CryptBlocks(clear, clear)
	pad := int(clear[len(clear)-1])
	if pad == 0 || pad > blowfish.BlockSize {
		return nil, errKey
	}
	for _, b := range clear[len(clear)-pad:] {
		if int(b) != pad {
			return nil, errKey
		}
	}
	return clear[:len(clear)-pad], nil
}

// reason is an error in words.
type reason string

func (r reason) Error() string { return string(r) }

const errKey reason = "it does not decrypt (wrong key, or damaged)"
