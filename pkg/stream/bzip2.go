package stream

import "compress/bzip2"

// decodeBzip2 decodes streams until the source ends. The CRC of each block and
// of each stream is checked by the reader.
func decodeBzip2(src *source, out *outlet) error {
	return out.copyFrom(bzip2.NewReader(src))
}
