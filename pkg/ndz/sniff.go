package ndz

import "encoding/binary"

// Sniff tells whether a file that begins with head is an .ndz image of any
// version, those that are not read included.
func Sniff(head []byte) bool { return len(head) >= HeaderSize && magical(head) && area(head) }

const versions = 6 // that have been given a number

func magical(head []byte) bool {
	return len(head) >= 4 && binary.LittleEndian.Uint32(head)-magic < versions
}

// area looks for the size of the header area, which never changes.
func area(head []byte) bool { return binary.LittleEndian.Uint32(head[16:]) == HeaderSize }
