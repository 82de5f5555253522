package inflate

// header reads the two bytes in front of the first block (RFC 1950, section
// 2.2).
func (r *Reader) header() error {
	if !r.bits.refill() {
		return r.fault(Truncated)
	}
	cmf, flags := r.bits.take(8), r.bits.take(8)
	const (
		deflate      = 8
		maxWindow    = 7
		dictionary   = 0x20
		checkDivisor = 31
	)
	switch {
	case (cmf<<8|flags)%checkDivisor != 0, cmf&0xf != deflate, cmf>>4 > maxWindow:
		return r.fault(BadHeader)
	case flags&dictionary != 0:
		return r.fault(Dictionary)
	}
	r.state = atBlock
	return nil
}

// block reads the head of the next block (RFC 1951, section 3.2.3), or finds
// that there is none.
func (r *Reader) block() error {
	if r.last {
		r.state = atTrailer
		return nil
	}
	if !r.bits.refill() {
		return r.fault(Truncated)
	}
	r.last = r.bits.take(1) == 1
	switch r.bits.take(2) {
	case 0:
		return r.openStored()
	case 1:
		r.state = inCodes
		return r.fixedCodes()
	case 2:
		r.state = inCodes
		return r.dynamicCodes()
	}
	return r.fault(BadBlock)
}

// openStored reads the length of a stored block (section 3.2.4).
func (r *Reader) openStored() error {
	r.bits.take(r.bits.count & 7)
	if !r.bits.refill() {
		return r.fault(Truncated)
	}
	n, complement := r.bits.take(16), r.bits.take(16)
	if n != complement^0xffff {
		return r.fault(BadStored)
	}
	if offset := r.bits.offset(); offset <= len(r.input) {
		r.bits.seek(r.input, offset)
	}
	r.stored, r.state = n, inStored
	return nil
}

// copyStored copies what fits into the piece.
func (r *Reader) copyStored() error {
	offset := r.bits.offset()
	n := copy(r.window[r.pos:limit], r.input[offset:min(offset+r.stored, len(r.input))])
	r.pos += n
	r.stored -= n
	r.bits.seek(r.input, offset+n)
	switch {
	case r.stored == 0:
		r.state = atBlock
	case offset+n == len(r.input):
		return r.fault(Truncated)
	}
	return nil
}

// trailer compares the checksum (RFC 1950, section 2.2), for which the piece
// being decoded has to be summed first.
func (r *Reader) trailer() error {
	r.bits.take(r.bits.count & 7)
	if !r.bits.refill() {
		return r.fault(Truncated)
	}
	var want uint32
	for range 4 {
		want = want<<8 | uint32(r.bits.take(8))
	}
	r.sum.add(r.window[r.start:r.pos])
	if r.sum.value() != want {
		return r.fault(BadChecksum)
	}
	r.state = atEnd
	return nil
}
