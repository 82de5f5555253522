package qemu

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// The log of a disk's writes is in the format of the Linux device mapper's
// target log-writes (drivers/md/dm-log-writes.c), as QEMU's driver blklogwrites
// writes it. Numbers are little-endian, N is the log's sector:
//
//	sector 0   magic (8), version (8), number of entries (8), N in bytes (4)
//	entry      sector of the disk (8), sectors (8), flags (8), bytes of a mark (8);
//	           padded to N, followed by the sectors that were written
//
// A discard has no data. Zeros are written out.
const (
	logMagic   = 0x6a736677736872
	logVersion = 1

	logFlush   = 1 << 0
	logDiscard = 1 << 2
)

// Request is what a disk was told: to write, to discard or to flush.
type Request struct {
	Op   Op     // Write or Flush
	Off  int64  // bytes
	Len  int64  // bytes
	Data []byte // nil for a discard
}

// Apply does to a disk's content what the request says. Discarded sectors
// become zeros.
func (r Request) Apply(disk []byte) {
	if r.Op != Write {
		return
	}
	part := disk[r.Off : r.Off+r.Len]
	if r.Data == nil {
		clear(part)
	}
	copy(part, r.Data)
}

// Part is the request for n of its bytes alone, beginning at off of them.
func (r Request) Part(off, n int64) Request {
	p := Request{Op: r.Op, Off: r.Off + off, Len: n}
	if r.Data != nil {
		p.Data = r.Data[off : off+n]
	}
	return p
}

// ReadLog reads the log of a disk of size bytes, in the order in which the
// requests came. One that the log ends in the middle of is left out.
func ReadLog(path string, size int64) ([]Request, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	list, err := parseLog(bufio.NewReaderSize(f, 1<<20), size)
	if err != nil {
		return nil, fmt.Errorf("write log %s: %w", path, err)
	}
	return list, nil
}

func parseLog(r io.Reader, size int64) ([]Request, error) {
	super := make([]byte, 512)
	if _, err := io.ReadFull(r, super); err != nil {
		return nil, fmt.Errorf("read its first sector: %w", err)
	}
	word := func(b []byte, i int) uint64 { return binary.LittleEndian.Uint64(b[8*i:]) }
	if word(super, 0) != logMagic || word(super, 1) != logVersion {
		return nil, fmt.Errorf("magic %#x, version %d are not those of a write log", word(super, 0), word(super, 1))
	}
	sector := int64(binary.LittleEndian.Uint32(super[24:]))
	if sector < 512 || sector > 1<<16 || sector&(sector-1) != 0 {
		return nil, fmt.Errorf("sectors of %d bytes", sector)
	}
	if _, err := io.CopyN(io.Discard, r, sector-512); err != nil {
		return nil, fmt.Errorf("read its first sector: %w", err)
	}
	var list []Request
	entry := make([]byte, sector)
	for {
		_, err := io.ReadFull(r, entry)
		if isEnd(err) {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		first, count, flags := word(entry, 0), word(entry, 1), word(entry, 2)
		if end := uint64(size / sector); first > end || count > end-first {
			return nil, fmt.Errorf("entry %d is of sectors %d to %d, the disk has %d", len(list), first, first+count, end)
		}
		if flags&^(logFlush|logDiscard) != 0 {
			return nil, fmt.Errorf("entry %d has unknown flags %#x", len(list), flags)
		}
		if flags&logFlush != 0 {
			list = append(list, Request{Op: Flush}) // comes before what is written
		}
		if count == 0 {
			continue
		}
		q := Request{Op: Write, Off: int64(first) * sector, Len: int64(count) * sector}
		if flags&logDiscard == 0 {
			q.Data = make([]byte, q.Len)
			if _, err := io.ReadFull(r, q.Data); isEnd(err) {
				return list, nil
			} else if err != nil {
				return nil, err
			}
		}
		list = append(list, q)
	}
}

func isEnd(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
