package inflate

import "encoding/binary"

// wide is how many bytes a copy moves at once.
const wide = 16

// codes decodes literals and matches until the end of the block, of the piece
// or of the input.
//
// It goes from match to match, with up to three literals of the first table in
// front of each. After a refill at least 56 bits are at hand. Two literals take
// at most 22 of them, a length and its extra bits 20, a distance and its extra
// bits 28: so one refill does but for the rare case of long code words, which
// are refilled before the distance. The next entry is looked up before a match
// is copied, as everything else waits for it.
//
// What the compiler needs for good code is spelled out: slices with their
// capacity, an array for the input of one step, and the flag of literals tested
// as the sign.
func (r *Reader) codes() error {
	if !r.bits.reserve() {
		return r.fault(Truncated)
	}
	var (
		src   = r.bits.src
		in    = r.bits.in
		stop  = len(src) - reach
		buf   = r.bits.buf
		count = r.bits.count // only its six lowest bits are kept right
		pos   = r.pos
		w     = &r.window
		fault Fault
	)
	lengths, offsets := &r.lengths, &r.offsets
	buf |= binary.LittleEndian.Uint64(src[in:in+8:in+8]) << (count & 63)
	in += int(^count >> 3 & 7)
	count |= 56
	next := lengths[buf&(1<<lengthKey-1)]
	for in <= stop && pos < limit {
		p := (*[reach]byte)(src[in : in+reach : in+reach])
		skip := uint(0)
		e := next
		saved := buf
		buf >>= e & 63
		count -= uint(e)
		if int32(e) < 0 {
			w[pos] = byte(e >> valueShift)
			pos++
			e = lengths[buf&(1<<lengthKey-1)]
			saved = buf
			buf >>= e & 63
			count -= uint(e)
			if int32(e) < 0 {
				w[pos] = byte(e >> valueShift)
				pos++
				e = lengths[buf&(1<<lengthKey-1)]
				saved = buf
				buf >>= e & 63
				count -= uint(e)
				if int32(e) < 0 {
					w[pos] = byte(e >> valueShift)
					pos++
					buf |= binary.LittleEndian.Uint64(p[:8]) << (count & 63)
					in += int(^count >> 3 & 7)
					count |= 56
					next = lengths[buf&(1<<lengthKey-1)]
					continue
				}
			}
		}
		if e&irregular != 0 {
			if e&link != 0 {
				e = lengths[e>>valueShift+uint32(buf)&(1<<(e>>wordShift&15)-1)]
				saved = buf
				buf >>= e & 63
				count -= uint(e)
				if int32(e) < 0 {
					w[pos] = byte(e >> valueShift)
					pos++
					buf |= binary.LittleEndian.Uint64(p[:8]) << (count & 63)
					in += int(^count >> 3 & 7)
					count |= 56
					next = lengths[buf&(1<<lengthKey-1)]
					continue
				}
			}
			if e&irregular != 0 {
				if e&endOfBlock != 0 {
					r.state = atBlock
				} else {
					fault = BadSymbol
				}
				break
			}
		}
		length := int(e>>valueShift) + int(saved&(1<<(e&63)-1)>>(e>>wordShift&15))

		if count&63 < maxOffsetBits {
			buf |= binary.LittleEndian.Uint64(p[:8]) << (count & 63)
			skip = ^count >> 3 & 7
			count |= 56
		}
		e = offsets[buf&(1<<offsetKey-1)]
		if e&irregular != 0 {
			if e&link != 0 {
				buf >>= offsetKey
				count -= offsetKey
				e = offsets[e>>valueShift+uint32(buf)&(1<<(e>>wordShift&15)-1)]
			}
			if e&irregular != 0 {
				in += int(skip)
				fault = BadSymbol
				break
			}
		}
		distance := int(e>>valueShift) + int(buf&(1<<(e&63)-1)>>(e>>wordShift&15))
		buf >>= e & 63
		count -= uint(e)

		buf |= binary.LittleEndian.Uint64(p[skip:skip+8:skip+8]) << (count & 63)
		in += int(skip + ^count>>3&7)
		count |= 56
		next = lengths[buf&(1<<lengthKey-1)]

		from := pos - distance
		if from < 0 {
			fault = BadDistance
			break
		}
		end := pos + length
		switch {
		case distance >= wide:
			for {
				copy(w[pos:pos+wide:pos+wide], w[from:from+wide:from+wide])
				pos += wide
				from += wide
				if pos >= end {
					break
				}
			}
		case distance == 1:
			v := uint64(w[from]) * 0x0101010101010101
			for {
				binary.LittleEndian.PutUint64(w[pos:pos+8:pos+8], v)
				pos += 8
				if pos >= end {
					break
				}
			}
		default:
			// Every copy of eight bytes brings at least as many right
			// ones as the distance.
			step := min(distance, 8)
			for {
				binary.LittleEndian.PutUint64(w[pos:pos+8:pos+8], binary.LittleEndian.Uint64(w[from:from+8:from+8]))
				pos += step
				from += step
				if pos >= end {
					break
				}
			}
		}
		pos = end
	}
	r.bits.in, r.bits.buf, r.bits.count = in, buf, count&63
	r.pos = pos
	if fault != 0 {
		return r.fault(fault)
	}
	return nil
}
