// Package frisbee sends a file to a room by multicast and receives it, as the
// Emulab disk loader does (docs/frisbee.md): real servers and clients and ours
// may be mixed. A [Server] holds one file and sends what is asked for, at a pace
// that the room can take. A [Client] collects the chunks that it wants, and hands
// each over when it is complete, in whatever order that is.
//
// The packets are those of [wire]. What a server sends next is decided by queue,
// and what a client asks for by receive; this package gives them sockets, time,
// files, and bounds. The master server that tells clients where to go is in
// package master.
package frisbee
