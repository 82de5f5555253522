package api

import (
	"net/netip"
	"time"
)

// Join asks a head for the multicast session of an image.
type Join struct {
	Image string `json:"image"`          // its name or URL at the head
	Root  string `json:"root,omitempty"` // that it must have, hex; "" = any
}

// Room is a head's answer to Join: where the bytes of the image file are sent.
type Room struct {
	Image  string         `json:"image"`          // name at the head
	Peer   netip.AddrPort `json:"peer"`           // the group, and the port of all
	Server netip.Addr     `json:"server"`         // the head's address there: where data comes from
	Block  int            `json:"block"`          // bytes of a block; 0 means 1024
	Size   int64          `json:"size"`           // of the file, bytes
	ETag   string         `json:"etag"`           // of the version that is sent, as HTTP gives it
	Root   string         `json:"root,omitempty"` // of an Orbit image, hex
}

// Session is a room, and how it goes there.
type Session struct {
	Room
	Interface string    `json:"interface"` // of the head
	Since     time.Time `json:"since"`
	Clients   int       `json:"clients"` // that are there
	Joined    int       `json:"joined"`  // that ever were
	Bytes     uint64    `json:"bytes"`   // sent, of the file
	Rate      int64     `json:"rate"`    // at present, bit/s
	Lost      uint64    `json:"lost"`    // blocks that clients asked for again
}
