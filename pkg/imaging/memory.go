package imaging

import (
	"bytes"
	"os"
	"strconv"
)

const (
	leastBuffers = 8 << 20
	mostBuffers  = 48 << 20
)

// buffers is how many bytes of decoded data may be on their way: a small part
// of what the machine can spare, because on a node the root file system, the
// page cache and the kernel's own buffers live in the same memory, and little
// at all, because more than a few MiB per core make nothing faster.
func buffers() int64 {
	return min(max(available()/8, leastBuffers), mostBuffers)
}

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
