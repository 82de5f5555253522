// Package transfer moves image files: it reads them from a path, from standard
// input or over HTTP(S), and sends them by HTTP PUT.
//
// Reading over HTTP survives what networks and servers do. A broken
// connection is taken up where it ended with a range request (RFC 9110, section
// 14) tied to the same version of the file by If-Range or, where the server
// offers no strong validator, by comparing what it says of the file. A
// connection that stays silent is given up and made anew. Each kind of
// answer that would corrupt the data is an error of its own: [ChangedError],
// [RangeError], [StatusError]. What never happens is that a transfer waits
// for ever: after [Options.Patience] without one byte it ends in a
// [StalledError]. Slow is fine; no limit is set on a whole transfer.
//
// Parts of a file are read by [Ranges], several at a time, with the same rules: each
// answer must be exactly the bytes asked for, of the version that the first
// answer told of. The first request is for the file's end (a suffix range),
// where images have their index.
//
// Bytes arrive as they are stored: no transparent decompression, HTTP/1.1 only
// (one stream at a time gains nothing from HTTP/2's flow control).
//
// Sending ([Put]) uses chunks, asks first with Expect: 100-continue, and ends with the
// SHA-256 of what was sent as a Repr-Digest trailer (RFC 9530). A body that
// fails half-way breaks the connection, so a server never takes it for complete.
//
// Every upload offers to be one that can be resumed, in the optimistic way of
// draft-ietf-httpbis-resumable-upload-12 (interop version 8): one PUT with
// Upload-Complete: ?1. A server that knows this names an upload resource in an
// interim answer (104) before it reads, and tells now and then how much it has;
// the last 16 MiB that it may not have are kept. After an interruption a HEAD asks for
// the offset and a PATCH sends the rest. Other servers see a plain PUT, whose
// interruption is final.
package transfer
