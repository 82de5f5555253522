package xfs

import (
	"encoding/binary"
	"hash/crc32"
	"io"
)

const (
	logBlock  = 512
	logMagic  = 0xfeedbabe
	logWindow = 2 << 20 / logBlock // what may be on its way to the log at once
	unmounted = 0x20               // flag of the operation that ends a clean log
)

// journal is the internal log: a ring of 512-byte blocks, each of which tells
// in which round it was written. The head is where the round steps down.
type journal struct {
	*super
	r      io.ReaderAt
	off    int64 // bytes
	blocks int64
}

// openLog finds the log on the volume.
func openLog(r io.ReaderAt, s *super) (*journal, error) {
	group, block := int64(s.logStart>>s.agLog), int64(s.logStart&(1<<s.agLog-1))
	if s.logStart>>s.agLog >= uint64(s.groups) || s.logBlocks < 1 || s.logBlocks > 1<<32/s.block ||
		block < 1 || block+s.logBlocks > s.groupBlocks(group) {
		return nil, unsafe("its log of %d blocks is said to be at %#x", s.logBlocks, s.logStart)
	}
	return &journal{super: s, r: r, off: (group*s.agBlocks + block) * s.block, blocks: s.logBlocks * s.block / logBlock}, nil
}

// clean tells whether the last thing in the log is an unmount, by the same
// steps as the kernel: find the head, see that all that leads up to it was
// written, and look at the last record. Whatever is odd is not clean.
func (j *journal) clean() (bool, error) {
	head, round, err := j.head()
	if err != nil || round == 0 {
		return false, err
	}
	n := min(int64(logWindow), j.blocks)
	if last, err := j.round(j.blocks - 1); err != nil {
		return false, err
	} else if last == 0 {
		n = min(n, head) // the first round goes on
	}
	b, err := j.read(head-n, n)
	if err != nil {
		return false, err
	}
	record := int64(-1)
	for i := range n {
		want := round
		if head != 0 && head-n+i < 0 {
			want--
		}
		if roundOf(b[i*logBlock:]) != want {
			return false, nil
		}
		if binary.BigEndian.Uint32(b[i*logBlock:]) == logMagic {
			record = i
		}
	}
	if record < 0 {
		return false, nil
	}
	at := (head - n + record + j.blocks) % j.blocks
	return j.isUnmount(b[record*logBlock:], uint32(at)), nil
}

// isUnmount tells whether b, which ends at the head, is one record that says
// that the filesystem was unmounted.
func (j *journal) isUnmount(b []byte, at uint32) bool {
	be := binary.BigEndian
	version, size, length := be.Uint32(b[8:]), be.Uint32(b[320:]), int64(be.Uint32(b[12:]))
	headers := int64(1) // more, where a record may be longer than one can hold the rounds of
	if version&2 != 0 && size > 32<<10 {
		headers = (int64(size) + 32<<10 - 1) / (32 << 10)
	}
	end := headers*logBlock + (length+logBlock-1)/logBlock*logBlock
	switch {
	case version == 0 || version&^3 != 0 || end != int64(len(b)) || length < 12:
	case be.Uint32(b[20:]) != at || be.Uint32(b[16:]) != be.Uint32(b[4:]):
	case [16]byte(b[304:]) != j.uuid:
	case be.Uint32(b[40:]) != 1 || b[headers*logBlock+9]&unmounted == 0:
	default:
		return j.version == 4 || recordOK(b, headers, length)
	}
	return false
}

// recordOK checks a record's checksum, which covers the first header without
// its padding (that differs by 4 bytes between kernels of 32 and 64 bits), those
// of the other headers that this much data takes, and the data. mkfs and
// xfs_repair write none.
func recordOK(b []byte, headers, length int64) bool {
	want := binary.LittleEndian.Uint32(b[32:])
	for _, size := range []int{328, 324} {
		sum := crc32.Update(0, castagnoli, b[:32])
		sum = crc32.Update(sum, castagnoli, make([]byte, 4))
		sum = crc32.Update(sum, castagnoli, b[36:size])
		for i := int64(1); i < min(headers, (length+32<<10-1)/(32<<10)); i++ {
			sum = crc32.Update(sum, castagnoli, b[i*logBlock:][:260])
		}
		if crc32.Update(sum, castagnoli, b[headers*logBlock:][:length]) == want {
			return true
		}
	}
	return want == 0
}

// head finds where the log will be written next, and the round of the block
// before it; that is 0 where the rounds make no sense.
func (j *journal) head() (head int64, round uint32, err error) {
	first, err := j.round(0)
	if err != nil {
		return 0, 0, err
	}
	last, err := j.round(j.blocks - 1)
	if err != nil {
		return 0, 0, err
	}
	switch {
	case first == last:
		return 0, first, nil
	case first != last+1:
		return 0, 0, nil
	}
	lo, hi := int64(0), j.blocks-1 // of round first, of round last
	for hi-lo > 1 {
		mid := (lo + hi) / 2
		switch round, err := j.round(mid); {
		case err != nil:
			return 0, 0, err
		case round == first:
			lo = mid
		case round == last:
			hi = mid
		default:
			return 0, 0, nil
		}
	}
	return hi, first, nil
}

// round is the one in which a block was written, 0 for never.
func (j *journal) round(block int64) (uint32, error) {
	b, err := j.read(block, 1)
	if err != nil {
		return 0, err
	}
	return roundOf(b), nil
}

func roundOf(b []byte) uint32 {
	n := binary.BigEndian.Uint32(b)
	if n == logMagic {
		return binary.BigEndian.Uint32(b[4:])
	}
	return n
}

// read reads n blocks of the ring; one below 0 is counted from its end.
func (j *journal) read(block, n int64) ([]byte, error) {
	b := make([]byte, n*logBlock)
	wrapped := b[:min(max(-block, 0), n)*logBlock]
	if err := readAt(j.r, wrapped, j.off+(block+j.blocks)*logBlock, "log"); err != nil {
		return nil, err
	}
	return b, readAt(j.r, b[len(wrapped):], j.off+max(block, 0)*logBlock, "log")
}
