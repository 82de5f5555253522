package wire

import "encoding/binary"

const (
	statsLen  = 1028
	statsUsed = 128 // the rest is whatever was in the sender's memory
)

// Stats is what a client tells about itself when it leaves. Nobody checks it.
type Stats struct {
	Version      int32  // StatsVersion
	RunSeconds   int32  // time it ran, whole seconds
	RunMillis    int32  // and milliseconds
	StartDelay   int32  // ms
	Written      uint64 // bytes
	Covered      uint64 // bytes, with free space
	Buffers      int32  // for chunks
	ReadAhead    int32  // chunks
	InProgress   int32  // chunks, most at a time
	Timeout      int32  // of waiting for a packet, µs
	MaxDelay     int32  // limit of the start delay, s
	IdleTicks    int32  // timeouts until it asks again
	WriterDelay  int32  // of the idle disk writer, µs
	RedoDelay    int32  // before a chunk is asked for again, µs
	Random       int32  // 1 if chunks were asked for in random order
	NoChunk      uint32 // times no chunk was ready to expand
	NoBuffer     uint32 // blocks dropped for lack of a buffer
	DupDone      uint32 // duplicate blocks of finished chunks
	DupOpen      uint32 // duplicate blocks of open chunks
	Partials     uint32 // partial requests sent
	Timeouts     uint32 // that led to requests
	Joins        uint32 // sent
	Requests     uint32 // of all kinds, sent
	NoMemory     uint32 // times expanding waited for memory
	WriterIdle   uint32 // times the disk writer had nothing to do
	WriteBuffer  int32  // MB
	Again        uint32 // blocks asked for again
	Repeats      uint32 // repeated requests
	Dropped      uint32 // partly filled chunks dropped
	WholeRepeats uint32 // repeated requests for whole chunks
}

// StatsVersion is the only known version of Stats.
const StatsVersion = 1

// load reads the fields from the statsLen bytes at the start of b.
func (s *Stats) load(b []byte) {
	le := binary.LittleEndian
	*s = Stats{
		Version: i32(b), RunSeconds: i32(b[4:]), RunMillis: i32(b[8:]), StartDelay: i32(b[12:]),
		Written: le.Uint64(b[16:]), Covered: le.Uint64(b[24:]),
		Buffers: i32(b[32:]), ReadAhead: i32(b[36:]), InProgress: i32(b[40:]), Timeout: i32(b[44:]),
		MaxDelay: i32(b[48:]), IdleTicks: i32(b[52:]), WriterDelay: i32(b[56:]), RedoDelay: i32(b[60:]),
		Random:  i32(b[64:]),
		NoChunk: le.Uint32(b[68:]), NoBuffer: le.Uint32(b[72:]), DupDone: le.Uint32(b[76:]), DupOpen: le.Uint32(b[80:]),
		Partials: le.Uint32(b[84:]), Timeouts: le.Uint32(b[88:]), Joins: le.Uint32(b[92:]), Requests: le.Uint32(b[96:]),
		NoMemory: le.Uint32(b[100:]), WriterIdle: le.Uint32(b[104:]), WriteBuffer: i32(b[108:]),
		Again: le.Uint32(b[112:]), Repeats: le.Uint32(b[116:]), Dropped: le.Uint32(b[120:]), WholeRepeats: le.Uint32(b[124:]),
	}
}

// append adds the fields, and zeros for what is not specified.
func (s *Stats) append(dst []byte) []byte {
	le := binary.LittleEndian
	for _, v := range [...]int32{s.Version, s.RunSeconds, s.RunMillis, s.StartDelay} {
		dst = le.AppendUint32(dst, uint32(v))
	}
	dst = le.AppendUint64(le.AppendUint64(dst, s.Written), s.Covered)
	for _, v := range [...]int32{s.Buffers, s.ReadAhead, s.InProgress, s.Timeout, s.MaxDelay, s.IdleTicks, s.WriterDelay, s.RedoDelay, s.Random} {
		dst = le.AppendUint32(dst, uint32(v))
	}
	for _, v := range [...]uint32{
		s.NoChunk, s.NoBuffer, s.DupDone, s.DupOpen, s.Partials, s.Timeouts, s.Joins, s.Requests, s.NoMemory,
		s.WriterIdle, uint32(s.WriteBuffer), s.Again, s.Repeats, s.Dropped, s.WholeRepeats,
	} {
		dst = le.AppendUint32(dst, v)
	}
	return appendZeros(dst, statsLen-statsUsed)
}
