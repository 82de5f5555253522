// Package master is frisbee's master server and its client (docs/frisbee.md):
// over TCP, one request and one reply, a client learns where an image is served
// or where to upload one. The messages are those of [wire]; who may have what,
// and what is started for it, the [Handler] says.
//
// Requests may arrive in pieces here. The real server drops those, so the client
// sends each in one write.
package master
