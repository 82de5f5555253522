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
	*Super
	r      io.ReaderAt
	off    int64 // bytes
	blocks int64
}

// Clean tells whether the internal log holds nothing but that the filesystem
// was unmounted. What an external log holds cannot be told.
func (s *Super) Clean(r io.ReaderAt) (bool, error) {
	if s.logStart == 0 {
		return false, nil
	}
	j, err := openLog(r, s)
	if err != nil {
		return false, err
	}
	return j.clean()
}

// openLog finds the log on the volume.
func openLog(r io.ReaderAt, s *Super) (*journal, error) {
	group, block := int64(s.logStart>>s.GroupLog), int64(s.logStart&(1<<s.GroupLog-1))
	if s.logStart>>s.GroupLog >= uint64(s.Groups) || s.logBlocks < 1 || s.logBlocks > 1<<32/s.Block ||
		block < 1 || block+s.logBlocks > s.Length(group) {
		return nil, unsafe("its log of %d blocks is said to be at %#x", s.logBlocks, s.logStart)
	}
	return &journal{Super: s, r: r, off: (group*s.GroupBlocks + block) * s.Block, blocks: s.logBlocks * s.Block / logBlock}, nil
}

// clean tells whether the last thing in the log is an unmount, by the same
// steps as the kernel: find the head, see that all that leads up to it was
// written, and look at the last record; or at the one before that, if the last
// was never completed, as xfs_repair leaves it. Whatever is odd is not clean.
func (j *journal) clean() (bool, error) {
	head, round, err := j.head()
	if err != nil || round == 0 {
		return false, err
	}
	if whole, err := j.written(head, round); err != nil || !whole {
		return false, err
	}
	for range 2 {
		at, err := j.record(head)
		if err != nil || at < 0 {
			return false, err
		}
		length := (head-at+j.blocks-1)%j.blocks + 1
		end, clean, err := j.unmount(at, length)
		if err != nil || end == length {
			return clean, err
		}
		head = at
	}
	return false, nil
}

// written tells whether none of the blocks that lead up to the head is left
// from the round before.
func (j *journal) written(head int64, round uint32) (bool, error) {
	n := min(int64(logWindow), j.blocks)
	if round == 1 && head > 0 {
		n = min(n, head) // nothing was before
	}
	b, err := j.read(head-n, n)
	if err != nil {
		return false, err
	}
	for i := range n {
		old := round - 1
		if head != 0 && head-n+i < 0 {
			old--
		}
		if roundOf(b[i*logBlock:]) == old {
			return false, nil
		}
	}
	return true, nil
}

// record finds the last header of a record before the head; -1 if there is none.
func (j *journal) record(head int64) (int64, error) {
	for left := j.blocks; left > 0; {
		n := min(int64(logWindow), left)
		left -= n
		b, err := j.read(head-(j.blocks-left), n)
		if err != nil {
			return 0, err
		}
		for i := n - 1; i >= 0; i-- {
			if binary.BigEndian.Uint32(b[i*logBlock:]) == logMagic {
				return (head + left + i) % j.blocks, nil
			}
		}
	}
	return -1, nil
}

// unmount looks at the record at a block, behind which there are so many with
// the record's. It gives how many the record has, and whether it says that the
// filesystem was unmounted.
func (j *journal) unmount(at, blocks int64) (end int64, clean bool, err error) {
	b, err := j.read(at, 1)
	if err != nil {
		return 0, false, err
	}
	be := binary.BigEndian
	version, size, length := be.Uint32(b[8:]), int64(be.Uint32(b[320:])), int64(be.Uint32(b[12:]))
	headers := int64(1) // and more where a record may be longer than 32k
	if version&2 != 0 && size > 32<<10 {
		headers = (size + 32<<10 - 1) / (32 << 10)
	}
	end = headers + (length+logBlock-1)/logBlock
	switch {
	case end != blocks || length < 12 || version == 0 || version&^3 != 0:
	case int64(be.Uint32(b[20:])) != at || be.Uint32(b[16:]) != be.Uint32(b[4:]) || be.Uint32(b[40:]) != 1:
	case [16]byte(b[304:]) != j.uuid:
	default:
		op, err := j.read((at+headers)%j.blocks, 1)
		if err != nil || op[9]&unmounted == 0 {
			return end, false, err
		}
		if sum := be.Uint32(b[32:]); j.Version == 4 || sum == 0 {
			return end, true, nil // mkfs and xfs_repair write no checksum
		}
		if end > logWindow {
			return end, false, nil
		}
		if b, err = j.read(at-j.blocks, end); err != nil {
			return 0, false, err
		}
		return end, recordOK(b, headers, length), nil
	}
	return end, false, nil
}

// recordOK checks a record's checksum, which covers the first header without
// its padding (that differs by 4 bytes between kernels of 32 and 64 bits), those
// of the other headers that this much data takes, and the data.
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
	return false
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
	lo, hi := int64(0), j.blocks-1 // hi is of the round of the last
	for hi-lo > 1 {
		mid := (lo + hi) / 2
		switch round, err := j.round(mid); {
		case err != nil:
			return 0, 0, err
		case round == last:
			hi = mid
		default:
			lo = mid
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
