package ndz

// Check tells what is wrong with a header by itself: the limits of its version,
// its tables, its regions against each other and against First and Last, and
// its relocations against the regions.
func (h *Header) Check() error {
	if h.Version < MinVersion || h.Version > MaxVersion {
		return ErrMagic.as("version %d", int64(h.Version))
	}
	if h.Size <= 0 || h.Size > MaxData {
		return ErrSize.as("%d bytes", int64(h.Size))
	}
	if h.Index < 0 || h.Total < 0 || h.Total > 0 && h.Index >= h.Total {
		return ErrOrder.as("chunk %d of %d", int64(h.Index), int64(h.Total))
	}
	room := Room(h.Version, len(h.Relocs))
	if len(h.Regions) == 0 || len(h.Regions) > room || h.Version == 1 && len(h.Relocs) > 0 {
		return ErrTable.as("%d regions and %d relocations", int64(len(h.Regions)), int64(len(h.Relocs)))
	}
	if err := h.checkSeal(); err != nil {
		return err
	}
	if err := h.checkRegions(); err != nil {
		return err
	}
	return h.checkRelocs()
}

func (h *Header) checkSeal() error {
	if h.Version != 4 {
		if h.Cipher != CipherNone || h.Sum != SumNone {
			return ErrSeal.as("version %d has no cipher and no checksum", int64(h.Version))
		}
		return nil
	}
	switch {
	case h.Cipher > CipherBlowfish:
		return ErrSeal.as("unknown cipher %d", int64(h.Cipher))
	case h.Cipher == CipherBlowfish && h.Size%8 != 0:
		return ErrSize.as("%d bytes are no whole blocks of the cipher", int64(h.Size))
	case h.Sum != SumNone && h.Sum&^SumSigned != SumSHA1:
		return ErrSeal.as("unknown checksum %#x", int64(h.Sum))
	}
	return nil
}

func (h *Header) checkRegions() error {
	limit := MaxSector(h.Version)
	if h.Last > limit {
		return ErrRegion.as("sectors up to %d", int64(h.Last))
	}
	free, gap := h.First, uint64(0) // a region begins so much behind it at least
	for i, r := range h.Regions {
		switch {
		case r.Count == 0 || r.Count > limit || r.Start > limit-r.Count:
			return ErrRegion.as("region %d, of %d sectors from %d", int64(i), int64(r.Count), int64(r.Start))
		case r.Start < free+gap:
			return ErrRegion.as("region %d begins at sector %d, expected at least %d", int64(i), int64(r.Start), int64(free+gap))
		case r.End() > h.Last:
			return ErrRegion.as("region %d ends at sector %d, expected at most %d", int64(i), int64(r.End()), int64(h.Last))
		}
		free, gap = r.End(), 1
	}
	return nil
}

func (h *Header) checkRelocs() error {
	for i, r := range h.Relocs {
		begin, end, ok := r.window(MaxSector(h.Version))
		if !ok || r.Type == RelocShort && r.Sector+1 != h.Last {
			return ErrReloc.as("number %d, of type %d, of %d bytes at sector %d", int64(i), int64(r.Type), int64(r.Size), int64(r.Sector))
		}
		if end > begin && !h.holds(begin, end) {
			return ErrReloc.as("number %d, of type %d at sector %d, is not inside a region", int64(i), int64(r.Type), int64(r.Sector))
		}
	}
	return nil
}

// holds tells whether one region has all bytes from begin to end. As regions do
// not touch, two can not have them together.
func (h *Header) holds(begin, end uint64) bool {
	for _, r := range h.Regions {
		if begin >= r.Start*Sector && end <= r.End()*Sector {
			return true
		}
	}
	return false
}
