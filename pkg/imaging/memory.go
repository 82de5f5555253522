package imaging

import (
	"bytes"
	"os"
	"strconv"
)

// leastBuffers lets a stream.Reader, which takes half of its memory for the
// history that a zstd stream refers back to, decode all that zstd -19 writes
// (8 MiB of history).
const leastBuffers = 17 << 20

// plenty is the available memory from which on the reader's own limits are
// good: tens of MiB of buffers, and history as long as zstd --long writes.
const plenty = 1 << 30

// buffers is how much memory a stream.Reader may use on this machine, in its
// own terms (0 is its default). On a small node the root file system, the page
// cache and the kernel's own buffers live in the same memory.
func buffers() int64 {
	free := available()
	if free >= plenty {
		return 0
	}
	return max(free/6, leastBuffers)
}

// indexRoom is how large an index may be that a stream brings, in bytes: while it
// is read and understood it takes up to eight times as much memory as that. The
// largest index that is ever written has half a GiB.
func indexRoom(free int64) int64 { return min(max(free/8, leastBuffers), 1<<29) }

// available is the memory that can be had without swapping, in bytes (proc(5),
// MemAvailable), or 0 where the kernel does not say.
func available() int64 {
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(info) {
		fields := bytes.Fields(line)
		if len(fields) >= 2 && string(fields[0]) == "MemAvailable:" {
			kib, _ := strconv.ParseInt(string(fields[1]), 10, 64)
			return kib << 10
		}
	}
	return 0
}
