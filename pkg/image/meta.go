package image

import (
	"encoding/json"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
)

// Meta is what an image tells beside its content. The root digest covers it.
type Meta struct {
	Scheme   string      `json:"scheme,omitempty"` // of the partition table: gpt, mbr, or none
	Parts    []Partition `json:"partitions,omitempty"`
	Origin   Origin      `json:"origin"`
	Parent   *Digest     `json:"parent,omitempty"`    // root of the image that this one was sent as the difference to
	Part     int         `json:"partition,omitempty"` // the number of the only partition that was saved
	Notes    []string    `json:"notes,omitempty"`     // warnings of the save: what was saved whole, and why; what could not be read
	Scrubbed bool        `json:"scrubbed,omitempty"`  // identity and logs were left out
}

// Partition is one partition, or the whole disk where there is no table, in words.
type Partition struct {
	Number int    `json:"number,omitempty"`
	Name   string `json:"name,omitempty"`
	Type   string `json:"type,omitempty"`
	Offset int64  `json:"offset"` // bytes
	Size   int64  `json:"size"`   // bytes
	Kind   string `json:"filesystem,omitempty"`
	Label  string `json:"label,omitempty"`
	UUID   string `json:"uuid,omitempty"`
	Covers int64  `json:"covers,omitempty"` // bytes from Offset on that its filesystem is made for
	Used   int64  `json:"used"`             // bytes in the image
}

// Origin is where and by what an image was saved.
type Origin struct {
	Node string    `json:"node,omitempty"` // host name, or what the head calls it
	Disk *api.Disk `json:"disk,omitempty"`
	Time time.Time `json:"time,omitzero"`
	Tool string    `json:"tool,omitempty"` // with version
}

func (m *Meta) encode() ([]byte, error) { return json.Marshal(m) }

func (m *Meta) decode(b []byte) error { return json.Unmarshal(b, m) }
