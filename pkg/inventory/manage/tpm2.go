package manage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Numbers of the TPM 2.0 Library Specification, part 2.
const (
	noSessions, sessions = 0x8001, 0x8002 // TPM_ST

	ccNVRead        = 0x14e // TPM_CC
	ccNVReadPublic  = 0x169
	ccGetCapability = 0x17a

	capHandles, capProperties = 1, 6 // TPM_CAP

	ownerHandle   = 0x40000001 // TPM_RH_OWNER
	emptyPassword = 0x40000009 // TPM_RS_PW
)

// The largest answer that is taken, and the most rounds a list may come in.
const (
	mostAnswer = 4096
	mostRounds = 16
)

// tpm2Error is a TPM's refusal: TPM_RC.
type tpm2Error uint32

func (e tpm2Error) Error() string { return fmt.Sprintf("TPM error %#x", uint32(e)) }

// tpm2 talks to a TPM 2.0: a command is one Write, its answer follows.
type tpm2 struct{ io.ReadWriter }

// command has a TPM do something and returns what follows the header of its
// answer.
func (t tpm2) command(tag uint16, code uint32, body []byte) (answer, error) {
	b := binary.BigEndian.AppendUint16(nil, tag)
	b = append(b, words(uint32(10+len(body)), code)...)
	if _, err := t.Write(append(b, body...)); err != nil {
		return answer{}, fmt.Errorf("send: %w", err)
	}
	return t.answer()
}

func words(list ...uint32) (b []byte) {
	for _, word := range list {
		b = binary.BigEndian.AppendUint32(b, word)
	}
	return b
}

// answer reads one: a device gives it whole, a socket maybe in pieces.
func (t tpm2) answer() (answer, error) {
	b := make([]byte, mostAnswer)
	n, err := io.ReadAtLeast(t, b, 10)
	if err != nil {
		return answer{}, fmt.Errorf("receive: %w", err)
	}
	size := binary.BigEndian.Uint32(b[2:])
	if size < 10 || size > mostAnswer || int(size) < n {
		return answer{}, fmt.Errorf("receive: an answer of %d bytes says that it has %d", n, size)
	}
	if int(size) > n {
		if _, err := io.ReadFull(t, b[n:size]); err != nil {
			return answer{}, fmt.Errorf("receive %d bytes: %w", size, noEOF(err))
		}
	}
	return decodeAnswer(b[:size])
}

// noEOF is err, but no end is one that was expected.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func decodeAnswer(b []byte) (answer, error) {
	a := answer{b: b}
	tag, size, code := a.u16(), a.u32(), a.u32()
	switch {
	case a.short || int(size) != len(b):
		return answer{}, io.ErrUnexpectedEOF
	case code != 0:
		return answer{}, tpm2Error(code)
	case tag == sessions:
		a.b = a.bytes(int(min(a.u32(), mostAnswer))) // what follows authorises
	case tag != noSessions:
		return answer{}, fmt.Errorf("an answer with tag %#x", tag)
	}
	if a.short {
		return answer{}, io.ErrUnexpectedEOF
	}
	return a, nil
}

// list asks for a capability: words of width (1: handles; 2: properties and
// their values), from first on.
func (t tpm2) list(capability, first, most uint32, width int) ([]uint32, error) {
	var all []uint32
	for range mostRounds {
		a, err := t.command(noSessions, ccGetCapability, words(capability, first, most))
		if err != nil {
			return nil, err
		}
		some, more, err := decodeList(a, capability, width)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
		if !more || len(some) == 0 || uint32(len(all)/width) >= most {
			return all, nil
		}
		next := some[len(some)-width] + 1
		if next <= first {
			return nil, errors.New("a list that goes round")
		}
		first = next
	}
	return all, nil
}

func decodeList(a answer, capability uint32, width int) (list []uint32, more bool, err error) {
	more = a.u8() != 0
	got, n := a.u32(), a.u32()
	if a.short || got != capability || n > uint32(len(a.b)/4/width) {
		return nil, false, fmt.Errorf("a list of capability %d with %d members in %d bytes", got, n, len(a.b))
	}
	for range int(n) * width {
		list = append(list, a.u32())
	}
	return list, more, nil
}
