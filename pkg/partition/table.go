package partition

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/order"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// Scheme is the kind of a partition table.
type Scheme string

const (
	SchemeGPT  Scheme = "gpt"
	SchemeMBR  Scheme = "mbr"
	SchemeNone Scheme = "none" // no table: empty, or a file system on the whole disk
)

// Partition is one partition of a table of either scheme.
type Partition struct {
	Number      int    // as Linux counts: sda3 is 3; logical ones from 5
	Start, Size int64  // bytes
	Type        string // GUID in upper case, or 0x83
	Name        string // GPT only
	Bootable    bool   // MBR active flag, GPT legacy BIOS bootable
	ID          string // PARTUUID as Linux writes it, in lower case
	Extended    bool   // an MBR container of logical partitions, not data
}

// End is the first byte behind the partition.
func (p Partition) End() int64 { return p.Start + p.Size }

// Table is a partition table of either scheme, as values.
type Table struct {
	Scheme     Scheme
	SectorSize int
	ID         string // disk GUID, or MBR disk signature as 8 digits
	Partitions []Partition
	End        int64    // bytes a disk must have for this table, backup GPT included; 0 for SchemeNone
	Incomplete bool     // ReadHead only: parts of the table lie behind the head
	Warnings   []string // oddities that Linux tolerates

	GPT *GPT // set for SchemeGPT
	MBR *MBR // set for SchemeMBR
}

// Region is a range of bytes of a disk.
type Region struct {
	Offset, Size int64 // bytes
}

// Piece is a region with its content.
type Piece struct {
	Off  int64 // bytes
	Data []byte
}

// FormatError says where a partition table contradicts itself. Part names the
// piece ("gpt header"), Off is its place in bytes.
type FormatError struct {
	Part   string
	Off    int64
	Reason string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("%s at byte %d is broken: %s", e.Part, e.Off, e.Reason)
}

// Read reads the partition table of a disk or of a whole disk image. No table
// is SchemeNone and no error. A broken GPT or extended chain is a
// *FormatError; the backup GPT is not tried (see DecodeBackup). A disk too
// short for its own table is a *FormatError too.
func Read(r io.ReaderAt, sectorSize int) (*Table, error) {
	return read(r, sectorSize, false)
}

// ReadHead reads the table as far as it lies in head, the first bytes of an
// image (1 MiB is plenty). What lies behind, such as the boot records of
// logical partitions, is left out and the table marked Incomplete; End holds
// nevertheless.
func ReadHead(head []byte, sectorSize int) (*Table, error) {
	return read(bytes.NewReader(head), sectorSize, true)
}

func read(r io.ReaderAt, sectorSize int, head bool) (*Table, error) {
	if err := checkSectorSize(sectorSize); err != nil {
		return nil, err
	}
	boot := make([]byte, sectorSize)
	n, err := r.ReadAt(boot, 0)
	if n < sectorSize {
		if err == nil || errors.Is(err, io.EOF) {
			return &Table{Scheme: SchemeNone, SectorSize: sectorSize}, nil // no room for any table
		}
		return nil, fmt.Errorf("read boot sector: %w", err)
	}
	switch {
	case isProtective(boot):
		g, err := DecodeGPT(r, sectorSize)
		if head && errors.Is(err, errBehind) {
			return &Table{Scheme: SchemeGPT, SectorSize: sectorSize, ID: g.Header.DiskID.String(), End: g.End(), Incomplete: true, GPT: g}, nil
		}
		if err != nil {
			return nil, err
		}
		return g.Table(), nil
	case isMBR(boot):
		m, err := DecodeMBR(r, sectorSize)
		if head && errors.Is(err, errBehind) {
			t := m.Table()
			t.Incomplete = true
			return t, nil
		}
		if err != nil {
			return nil, err
		}
		return m.Table(), nil
	}
	return &Table{Scheme: SchemeNone, SectorSize: sectorSize}, nil
}

// Regions are the byte ranges that make a disk look partitioned. While they
// read as zeros, neither firmware nor kernel sees a partition.
func (t *Table) Regions() []Region {
	switch {
	case t.GPT != nil:
		return t.GPT.Regions()
	case t.MBR != nil:
		return []Region{{0, int64(t.SectorSize)}}
	}
	return nil
}

// Pieces gives everything that makes up the table with its place on the disk;
// SchemeNone has none. The data is the caller's.
func (t *Table) Pieces() []Piece {
	switch {
	case t.GPT != nil:
		return t.GPT.Pieces()
	case t.MBR != nil:
		return t.MBR.Pieces()
	}
	return nil
}

// Partition finds a partition by its number.
func (t *Table) Partition(number int) (Partition, bool) {
	for _, p := range t.Partitions {
		if p.Number == number {
			return p, true
		}
	}
	return Partition{}, false
}

// Summary tells the table in words:
// "GPT, 2 partitions: 1 ESP 64 MiB, 2 Linux root (x86-64) 1.9 GiB".
func (t *Table) Summary() string {
	if t.Scheme == SchemeNone {
		return "no partition table"
	}
	var b strings.Builder
	b.WriteString(strings.ToUpper(string(t.Scheme)))
	data := 0
	for _, p := range t.Partitions {
		if !p.Extended {
			data++
		}
	}
	switch {
	case data == 0 && t.Incomplete:
		b.WriteString(", partitions not known yet")
	case data == 0:
		b.WriteString(", no partitions")
	case data == 1:
		b.WriteString(", 1 partition: ")
	default:
		fmt.Fprintf(&b, ", %d partitions: ", data)
	}
	sep := ""
	for _, p := range t.Partitions {
		if p.Extended {
			continue
		}
		fmt.Fprintf(&b, "%s%d %s %s", sep, p.Number, TypeName(p.Type), units.Bytes(p.Size))
		sep = ", "
	}
	if t.Incomplete && data > 0 {
		b.WriteString(", and logical ones")
	}
	return b.String()
}

// errBehind marks a part of a table that lies behind the end of the reader.
var errBehind = errors.New("behind the end of the disk")

// behindError is a *FormatError that also answers to errBehind.
func behind(part string, off int64) error {
	return &behindError{FormatError{part, off, "it lies behind the end of the disk or image (truncated?)"}}
}

type behindError struct{ FormatError }

func (e *behindError) Is(target error) bool { return target == errBehind }
func (e *behindError) Unwrap() error        { return &e.FormatError }

// readFull reads len(b) bytes at off; a short disk is a behindError.
func readFull(r io.ReaderAt, b []byte, off int64, part string) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return behind(part, off)
	}
	return fmt.Errorf("read %s at byte %d: %w", part, off, err)
}

func checkSectorSize(n int) error {
	if n < 512 || n > 64<<10 || n&(n-1) != 0 {
		return fmt.Errorf("sector size %d is not a power of two between 512 and 65536", n)
	}
	return nil
}

// overlaps describes partitions that share bytes; the containers of logical
// partitions do not count.
func overlaps(parts []Partition) []string {
	var data []Partition
	for _, p := range parts {
		if !p.Extended {
			data = append(data, p)
		}
	}
	order.Stable(data, func(a, b Partition) int { return cmp.Compare(a.Start, b.Start) })
	var found []string
	far := 0 // of those before i, the one that reaches farthest
	for i := 1; i < len(data) && len(found) < 8; i++ {
		if data[i].Start < data[far].End() {
			a, b := data[far].Number, data[i].Number
			found = append(found, fmt.Sprintf("partitions %d and %d overlap", min(a, b), max(a, b)))
		}
		if data[i].End() > data[far].End() {
			far = i
		}
	}
	return found
}
