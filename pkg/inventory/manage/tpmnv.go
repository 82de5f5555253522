package manage

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Where the certificate of the endorsement key is: the indices that the EK
// Credential Profile (sections 2.2.1.4 and 2.2.1.5) gives to those of RSA 2048,
// ECC P-256, and then of larger keys.
var certificates = [...]uint32{0x01c00002, 0x01c0000a, 0x01c00012, 0x01c00014, 0x01c00016, 0x01c00018, 0x01c0001c, 0x01c0001e}

const firstIndex = 0x01c00000

// mostCertificate is more than any certificate has.
const mostCertificate = 8192

// Bits of TPMA_NV.
const (
	nvOwnerRead  = 1 << 17
	nvAuthRead   = 1 << 18
	nvNoDA       = 1 << 25 // failing is not counted as an attack
	nvReadLocked = 1 << 28
	nvWritten    = 1 << 29
)

// ekCert is the SHA-256 of the endorsement key's certificate in DER, "" if the
// TPM doesn't hold one.
func (t tpm2) ekCert(chunk uint32) (string, error) {
	there, err := t.list(capHandles, firstIndex, 64, 1)
	if err != nil {
		return "", fmt.Errorf("list the TPM's memory: %w", err)
	}
	for _, index := range certificates {
		if !slices.Contains(there, index) {
			continue
		}
		der, err := t.certificate(index, chunk)
		if err != nil {
			return "", fmt.Errorf("read the endorsement key's certificate at %#x: %w", index, err)
		}
		sum := sha256.Sum256(der)
		return hex.EncodeToString(sum[:]), nil
	}
	return "", nil
}

// certificate reads what is at an index until the certificate ends that begins
// there: makers reserve more than it needs.
func (t tpm2) certificate(index, chunk uint32) ([]byte, error) {
	a, err := t.command(noSessions, ccNVReadPublic, words(index))
	if err != nil {
		return nil, err
	}
	attributes, size, err := decodePublic(a, index)
	if err != nil {
		return nil, err
	}
	authority := uint32(ownerHandle)
	switch {
	case attributes&nvWritten == 0:
		return nil, errors.New("nothing was written there")
	case attributes&nvReadLocked != 0:
		return nil, errors.New("it is locked until the next start")
	case attributes&nvAuthRead != 0 && attributes&nvNoDA != 0:
		authority = index
	case attributes&nvOwnerRead == 0:
		return nil, errors.New("neither owner nor holder of an empty password may")
	}
	b := make([]byte, 0, size)
	for want := 64; len(b) < want; { // its length is told at its beginning
		n := min(want, size) - len(b)
		if n == 0 {
			return nil, fmt.Errorf("%w: a certificate of %d bytes in a space of %d", io.ErrUnexpectedEOF, want, size)
		}
		got, err := t.read(authority, index, min(uint32(n), chunk), len(b))
		if err != nil {
			return nil, err
		}
		b = append(b, got...)
		if want, err = derLength(b); err != nil {
			return nil, err
		}
	}
	n, err := derLength(b)
	return b[:n], err
}

// read reads n bytes at an offset, by the empty password of an authority.
func (t tpm2) read(authority, index, n uint32, offset int) ([]byte, error) {
	body := words(authority, index, 9, emptyPassword)
	body = append(body, 0, 0, 0, 0, 0) // no nonce, no attributes, no HMAC
	body = append(body, byte(n>>8), byte(n), byte(offset>>8), byte(offset))
	a, err := t.command(sessions, ccNVRead, body)
	if err != nil {
		return nil, err
	}
	data := a.bytes(int(a.u16()))
	if a.short || len(data) != int(n) {
		return nil, fmt.Errorf("%w: %d bytes of %d that were asked for", io.ErrUnexpectedEOF, len(data), n)
	}
	return data, nil
}

// decodePublic decodes the answer of TPM2_NV_ReadPublic: TPM2B_NV_PUBLIC, then
// the index's name, which is not looked at.
func decodePublic(a answer, index uint32) (attributes uint32, size int, err error) {
	p := answer{b: a.bytes(int(a.u16()))}
	got := p.u32()
	p.u16() // algorithm of its name
	attributes = p.u32()
	p.bytes(int(p.u16())) // policy
	size = int(p.u16())
	switch {
	case a.short || p.short:
		return 0, 0, io.ErrUnexpectedEOF
	case got != index:
		return 0, 0, fmt.Errorf("the TPM told of %#x", got)
	case size > mostCertificate:
		return 0, 0, fmt.Errorf("%d bytes are too many for a certificate", size)
	}
	return attributes, size, nil
}

// derLength is how long the ASN.1 sequence is that begins with b, with its own
// beginning: a certificate's length always takes two bytes.
func derLength(b []byte) (int, error) {
	if len(b) < 4 || b[0] != 0x30 || b[1] != 0x82 {
		return 0, errors.New("it is none")
	}
	return 4 + int(b[2])<<8 + int(b[3]), nil
}
