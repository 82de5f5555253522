package ndz

import (
	"fmt"
	"runtime"
)

// WriteOptions say how an image is written. The zero value makes what every
// real reader takes.
type WriteOptions struct {
	// Version is 2 to 5. With 0 it is 3, or 5 where sectors have numbers of more
	// than 32 bits.
	Version int

	// ID of the image; only versions 4 and 5 have a place for it.
	ID [16]byte

	// Gap is the fewest sectors that are left out of the image: ranges that are
	// free but shorter become part of it, as zeros. 0 is DefaultGap; with 1 each
	// free sector is left out.
	Gap int64

	// Stale saves what such short ranges hold, as the real tools do.
	Stale bool

	// Workers is how many goroutines read and compress, 0 for what keeps all
	// cores and a disk busy.
	Workers int

	// InOrder reads src in ascending order, one piece after the other, each byte
	// once: a stream will do.
	InOrder bool

	// Progress, if it is there, is told up to where on the disk all is done, in
	// bytes: in ascending order, from one goroutine at a time.
	Progress func(done int64)
}

const (
	// DefaultGap is the Gap of the real tools.
	DefaultGap = 64

	// writtenRegions is how many regions of a chunk the real writers use, in
	// versions that have room for more.
	writtenRegions = 469
)

// Written tells what Write has written.
type Written struct {
	Version int
	Chunks  int64
	Data    int64 // bytes of the disk that are in the image
	Packed  int64 // bytes of the streams that they are in
}

// Bytes is the size of the image.
func (w *Written) Bytes() int64 { return w.Chunks * ChunkSize }

// complete checks the options and replaces zeros by defaults, for a disk of so
// many sectors.
func (o *WriteOptions) complete(sectors uint64) error {
	if o.Version == 0 {
		o.Version = 3
		if sectors > MaxSector32 {
			o.Version = 5
		}
	}
	switch {
	case o.Version < 2 || o.Version > MaxVersion:
		return fmt.Errorf("version %d of the format is not written: want 2 to %d", o.Version, MaxVersion)
	case sectors > MaxSector(o.Version):
		return fmt.Errorf("version %d of the format has no numbers for %d sectors: want 5", o.Version, sectors)
	case o.ID != [16]byte{} && o.Version < 4:
		return fmt.Errorf("version %d of the format has no image id: want 4 or 5", o.Version)
	}
	if o.Gap <= 0 {
		o.Gap = DefaultGap
	}
	if o.Workers <= 0 {
		o.Workers = 2*runtime.GOMAXPROCS(0) + 2
	}
	return nil
}
