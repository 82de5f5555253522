package wire

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Get asks a master server where an image can be had, 272 bytes:
//
//	 0  4    "V01" 0
//	 4  i32  1
//	 8  u32  node asked for
//	12  u8   methods
//	13  u8   1 status only
//	14  u16  length of the id
//	16  256  id
type Get struct {
	Host    [4]byte // IPv4 address of the node, 0 for the one that asks
	Methods Method  // that the client can do
	Status  bool    // only ask; else a server is started if none runs
	ID      string  // of the image, at most MaxID bytes
}

// GetReply says where, 288 bytes:
//
//	  0  4    "V01" 0
//	  4  i32  2
//	  8  u8   method
//	  9  u8   1 if a server runs
//	 10  u16  error
//	 12  u32  server
//	 16  u32  address to use
//	 20  u16  port
//	 22  u16  kind of signature
//	 24  256  signature
//	280  u32  size, high half
//	284  u32  size, low half
type GetReply struct {
	Method    Method // in use; in a status reply without a server, available
	Running   bool   // a server
	Code      Code   // 0, or why not
	Server    [4]byte
	Addr      [4]byte // group, or the server in unicast
	Port      uint16  // UDP, of both sides
	Signature Signature
	Size      uint64 // bytes
}

// Append appends the message, or gives an *IDError.
func (m Get) Append(dst []byte) ([]byte, error) {
	if len(m.ID) > MaxID {
		return dst, &IDError{len(m.ID)}
	}
	dst = append(appendMaster(dst, opGet), m.Host[:]...)
	return appendID(append(dst, byte(m.Methods), bit(m.Status)), m.ID), nil
}

func loadGet(b []byte) (MasterRequest, error) {
	id, err := loadID(b[14:])
	if err != nil {
		return nil, fmt.Errorf("read get request: %w", err)
	}
	return Get{[4]byte(b[8:]), Method(b[12]), b[13] != 0, id}, nil
}

// Append appends the message.
func (m GetReply) Append(dst []byte) []byte {
	be := binary.BigEndian
	dst = append(appendMaster(dst, opGetReply), byte(m.Method), bit(m.Running))
	dst = be.AppendUint16(dst, uint16(m.Code))
	dst = append(append(dst, m.Server[:]...), m.Addr[:]...)
	dst = be.AppendUint16(dst, m.Port)
	dst = m.Signature.append(dst)
	return be.AppendUint64(dst, m.Size)
}

func (s *Signature) append(dst []byte) []byte {
	return append(binary.BigEndian.AppendUint16(dst, uint16(s.Kind)), s.Sum[:]...)
}

// ReadGetReply reads a reply and not a byte more. A refusal is a Code, and the
// reply is valid then, too. Other errors wrap ErrNotMaster, io.ErrUnexpectedEOF,
// or what r gave.
func ReadGetReply(r io.Reader) (GetReply, error) {
	var b [getReplyLen]byte
	if err := readReply(r, b[:], opGetReply, "get reply"); err != nil {
		return GetReply{}, err
	}
	be := binary.BigEndian
	m := GetReply{
		Method: Method(b[8]), Running: b[9] != 0, Code: Code(be.Uint16(b[10:])),
		Server: [4]byte(b[12:]), Addr: [4]byte(b[16:]), Port: be.Uint16(b[20:]),
		Signature: Signature{SignatureKind(be.Uint16(b[22:])), [256]byte(b[24:])},
		Size:      be.Uint64(b[280:]),
	}
	return m, m.Code.err()
}
