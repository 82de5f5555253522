package wire

import "encoding/binary"

// Join asks for the size of the file, version 1.
type Join struct {
	ID uint32 // of the client, random
}

// JoinReply answers a Join. It does not say whose.
type JoinReply struct {
	Blocks int32 // of the file, the last one counted whole
}

// Join2 asks for the size of the file and how it is cut.
type Join2 struct {
	ID          uint32 // of the client, random
	Blocks      int32  // UnderstandsCoded, or 0
	ChunkBlocks int32  // blocks of a chunk, wanted
	BlockSize   int32  // bytes of a block, wanted
}

// Join2Reply answers a Join2.
type Join2Reply struct {
	ID          uint32 // of the client that asked
	Blocks      int32  // SendsCoded, or 0 as from all real servers
	ChunkBlocks int32  // blocks of a chunk
	BlockSize   int32  // bytes of a block
	Bytes       uint64 // of the file
}

// Leave says that a client is done, without statistics.
type Leave struct {
	ID      uint32 // of the client
	Seconds int32  // since it started
}

// Leave2 says that a client is done.
type Leave2 struct {
	ID      uint32 // of the client
	Seconds int32  // since it started
	Stats   Stats
}

// Join gives the fields of a JOIN request.
func (p *Packet) Join() (Join, bool) {
	if !p.is(KindJoin, TypeRequest) {
		return Join{}, false
	}
	return Join{uint32(i32(p.body))}, true
}

// JoinReply gives the fields of a JOIN reply. Blocks is not negative.
func (p *Packet) JoinReply() (JoinReply, bool) {
	if !p.is(KindJoin, TypeReply) {
		return JoinReply{}, false
	}
	return JoinReply{i32(p.body)}, true
}

// Join2 gives the fields of a JOIN2 request.
func (p *Packet) Join2() (Join2, bool) {
	if !p.is(KindJoin2, TypeRequest) {
		return Join2{}, false
	}
	return Join2{uint32(i32(p.body)), i32(p.body[4:]), i32(p.body[8:]), i32(p.body[12:])}, true
}

// Join2Reply gives the fields of a JOIN2 reply. What they say of the file is
// checked by its Layout method.
func (p *Packet) Join2Reply() (Join2Reply, bool) {
	if !p.is(KindJoin2, TypeReply) {
		return Join2Reply{}, false
	}
	b := p.body
	return Join2Reply{uint32(i32(b)), i32(b[4:]), i32(b[8:]), i32(b[12:]), binary.LittleEndian.Uint64(b[16:])}, true
}

// Leave gives the fields of a LEAVE, or those that a LEAVE2 shares with it.
func (p *Packet) Leave() (Leave, bool) {
	if p.Kind != KindLeave && p.Kind != KindLeave2 {
		return Leave{}, false
	}
	return Leave{uint32(i32(p.body)), i32(p.body[4:])}, true
}

// Leave2 gives the fields of a LEAVE2.
func (p *Packet) Leave2() (Leave2, bool) {
	if p.Kind != KindLeave2 {
		return Leave2{}, false
	}
	m := Leave2{ID: uint32(i32(p.body)), Seconds: i32(p.body[4:])}
	m.Stats.load(p.body[leaveLen:])
	return m, true
}

// Append appends the packet.
func (m Join) Append(dst []byte, _ Geometry, from [4]byte) []byte {
	return binary.LittleEndian.AppendUint32(appendHeader(dst, TypeRequest, KindJoin, joinLen, from), m.ID)
}

// Append appends the packet.
func (m JoinReply) Append(dst []byte, _ Geometry, from [4]byte) []byte {
	return binary.LittleEndian.AppendUint32(appendHeader(dst, TypeReply, KindJoin, joinLen, from), uint32(m.Blocks))
}

// Append appends the packet.
func (m Join2) Append(dst []byte, _ Geometry, from [4]byte) []byte {
	return appendJoin2(dst, TypeRequest, Join2Reply{ID: m.ID, Blocks: m.Blocks, ChunkBlocks: m.ChunkBlocks, BlockSize: m.BlockSize}, from)
}

// Append appends the packet.
func (m Join2Reply) Append(dst []byte, _ Geometry, from [4]byte) []byte {
	return appendJoin2(dst, TypeReply, m, from)
}

func appendJoin2(dst []byte, t Type, m Join2Reply, from [4]byte) []byte {
	le := binary.LittleEndian
	dst = appendHeader(dst, t, KindJoin2, join2Len, from)
	dst = le.AppendUint32(dst, m.ID)
	dst = le.AppendUint32(dst, uint32(m.Blocks))
	dst = le.AppendUint32(dst, uint32(m.ChunkBlocks))
	dst = le.AppendUint32(dst, uint32(m.BlockSize))
	return le.AppendUint64(dst, m.Bytes)
}

// Append appends the packet.
func (m Leave) Append(dst []byte, _ Geometry, from [4]byte) []byte {
	le := binary.LittleEndian
	dst = appendHeader(dst, TypeRequest, KindLeave, leaveLen, from)
	return le.AppendUint32(le.AppendUint32(dst, m.ID), uint32(m.Seconds))
}

// Append appends the packet.
func (m Leave2) Append(dst []byte, _ Geometry, from [4]byte) []byte {
	le := binary.LittleEndian
	dst = appendHeader(dst, TypeRequest, KindLeave2, leave2Len, from)
	dst = le.AppendUint32(le.AppendUint32(dst, m.ID), uint32(m.Seconds))
	return m.Stats.append(dst)
}
