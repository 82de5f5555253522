package inflate

// order is how the lengths of the code of code lengths are arranged (RFC 1951,
// section 3.2.7).
var order = [...]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// fixedCodes makes the tables of a block with fixed codes (section 3.2.6).
func (r *Reader) fixedCodes() error {
	if r.fixed {
		return nil
	}
	const count = 288
	lens := &r.builder.lens
	for i := range lens {
		switch {
		case i < 144:
			lens[i] = 8
		case i < 256:
			lens[i] = 9
		case i < 280:
			lens[i] = 7
		case i < count:
			lens[i] = 8
		default:
			lens[i] = 5
		}
	}
	r.fixed = true
	return r.build(count, 32)
}

// dynamicCodes reads the codes of a block (section 3.2.7) and makes their
// tables.
func (r *Reader) dynamicCodes() error {
	r.fixed = false
	if !r.bits.refill() {
		return r.fault(Truncated)
	}
	lengths, offsets, words := r.bits.take(5)+257, r.bits.take(5)+1, r.bits.take(4)+4
	if lengths > 286 || offsets > 30 {
		return r.fault(BadCounts)
	}
	b := &r.builder
	var lens [len(order)]uint8
	for i, symbol := range order[:words] {
		if i%16 == 0 && !r.bits.refill() {
			return r.fault(Truncated)
		}
		lens[symbol] = uint8(r.bits.take(3))
	}
	if b.sort(lens[:]) != complete {
		return r.fault(BadLengthCode)
	}
	var table symbolTable
	b.build(table[:], symbolKey, complete, alphabet{literals: len(lens)})
	if err := r.codeLengths(&table, b.lens[:lengths+offsets]); err != nil {
		return err
	}
	if b.lens[literals] == 0 {
		return r.fault(NoEnd)
	}
	return r.build(lengths, offsets)
}

// codeLengths reads the lengths of all code words of a block.
func (r *Reader) codeLengths(table *symbolTable, lens []uint8) error {
	const (
		copyPrevious = 16
		fewZeros     = 17
	)
	for i := 0; i < len(lens); {
		if !r.bits.refill() {
			return r.fault(Truncated)
		}
		e := table[r.bits.buf%uint64(len(table))]
		r.bits.take(uint(e & 0xff))
		symbol := uint8(e >> valueShift)
		if symbol < copyPrevious {
			lens[i] = symbol
			i++
			continue
		}
		var repeat int
		var value uint8
		switch symbol {
		case copyPrevious:
			if i == 0 {
				return r.fault(BadLengths)
			}
			repeat, value = 3+r.bits.take(2), lens[i-1]
		case fewZeros:
			repeat = 3 + r.bits.take(3)
		default:
			repeat = 11 + r.bits.take(7)
		}
		if repeat > len(lens)-i {
			return r.fault(BadLengths)
		}
		for range repeat {
			lens[i] = value
			i++
		}
	}
	return nil
}

// build makes both tables of a block from the lengths of their code words.
func (r *Reader) build(lengths, offsets int) error {
	b := &r.builder
	form := b.sort(b.lens[:lengths])
	if form == broken || form == empty {
		return r.fault(BadLiteralCode)
	}
	b.build(r.lengths[:], lengthKey, form, alphabet{literals, lengthValues[:]})
	if form = b.sort(b.lens[lengths : lengths+offsets]); form == broken {
		return r.fault(BadDistanceCode)
	}
	b.build(r.offsets[:], offsetKey, form, alphabet{0, offsetValues[:]})
	return nil
}
