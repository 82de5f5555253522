package wire

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Put asks a master server to take an image, 287 bytes:
//
//	  0  4    "V01" 0
//	  4  i32  3
//	  8  u32  node that sends
//	 12  u8   1 status only
//	 13  u16  length of the id
//	 15  256  id
//	271  u32  size, high half
//	275  u32  size, low half
//	279  u32  modification time
//	283  u32  timeout
type Put struct {
	Host    [4]byte // IPv4 address of the node, 0 for the one that asks
	Status  bool    // only ask
	ID      string  // of the image, at most MaxID bytes
	Size    uint64  // bytes, 0 unknown
	ModTime uint32  // to give to the file, Unix seconds, 0 none
	Timeout uint32  // wanted, seconds
}

// PutReply says where to send it, 291 bytes:
//
//	  0  4    "V01" 0
//	  4  i32  4
//	  8  u16  error
//	 10  u32  address
//	 14  u16  port
//	 16  u8   1 if the image exists
//	 17  u16  kind of signature
//	 19  256  signature
//	275  u32  present size, high half
//	279  u32  present size, low half
//	283  u32  maximum size, high half
//	287  u32  maximum size, low half
type PutReply struct {
	Code      Code // 0, or why not
	Addr      [4]byte
	Port      uint16 // TCP, takes the bare file
	Exists    bool   // the image, already
	Signature Signature
	Size      uint64 // of the image that exists, bytes
	Max       uint64 // that may be sent, bytes
}

// Append appends the message, or gives an *IDError.
func (m Put) Append(dst []byte) ([]byte, error) {
	if len(m.ID) > MaxID {
		return dst, &IDError{len(m.ID)}
	}
	be := binary.BigEndian
	dst = append(append(appendMaster(dst, opPut), m.Host[:]...), bit(m.Status))
	dst = be.AppendUint64(appendID(dst, m.ID), m.Size)
	return be.AppendUint32(be.AppendUint32(dst, m.ModTime), m.Timeout), nil
}

func loadPut(b []byte) (MasterRequest, error) {
	id, err := loadID(b[13:])
	if err != nil {
		return nil, fmt.Errorf("read put request: %w", err)
	}
	be := binary.BigEndian
	return Put{[4]byte(b[8:]), b[12] != 0, id, be.Uint64(b[271:]), be.Uint32(b[279:]), be.Uint32(b[283:])}, nil
}

// Append appends the message.
func (m PutReply) Append(dst []byte) []byte {
	be := binary.BigEndian
	dst = be.AppendUint16(appendMaster(dst, opPutReply), uint16(m.Code))
	dst = be.AppendUint16(append(dst, m.Addr[:]...), m.Port)
	dst = m.Signature.append(append(dst, bit(m.Exists)))
	return be.AppendUint64(be.AppendUint64(dst, m.Size), m.Max)
}

// ReadPutReply reads a reply and not a byte more. A refusal is a Code, and the
// reply is valid then, too. Other errors wrap ErrNotMaster, io.ErrUnexpectedEOF,
// or what r gave.
func ReadPutReply(r io.Reader) (PutReply, error) {
	var b [putReplyLen]byte
	if err := readReply(r, b[:], opPutReply, "put reply"); err != nil {
		return PutReply{}, err
	}
	be := binary.BigEndian
	m := PutReply{
		Code: Code(be.Uint16(b[8:])), Addr: [4]byte(b[10:]), Port: be.Uint16(b[14:]), Exists: b[16] != 0,
		Signature: Signature{SignatureKind(be.Uint16(b[17:])), [256]byte(b[19:])},
		Size:      be.Uint64(b[275:]), Max: be.Uint64(b[283:]),
	}
	return m, m.Code.err()
}
