package wire

import "encoding/binary"

// Block is one block of the file.
type Block struct {
	Chunk int32  // from 0
	Index int32  // of the block in its chunk, from 0
	Data  []byte // of one block; the end of a file is padded with zeros
}

// Block gives the block of a BLOCK; its data is a view of the datagram.
func (p *Packet) Block() (Block, bool) {
	if p.Kind != KindBlock {
		return Block{}, false
	}
	return Block{i32(p.body), i32(p.body[4:]), p.body[blockFields:][:p.geometry.BlockSize()]}, true
}

// AppendBlockHeader appends what comes before the data of a block: the
// BlockHeaderLen bytes after which a sender puts the data from where it is.
func AppendBlockHeader(dst []byte, g Geometry, from [4]byte, chunk, index int32) []byte {
	var b [BlockHeaderLen]byte
	le := binary.LittleEndian
	le.PutUint32(b[0:], uint32(TypeRequest))
	le.PutUint32(b[4:], uint32(KindBlock))
	le.PutUint32(b[8:], uint32(blockFields+g.BlockSize()))
	copy(b[12:], from[:])
	le.PutUint32(b[16:], uint32(chunk))
	le.PutUint32(b[20:], uint32(index))
	return append(dst, b[:]...)
}

// Append appends the packet, padded with zeros where the data is shorter than a
// block, and cut where it is longer.
func (m Block) Append(dst []byte, g Geometry, from [4]byte) []byte {
	dst = AppendBlockHeader(dst, g, from, m.Chunk, m.Index)
	data := m.Data[:min(len(m.Data), g.BlockSize())]
	dst = append(dst, data...)
	return appendZeros(dst, g.BlockSize()-len(data))
}

func appendZeros(dst []byte, n int) []byte { return append(dst, make([]byte, n)...) }

// Request asks for blocks in a row.
type Request struct {
	Chunk int32 // from 0
	First int32 // block
	Count int32 // blocks, at least 1
}

// Request gives the fields of a REQUEST. Count is at least 1, and all blocks
// are in a chunk of the geometry. Servers serve even those marked as replies;
// whether to is for [Packet.ForServer] to say.
func (p *Packet) Request() (Request, bool) {
	if p.Kind != KindRequest {
		return Request{}, false
	}
	return Request{i32(p.body), i32(p.body[4:]), i32(p.body[8:])}, true
}

// Append appends the packet.
func (m Request) Append(dst []byte, _ Geometry, from [4]byte) []byte {
	le := binary.LittleEndian
	dst = appendHeader(dst, TypeRequest, KindRequest, requestLen, from)
	dst = le.AppendUint32(dst, uint32(m.Chunk))
	dst = le.AppendUint32(dst, uint32(m.First))
	return le.AppendUint32(dst, uint32(m.Count))
}

// Partial asks for single blocks of a chunk (PREQUEST).
type Partial struct {
	Chunk   int32  // from 0
	Retries int32  // not 0: the sender itself has asked for this chunk before
	Blocks  Bitmap // wanted, at least one
}

// Partial gives the fields of a PREQUEST.
func (p *Packet) Partial() (Partial, bool) {
	if p.Kind != KindPartial {
		return Partial{}, false
	}
	m := Partial{Chunk: i32(p.body), Retries: i32(p.body[4:])}
	m.Blocks.load(p.body[blockFields:][:p.geometry.BitmapSize()])
	return m, true
}

// Append appends the packet.
func (m Partial) Append(dst []byte, g Geometry, from [4]byte) []byte {
	le := binary.LittleEndian
	dst = appendHeader(dst, TypeRequest, KindPartial, blockFields+g.BitmapSize(), from)
	dst = le.AppendUint32(dst, uint32(m.Chunk))
	dst = le.AppendUint32(dst, uint32(m.Retries))
	return m.Blocks.append(dst, g.BitmapSize())
}

// Wanted gives what a REQUEST or a PREQUEST asks for in one form.
func (p *Packet) Wanted() (Partial, bool) {
	if r, ok := p.Request(); ok {
		m := Partial{Chunk: r.Chunk}
		m.Blocks.SetRange(int(r.First), int(r.Count))
		return m, true
	}
	return p.Partial()
}

func appendHeader(dst []byte, t Type, k Kind, datalen int, from [4]byte) []byte {
	le := binary.LittleEndian
	dst = le.AppendUint32(dst, uint32(t))
	dst = le.AppendUint32(dst, uint32(k))
	dst = le.AppendUint32(dst, uint32(datalen))
	return append(dst, from[:]...)
}
