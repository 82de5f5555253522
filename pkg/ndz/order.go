package ndz

// Order checks that chunks make up one image: that they have the same version
// and id, are at their places, and together speak for all of the disk from its
// begin. Where it is known how many there are, it takes them in any order. It is
// for one goroutine at a time.
//
// A chunk at the end can be missed only if Total, or a header of version 1,
// tells how many there are.
type Order struct {
	o     Options
	total int64   // chunks, 0 for not known: then they come in sequence
	told  int64   // chunks, as a header says; or 0
	like  *Header // any chunk
	spans []span  // by index
	have  int64   // of spans
	short int64   // index of the chunk with a short sector, which must be the last
	tail  int64   // bytes of that sector
}

// span is the sectors that a chunk speaks for; none if it is not known yet.
type span struct{ first, last uint64 }

// NewOrder begins an image of total chunks; 0 if that is not known.
func NewOrder(o Options, total int64) *Order {
	c := &Order{o: o, total: total, short: -1}
	if total > 0 {
		c.spans = make([]span, total)
	}
	return c
}

// Add checks the header of the chunk at a place in the file. A chunk may be
// added again.
func (c *Order) Add(index int64, h *Header) error {
	return at(index, c.add(index, h))
}

func (c *Order) add(index int64, h *Header) error {
	if err := c.alike(h); err != nil {
		return err
	}
	if c.o.Room > 0 && h.Last > uint64(c.o.Room)/Sector && h.end() > c.o.Room {
		return ErrFit.as("%d bytes of disk for at least %d", c.o.Room, h.end())
	}
	if (h.Cipher != CipherNone || h.Sum != SumNone) && c.o.Seal == nil {
		return ErrSeal.as("there is no key")
	}
	if int64(h.Index) != index {
		return ErrOrder.as("it says that it is chunk %d", int64(h.Index))
	}
	if c.total > 0 && index >= c.total || c.total == 0 && index > c.have {
		return ErrOrder.as("of %d", max(c.total, c.have))
	}
	if err := c.count(int64(h.Total)); err != nil {
		return err
	}
	if c.short >= 0 && index > c.short {
		return ErrReloc.as("chunk %d ends with a short sector, and is not the last", c.short)
	}
	if tail := h.short(); tail > 0 {
		for _, s := range c.spans[min(index+1, int64(len(c.spans))):] {
			if s.last > 0 {
				return ErrReloc.as("it ends with a short sector, and is not the last")
			}
		}
		c.short, c.tail = index, tail
	}
	return c.place(index, span{h.First, h.Last})
}

// alike compares h with the first chunk.
func (c *Order) alike(h *Header) error {
	if c.like == nil {
		if c.o.ID != [16]byte{} && h.ID != c.o.ID {
			return ErrMixed.as("its image id is not the one asked for")
		}
		c.like = &Header{Version: h.Version, ID: h.ID}
	}
	if h.Version != c.like.Version {
		return ErrMixed.as("version %d, expected %d", int64(h.Version), int64(c.like.Version))
	}
	if h.ID != c.like.ID {
		return ErrMixed.as("image ids differ")
	}
	return nil
}

// count compares the number of chunks that a header tells with what is known.
func (c *Order) count(told int64) error {
	if told == 0 {
		return nil
	}
	if want := max(c.total, c.told); want > 0 && told != want {
		return ErrOrder.as("it says that there are %d chunks, expected %d", told, want)
	}
	c.told = told
	return nil
}

// place compares a span with those next to it. Only version 1 leaves anything
// between two chunks.
func (c *Order) place(index int64, s span) error {
	if c.total == 0 && index == c.have {
		c.spans = append(c.spans, span{})
	}
	before := index - 1
	for before >= 0 && c.spans[before].last == 0 {
		before--
	}
	after := index + 1
	for after < int64(len(c.spans)) && c.spans[after].last == 0 {
		after++
	}
	exact := c.like.Version > 1
	begin := uint64(0)
	if before >= 0 {
		begin = c.spans[before].last
	}
	if s.first < begin || exact && before == index-1 && s.first != begin {
		return ErrOrder.as("it begins at sector %d, expected %d", int64(s.first), int64(begin))
	}
	if after < int64(len(c.spans)) {
		end := c.spans[after].first
		if s.last > end || exact && after == index+1 && s.last != end {
			return ErrOrder.as("it ends at sector %d, expected %d", int64(s.last), int64(end))
		}
	}
	if old := &c.spans[index]; old.last == 0 {
		c.have++
		*old = s
	} else if *old != s {
		return ErrChanged.as("sectors %d to %d, before it was %d to %d", int64(s.first), int64(s.last), int64(old.first), int64(old.last))
	}
	return nil
}

// Forget takes a chunk back whose data has turned out to be bad, and with it
// perhaps its header. It is for images of which it is known how many chunks there
// are.
func (c *Order) Forget(index int64) {
	if index < 0 || index >= c.total || c.spans[index].last == 0 {
		return
	}
	c.have--
	c.spans[index] = span{}
	if c.short == index {
		c.short, c.tail = -1, 0
	}
	if c.have == 0 {
		c.like, c.told = nil, 0
	}
}

// End tells whether the image is complete.
func (c *Order) End() error {
	switch want := max(c.total, c.told); {
	case c.have == 0:
		return ErrTruncated.as("no chunks")
	case c.have < want:
		return ErrTruncated.as("%d of %d chunks", c.have, want)
	case c.told > 0 && c.have > c.told:
		return ErrOrder.as("%d chunks, expected %d", c.have, c.told)
	}
	return nil
}

// Counted tells whether the headers so far say how many chunks there are.
func (c *Order) Counted() bool { return c.told > 0 }

// Version is that of all chunks, 0 before the first.
func (c *Order) Version() int {
	if c.like == nil {
		return 0
	}
	return c.like.Version
}

// Size is where on the disk ends what the chunks so far speak for, in bytes.
func (c *Order) Size() int64 {
	for i := len(c.spans) - 1; i >= 0; i-- {
		if s := c.spans[i]; s.last > 0 {
			size := int64(s.last) * Sector
			if int64(i) == c.short {
				size -= Sector - c.tail
			}
			return size
		}
	}
	return 0
}
