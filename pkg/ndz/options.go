package ndz

import "runtime"

// Options says how an image is to be read. The zero value reads what is neither
// encrypted nor signed, for a whole disk of any size.
type Options struct {
	// Target is where the image of a partition goes; the zero value is a
	// whole disk. Nothing in an image tells which of them it was made of.
	Target Target

	// Room is how many bytes the target has; 0 leaves the check to others.
	Room int64

	// ID is what the image must call itself; zero for anything.
	ID [16]byte

	// Seal opens what is encrypted or signed, package seal has one; nil
	// refuses that.
	Seal Opener

	// Workers is how many chunks are expanded at a time, 0 for as many as
	// there are cores. Each takes up to 6 MiB of memory.
	Workers int
}

// Target is a partition, in sectors.
type Target struct {
	Start, Sectors uint64
}

// Opener checks and decrypts the streams of chunks. It is used from several
// goroutines at a time.
type Opener interface {
	// Open gives the stream of a chunk in clear. chunk holds at least
	// HeaderSize + h.Size bytes, and is not changed; the stream may be a part of
	// it, or use the capacity of buf. It refuses a chunk that has less
	// protection than the keys at hand are for.
	Open(buf []byte, h *Header, chunk []byte) ([]byte, error)
}

func (o *Options) workers() int {
	if o.Workers > 0 {
		return o.Workers
	}
	return runtime.GOMAXPROCS(0)
}
