package ndztest

import "encoding/binary"

// Version1 makes an image of version 1 of one of version 2 or 3 without
// relocations. counted has its headers say how many chunks there are, as they do
// where the real writer could seek.
func Version1(file []byte, counted bool) []byte {
	const size, area, tableNew, tableOld = 1 << 20, 4096, 36, 24
	old := make([]byte, len(file))
	copy(old, file)
	for at := 0; at < len(old); at += size {
		head := old[at : at+area]
		binary.LittleEndian.PutUint32(head, 0x69696969)
		if counted {
			binary.LittleEndian.PutUint32(head[12:], uint32(len(old)/size))
		}
		n := copy(head[tableOld:], head[tableNew:])
		clear(head[tableOld+n:])
	}
	return old
}
