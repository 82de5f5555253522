package qcow2

import (
	"encoding/binary"
)

const (
	offsetMask    = 1<<56 - 1<<9 // bits 9-55 of an L1 or L2 entry
	compressedBit = 1 << 62
	zeroBit       = 1 << 0
	sectorSize    = 512
	subclusters   = 32
)

type kind byte

const (
	hole   kind = iota // reads as zeros
	plain              // is in the file as it is
	packed             // compressed
)

// mapping says where a piece of the disk is: all of it the same way.
type mapping struct {
	kind kind
	off  int64 // virtual
	end  int64
	host int64 // plain: of off; packed: of the cluster's data
	tail int64 // packed: end of the cluster's data in the file
}

// readL1 reads the L1 table and checks every entry that counts.
func (m *Image) readL1() error {
	b := make([]byte, m.h.l1Entries*8)
	if err := readFull(m.r, b, m.h.l1Off, "l1 table"); err != nil {
		return err
	}
	m.l1 = make([]int64, m.h.l1Entries)
	tables := int64(0)
	for i := range m.l1 {
		at := m.h.l1Off + int64(i)*8
		off := int64(binary.BigEndian.Uint64(b[i*8:]) & offsetMask)
		if off == 0 {
			continue
		}
		if off&(m.h.cluster()-1) != 0 || off > m.fileSize-m.h.cluster() {
			return broken("l1 table", at, "it names an L2 table at byte %d of a file of %d", off, m.fileSize)
		}
		m.l1[i] = off
		// Each table has a cluster of its own. With that checked, the tables
		// of a small file never describe more than it can hold.
		if tables++; tables > m.fileSize>>m.h.clusterBits {
			return broken("l1 table", at, "it names more L2 tables than a file of %d bytes holds", m.fileSize)
		}
	}
	return nil
}

// table is the L2 table at off.
func (m *Image) table(off int64) ([]byte, error) {
	return m.tables.get(off, func() ([]byte, error) {
		b := make([]byte, m.h.cluster())
		return b, readFull(m.r, b, off, "l2 table")
	})
}

// lookup finds virtual byte off, which is below the virtual size. The mapping
// begins there and ends with its cluster, subcluster or hole, or with the disk.
func (m *Image) lookup(off int64) (mapping, error) {
	span := m.h.cluster() * m.h.l2Entries()
	l2 := m.l1[off/span]
	if l2 == 0 {
		return mapping{kind: hole, off: off, end: min(off-off%span+span, m.h.size)}, nil
	}
	t, err := m.table(l2)
	if err != nil {
		return mapping{}, err
	}
	return m.entry(t, l2, off)
}

// entry takes apart the entry of virtual byte off in table t, which is at l2.
func (m *Image) entry(t []byte, l2, off int64) (mapping, error) {
	mask := m.h.cluster() - 1
	i := int(off >> m.h.clusterBits & (m.h.l2Entries() - 1))
	p := mapping{kind: hole, off: off, end: min(off&^mask+mask+1, m.h.size)}
	if !m.h.extended {
		at, e := l2+int64(i)*8, binary.BigEndian.Uint64(t[i*8:])
		switch {
		case e&compressedBit != 0:
			return m.packed(p, at, e)
		case e&zeroBit != 0 && m.h.version < 3:
			return p, broken("l2 table", at, "a zero cluster in an image of version 2")
		case e&zeroBit != 0 || e&offsetMask == 0:
			return p, nil
		}
		return m.plain(p, at, int64(e&offsetMask))
	}
	at, e := l2+int64(i)*16, binary.BigEndian.Uint64(t[i*16:])
	if e&compressedBit != 0 {
		return m.packed(p, at, e)
	}
	sub := m.h.cluster() / subclusters
	n := off & mask / sub
	p.end = min(off&^(sub-1)+sub, m.h.size)
	state := binary.BigEndian.Uint64(t[i*16+8:]) >> n
	data, zero := state&1 != 0, state>>32&1 != 0
	switch host := int64(e & offsetMask); {
	case data && zero:
		return p, broken("l2 table", at, "subcluster %d is both data and zeros", n)
	case data && host == 0:
		return p, broken("l2 table", at, "subcluster %d is in no cluster", n)
	case data:
		return m.plain(p, at, host)
	}
	return p, nil
}

// plain completes p, which is in the cluster at host.
func (m *Image) plain(p mapping, at, host int64) (mapping, error) {
	mask := m.h.cluster() - 1
	p.kind, p.host = plain, host+p.off&mask
	if host&mask != 0 || p.host > m.fileSize-(p.end-p.off) {
		return p, broken("l2 table", at, "it names a cluster at byte %d of a file of %d", host, m.fileSize)
	}
	return p, nil
}

// packed completes p, which is in the compressed cluster that e describes.
// The last of its sectors may lie behind the end of the file, where QEMU does
// not fill it up.
func (m *Image) packed(p mapping, at int64, e uint64) (mapping, error) {
	shift := 62 - (m.h.clusterBits - 8)
	p.kind, p.host = packed, int64(e&(1<<shift-1))
	sectors := int64(e & (compressedBit - 1) >> shift)
	if p.host >= m.fileSize {
		return p, broken("l2 table", at, "it names compressed data at byte %d of a file of %d", p.host, m.fileSize)
	}
	p.tail = min(p.host&^(sectorSize-1)+(sectors+1)*sectorSize, m.fileSize)
	return p, nil
}
