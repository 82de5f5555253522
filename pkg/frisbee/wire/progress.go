package wire

import "encoding/binary"

// What a PROGRESS is about.
const (
	ProgressSummary uint16 = 1
	ProgressStats   uint16 = 2
	// ProgressBehind asks for no report: it tells one client, which must be known
	// to understand coded blocks, that it is far behind the rest of its room. It is
	// of Orbit's own.
	ProgressBehind uint16 = 1 << 15
)

// Progress asks clients for reports.
type Progress struct {
	ID       uint32  // of the client asked, 0 for all
	Who      [4]byte // 0
	Interval uint32  // seconds between reports; 0 is once, now, and no more
	What     uint16  // ProgressSummary and ProgressStats
	Seq      uint16  // number of the first report
}

// ProgressReply is a client's report. What comes after Seq is only there if
// What is not 0.
type ProgressReply struct {
	ID       uint32  // of the client, not 0
	Who      [4]byte // IPv4 address that is reported on
	Time     uint32  // Unix, seconds
	What     uint16  // as in the request
	Seq      uint16  // of the report, wraps
	Received uint32  // chunks
	Expanded uint32  // chunks
	Written  uint64  // bytes
	Stats    Stats
}

// Progress gives the fields of a server's PROGRESS.
func (p *Packet) Progress() (Progress, bool) {
	if !p.is(KindProgress, TypeRequest) {
		return Progress{}, false
	}
	le, b := binary.LittleEndian, p.body
	return Progress{le.Uint32(b), [4]byte(b[4:]), le.Uint32(b[8:]), le.Uint16(b[12:]), le.Uint16(b[14:])}, true
}

// ProgressReply gives the fields of a client's PROGRESS.
func (p *Packet) ProgressReply() (ProgressReply, bool) {
	if !p.is(KindProgress, TypeReply) {
		return ProgressReply{}, false
	}
	le, b := binary.LittleEndian, p.body
	m := ProgressReply{ID: le.Uint32(b), Who: [4]byte(b[4:]), Time: le.Uint32(b[8:]), What: le.Uint16(b[12:]), Seq: le.Uint16(b[14:])}
	if p.reports() {
		m.Received, m.Expanded, m.Written = le.Uint32(b[16:]), le.Uint32(b[20:]), le.Uint64(b[24:])
		m.Stats.load(b[32:])
	}
	return m, true
}

// Append appends the packet.
func (m Progress) Append(dst []byte, _ Geometry, from [4]byte) []byte {
	dst = appendHeader(dst, TypeRequest, KindProgress, progressLen, from)
	return appendProgress(dst, m)
}

func appendProgress(dst []byte, m Progress) []byte {
	le := binary.LittleEndian
	dst = append(le.AppendUint32(dst, m.ID), m.Who[:]...)
	dst = le.AppendUint32(dst, m.Interval)
	return le.AppendUint16(le.AppendUint16(dst, m.What), m.Seq)
}

// Append appends the packet.
func (m ProgressReply) Append(dst []byte, _ Geometry, from [4]byte) []byte {
	n := progressLen
	if m.What != 0 {
		n += progressMore
	}
	dst = appendHeader(dst, TypeReply, KindProgress, n, from)
	dst = appendProgress(dst, Progress{m.ID, m.Who, m.Time, m.What, m.Seq})
	if m.What == 0 {
		return dst
	}
	le := binary.LittleEndian
	dst = le.AppendUint32(le.AppendUint32(dst, m.Received), m.Expanded)
	return m.Stats.append(le.AppendUint64(dst, m.Written))
}
