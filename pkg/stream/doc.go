// Package stream reads and writes the compressed streams that disk images
// travel in: raw, gzip, xz, zstd and bzip2, told apart by their first bytes.
//
//	gzip   RFC 1952, any number of members
//	xz     The .xz File Format 1.2.0: any number of streams and blocks, stream
//	       padding, LZMA2 with BCJ and delta filters, checks CRC32, CRC64, SHA-256
//	zstd   RFC 8878: any number of frames, skippable frames; no dictionaries
//	bzip2  any number of streams
//
// A stream that ends early, is followed by something else, or fails one of its
// checksums is an error, never a short success: [TruncatedError] and
// [FormatError] say after how many decoded bytes.
//
// # Speed
//
// A [Reader] decodes in its own goroutines ahead of its consumer and hands out
// page-aligned blocks ([Reader.Next]), which can go to a disk opened with
// O_DIRECT without another copy. A zstd file of many frames, as [NewWriter] and
// pzstd write it, is decoded on all cores: the frames are found by walking
// block headers, without decoding. A zstd frame too large to be held, as
// the zstd tool writes it, is decoded by a pipeline of three goroutines.
// Memory is bounded by [Options.MaxMemory], whatever the stream says.
package stream
