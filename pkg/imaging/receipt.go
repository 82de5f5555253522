package imaging

import (
	"fmt"
	"time"

	"github.com/orbit-pxe/orbit/pkg/units"
)

// Receipt is what Write and Save have done.
type Receipt struct {
	Source    string    `json:"source"`
	Dest      string    `json:"dest"`
	Format    string    `json:"format"`              // of the image file
	Stored    int64     `json:"stored"`              // bytes of the image file: read of it, or written
	Multicast int64     `json:"multicast,omitempty"` // of Stored: bytes that came by multicast
	Bytes     int64     `json:"bytes"`               // of the disk: the image's content
	Used      int64     `json:"used,omitempty"`      // of Bytes
	Written   int64     `json:"written,omitempty"`   // bytes that were written to the disk; the others were there
	Seconds   float64   `json:"seconds"`             // from the first byte to the last, plan left out
	Rate      float64   `json:"rate"`                // Bytes per second
	SHA256    string    `json:"sha256,omitempty"`    // of the image file, hex, if it was computed
	Checked   bool      `json:"checked"`             // SHA256, Root or a signature is what was asked for
	Root      string    `json:"root,omitempty"`      // of an Orbit image, hex
	Verified  Verify    `json:"verified,omitempty"`  // how it is known that the disk holds the image
	Serial    string    `json:"serial,omitempty"`    // of the disk
	Table     string    `json:"table"`               // partition table, in words
	Time      time.Time `json:"time"`                // when it was done
	Notes     []string  `json:"notes,omitempty"`     // what the image has to tell of its save
}

// String is the receipt in a line, and in a second one what was proven by reading
// the disk.
func (r *Receipt) String() string {
	took := time.Duration(r.Seconds * float64(time.Second))
	s := fmt.Sprintf("%s -> %s: %s in %s, %s (%s stored, %s", r.Source, r.Dest,
		units.Bytes(r.Bytes), units.Duration(took), units.Rate(r.Bytes, took), units.Bytes(r.Stored), r.Format)
	if r.Used > 0 && r.Used < r.Bytes {
		s += ", " + units.Bytes(r.Used) + " in use"
	}
	if r.Verified != "" && r.Used > 0 {
		s += ", " + units.Bytes(r.Written) + " written"
	}
	s += ")"
	if r.Verified != VerifyDisk {
		return s
	}
	s += "\n" + r.Dest
	if r.Serial != "" {
		s += ", serial " + r.Serial
	}
	s += ", read back at " + r.Time.UTC().Format(time.RFC3339) + ", holds "
	switch {
	case r.Root != "":
		return s + "the image with root " + r.Root
	case r.SHA256 != "":
		return s + "the image with sha256 " + r.SHA256
	}
	return s + "what was written"
}
