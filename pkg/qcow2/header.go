package qcow2

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"strings"
)

// Magic is what every qcow2 image begins with.
const Magic = "QFI\xfb"

const (
	headerV2 = 72
	headerV3 = 104

	minClusterBits = 9
	maxClusterBits = 21
	minExtendedL2  = 14 // QEMU wants subclusters of at least one sector

	// maxL1 is the most entries an L1 table may have, as in QEMU: 32 MiB.
	maxL1 = 32 << 20 / 8

	// maxSize is the largest virtual size: offsets never overflow an int64.
	maxSize = 1 << 62
)

// Incompatible features.
const (
	featureDirty       = 1 << 0 // refcounts may be wrong; the tables are not
	featureCorrupt     = 1 << 1
	featureDataFile    = 1 << 2
	featureCompression = 1 << 3 // the compression field is not 0
	featureExtendedL2  = 1 << 4

	featuresKnown = featureDirty | featureCorrupt | featureDataFile | featureCompression | featureExtendedL2
)

type compression byte

const (
	deflate   compression = 0
	zstandard compression = 1
)

// header is what of an image's header concerns its content.
type header struct {
	version     uint32
	clusterBits uint
	size        int64 // virtual, bytes
	l1Entries   int64 // that the virtual size needs
	l1Off       int64
	extended    bool
	compression compression
}

func readHeader(r io.ReaderAt, size int64) (header, error) {
	var h header
	b := make([]byte, min(size, headerV3+8))
	if len(b) < len(Magic) {
		return h, ErrNotQcow2
	}
	if err := readFull(r, b, 0, "header"); err != nil {
		return h, err
	}
	if string(b[:4]) != Magic {
		return h, ErrNotQcow2
	}
	if len(b) < headerV2 {
		return h, broken("header", 0, "the file ends within it")
	}
	be := binary.BigEndian
	h.version = be.Uint32(b[4:])
	if h.version != 2 && h.version != 3 {
		return h, &UnsupportedError{fmt.Sprintf("version %d of the format", h.version)}
	}
	if n := be.Uint32(b[20:]); n < minClusterBits || n > maxClusterBits {
		return h, broken("header", 20, "clusters of 2^%d bytes (want 2^9 to 2^21)", n)
	} else {
		h.clusterBits = uint(n)
	}
	if err := h.features(b); err != nil {
		return h, err
	}
	if off, n := be.Uint64(b[8:]), be.Uint32(b[16:]); off != 0 && n != 0 {
		return h, &UnsupportedError{"a backing file" + backingName(r, off, n, size)}
	}
	switch be.Uint32(b[32:]) {
	case 0:
	case 1:
		return h, &UnsupportedError{"decryption (AES)"}
	case 2:
		return h, &UnsupportedError{"decryption (LUKS)"}
	default:
		return h, &UnsupportedError{"decryption of an unknown kind"}
	}
	return h, h.tables(be.Uint64(b[24:]), be.Uint32(b[36:]), be.Uint64(b[40:]), size)
}

// features takes apart what version 3 added.
func (h *header) features(b []byte) error {
	if h.version < 3 {
		return nil
	}
	if len(b) < headerV3 {
		return broken("header", 0, "the file ends within it")
	}
	be := binary.BigEndian
	bit := be.Uint64(b[72:])
	length := be.Uint32(b[100:])
	if length < headerV3 || int64(length) > 1<<h.clusterBits {
		return broken("header", 100, "it says it has %d bytes", length)
	}
	var kind byte
	if length > headerV3 {
		if len(b) <= headerV3 {
			return broken("header", 0, "the file ends within it")
		}
		kind = b[104]
	}
	switch {
	case bit&^featuresKnown != 0:
		return &UnsupportedError{fmt.Sprintf("unknown features (incompatible bit %d)", bits.TrailingZeros64(bit&^featuresKnown))}
	case bit&featureCorrupt != 0:
		return broken("header", 72, "QEMU has marked the image as corrupt (qemu-img check -r all may repair it)")
	case bit&featureDataFile != 0:
		return &UnsupportedError{"an external data file"}
	case (bit&featureCompression != 0) != (kind != 0):
		return broken("header", 104, "compression %d and its feature bit disagree", kind)
	case kind > byte(zstandard):
		return &UnsupportedError{fmt.Sprintf("decompression of the unknown kind %d", kind)}
	}
	h.compression = compression(kind)
	h.extended = bit&featureExtendedL2 != 0
	if h.extended && h.clusterBits < minExtendedL2 {
		return broken("header", 20, "clusters of 2^%d bytes are too small for extended L2 entries", h.clusterBits)
	}
	return nil
}

// tables checks the virtual size and the place of the L1 table.
func (h *header) tables(virtual uint64, entries uint32, off uint64, size int64) error {
	if virtual > maxSize {
		return broken("header", 24, "a virtual size of %d bytes", virtual)
	}
	h.size = int64(virtual)
	span := h.cluster() * h.l2Entries() // bytes of disk of one L2 table
	h.l1Entries = h.size / span
	if h.size%span != 0 {
		h.l1Entries++
	}
	if entries > maxL1 || h.l1Entries > int64(entries) {
		return broken("header", 36, "an L1 table of %d entries (a disk of %d bytes needs %d, at most %d are allowed)", entries, h.size, h.l1Entries, maxL1)
	}
	if h.l1Entries == 0 {
		return nil
	}
	if off%uint64(h.cluster()) != 0 || off == 0 || off > uint64(size) || h.l1Entries*8 > size-int64(off) {
		return broken("header", 40, "an L1 table of %d bytes at byte %d of a file of %d", h.l1Entries*8, off, size)
	}
	h.l1Off = int64(off)
	return nil
}

// cluster is the size of a cluster in bytes.
func (h *header) cluster() int64 { return 1 << h.clusterBits }

// l2Entries is how many clusters one L2 table describes.
func (h *header) l2Entries() int64 {
	if h.extended {
		return h.cluster() / 16
	}
	return h.cluster() / 8
}

// backingName is the name in brackets, as far as it can be read and printed.
func backingName(r io.ReaderAt, off uint64, n uint32, size int64) string {
	if n > 1023 || off > uint64(size) || int64(n) > size-int64(off) {
		return ""
	}
	b := make([]byte, n)
	if readFull(r, b, int64(off), "header") != nil {
		return ""
	}
	name := strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c == 0xfffd {
			return '?'
		}
		return c
	}, string(b))
	return " (" + name + ")"
}
