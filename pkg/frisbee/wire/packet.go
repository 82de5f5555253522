package wire

import "encoding/binary"

// Lengths in bytes: of a packet's header, of one with the chunk and block number
// of a BLOCK, and the least datalen of each kind that does not depend on the
// geometry.
const (
	HeaderLen      = 16
	BlockHeaderLen = HeaderLen + blockFields

	joinLen      = 4
	leaveLen     = 8
	requestLen   = 12
	leave2Len    = leaveLen + statsLen
	join2Len     = 24
	progressLen  = 16
	progressMore = 16 + statsLen // of a reply that reports something
	blockFields  = 8             // chunk and block of a BLOCK; chunk and retries of a PREQUEST
)

// Type tells requests from replies.
type Type uint8

const (
	TypeRequest Type = 1
	TypeReply   Type = 2
)

// Kind is the subtype of a packet.
type Kind uint8

const (
	KindJoin     Kind = 1 // Join, JoinReply
	KindLeave    Kind = 2 // Leave
	KindBlock    Kind = 3 // Block
	KindRequest  Kind = 4 // Request
	KindLeave2   Kind = 5 // Leave2
	KindPartial  Kind = 6 // Partial
	KindJoin2    Kind = 7 // Join2, Join2Reply
	KindProgress Kind = 8 // Progress, ProgressReply

	// KindCoded is ours: Coded. Real peers take it for a bad packet, and log it.
	KindCoded Kind = 0xC0
)

// String is the name of the kind in the protocol.
func (k Kind) String() string {
	switch k {
	case KindJoin:
		return "JOIN"
	case KindLeave:
		return "LEAVE"
	case KindBlock:
		return "BLOCK"
	case KindRequest:
		return "REQUEST"
	case KindLeave2:
		return "LEAVE2"
	case KindPartial:
		return "PREQUEST"
	case KindJoin2:
		return "JOIN2"
	case KindProgress:
		return "PROGRESS"
	case KindCoded:
		return "CODED"
	}
	return "unknown"
}

// Packet is a datagram that Parse accepted. It is a view: it is worth as much
// as the datagram's buffer. The zero value is no packet.
type Packet struct {
	Type     Type
	Kind     Kind
	Source   [4]byte // what the sender says its IPv4 address is: see CheckSource
	geometry Geometry
	body     []byte // datalen bytes
}

// Parse accepts a datagram of a peer with geometry g, or gives an Error.
func Parse(d []byte, g Geometry) (Packet, error) {
	if len(d) < HeaderLen {
		return Packet{}, ErrHeader
	}
	le := binary.LittleEndian
	typ, kind := le.Uint32(d), le.Uint32(d[4:])
	n := int64(int32(le.Uint32(d[8:])))
	switch {
	case n < 0:
		return Packet{}, ErrDatalen
	case n > int64(len(d)-HeaderLen):
		return Packet{}, ErrCut
	case typ != uint32(TypeRequest) && typ != uint32(TypeReply):
		return Packet{}, ErrType
	case kind < uint32(KindJoin) || kind > uint32(KindProgress) && kind != uint32(KindCoded):
		return Packet{}, ErrKind
	}
	p := Packet{Type(typ), Kind(kind), [4]byte(d[12:16]), g, d[HeaderLen : HeaderLen+n : HeaderLen+n]}
	if err := p.check(); err != nil {
		return Packet{}, err
	}
	return p, nil
}

// least is the smallest datalen of a kind.
func (k Kind) least(g Geometry) int {
	switch k {
	case KindJoin:
		return joinLen
	case KindLeave:
		return leaveLen
	case KindBlock:
		return blockFields + g.BlockSize()
	case KindRequest:
		return requestLen
	case KindLeave2:
		return leave2Len
	case KindPartial:
		return blockFields + g.BitmapSize()
	case KindCoded:
		return blockFields + g.BitmapSize() + g.BlockSize()
	case KindJoin2:
		return join2Len
	}
	return progressLen
}

// check looks at the fields that can be wrong whatever the file is.
func (p *Packet) check() error {
	g, b := p.geometry, p.body
	// Peers of the two geometries may hear each other. What is exactly of the
	// other's size is not data that happens to be longer.
	if (p.Kind == KindBlock || p.Kind == KindPartial || p.Kind == KindCoded) && len(b) == p.Kind.least(g.other()) {
		return ErrGeometry
	}
	if len(b) < p.Kind.least(g) {
		return ErrSize
	}
	switch p.Kind {
	case KindJoin:
		if p.Type == TypeReply && i32(b) < 0 {
			return ErrCount
		}
	case KindBlock:
		switch chunk, block := i32(b), i32(b[4:]); {
		case chunk < 0:
			return ErrChunk
		case block < 0 || int(block) >= g.Blocks():
			return ErrBlock
		}
	case KindRequest:
		switch chunk, first, n := i32(b), int64(i32(b[4:])), int64(i32(b[8:])); {
		case chunk < 0:
			return ErrChunk
		case n == 0:
			return ErrEmpty
		case n < 0 || n > int64(g.Blocks()):
			return ErrCount
		case first < 0 || first+n > int64(g.Blocks()):
			return ErrBlock
		}
	case KindPartial, KindCoded:
		if i32(b) < 0 {
			return ErrChunk
		}
		if p.Kind == KindCoded && i32(b[4:]) < 0 {
			return ErrCount
		}
		var m Bitmap
		if m.load(b[blockFields:][:g.BitmapSize()]); m.Empty() {
			return ErrEmpty
		}
	case KindProgress:
		if p.reports() && len(b) < progressLen+progressMore {
			return ErrSize
		}
	}
	return nil
}

func i32(b []byte) int32 { return int32(binary.LittleEndian.Uint32(b)) }

// reports tells whether a PROGRESS has the longer form.
func (p *Packet) reports() bool {
	return p.Type == TypeReply && binary.LittleEndian.Uint16(p.body[12:]) != 0
}

// is tells whether p has passed Parse as a packet of this kind and type.
func (p *Packet) is(k Kind, t Type) bool { return p.Kind == k && p.Type == t }

// CheckSource compares the address that the packet says it is from with ip,
// which it came from. Newer peers send from the group's address: that is fine
// too. A zero group is none.
func (p *Packet) CheckSource(ip, group [4]byte) error {
	if p.Source == ip || ip == group && group != [4]byte{} {
		return nil
	}
	return ErrSource
}

// ForServer tells whether a server acts on such a packet: not on replies of
// servers, its own or another's, nor on data.
func (p *Packet) ForServer() bool {
	switch p.Kind {
	case 0, KindBlock, KindCoded:
		return false
	case KindProgress:
		return p.Type == TypeReply
	}
	return p.Type == TypeRequest
}

// ForClient tells whether a client acts on such a packet: what servers send,
// and what other clients ask for.
func (p *Packet) ForClient() bool {
	switch p.Kind {
	case KindJoin, KindJoin2:
		return p.Type == TypeReply
	case KindBlock, KindCoded, KindRequest, KindPartial, KindProgress:
		return p.Type == TypeRequest
	}
	return false
}
