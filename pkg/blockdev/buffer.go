package blockdev

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// AllocAligned gives n bytes that begin on a page, as O_DIRECT wants them,
// outside the garbage collector's heap. Give them back with FreeAligned; they
// are zero at first. It panics when the kernel has no memory, as make does.
func AllocAligned(n int) []byte {
	if n <= 0 {
		return nil
	}
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		panic(fmt.Sprintf("allocate %d aligned bytes: %v", n, err))
	}
	return b
}

// FreeAligned gives back what AllocAligned gave. b must begin and end where it
// did then, and must not be used any more.
func FreeAligned(b []byte) {
	if cap(b) > 0 {
		unix.Munmap(b[:cap(b)])
	}
}

// alignedTo tells whether b begins at a multiple of align in memory.
func alignedTo(b []byte, align int) bool {
	return len(b) == 0 || uintptr(unsafe.Pointer(unsafe.SliceData(b)))%uintptr(align) == 0
}
