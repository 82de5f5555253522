package partition

// Sniff tells from the head of an image (its first MiB; 8 KiB is the least)
// which sector size it was made for and which scheme it has. Only a GPT tells
// the sector size, by the place of its header; 0 means it can't be told.
func Sniff(head []byte) (sectorSize int, s Scheme) {
	if len(head) < 512 {
		return 0, SchemeNone
	}
	var found []int
	for _, ss := range []int{512, 4096} {
		if len(head) < 2*ss {
			break
		}
		if _, err := decodeHeader(head[ss:2*ss], 1); err == nil {
			found = append(found, ss)
		}
	}
	switch {
	case isProtective(head) && len(found) == 2:
		return tieBreak(head), SchemeGPT
	case isProtective(head) && len(found) == 1:
		return found[0], SchemeGPT
	case isProtective(head):
		return 0, SchemeGPT // and a broken one: Read will say how
	case isMBR(head[:512]):
		return 0, SchemeMBR
	}
	return 0, SchemeNone
}

// tieBreak decides between two headers, of which one is the left-over of an
// earlier table: the protective MBR counts the sectors of the current one.
func tieBreak(head []byte) int {
	for _, ss := range []int{4096, 512} {
		h, err := decodeHeader(head[ss:2*ss], 1)
		if err != nil {
			continue
		}
		for i := range 4 {
			e := decodeRecord(head, i)
			if e.Type == typeProtective && e.Sectors == protectiveSize(h.Alternate+1) {
				return ss
			}
		}
	}
	// Byte 4096 lies within the entries of a 512-byte table, where no entry
	// begins with a header's signature.
	return 4096
}
