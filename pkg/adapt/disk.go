package adapt

import (
	"fmt"
	"os"

	"github.com/orbit-pxe/orbit/pkg/blockdev"
	"github.com/orbit-pxe/orbit/pkg/partition"
)

// part is a partition, or a whole disk that has none.
type part struct {
	partition.Partition        // Number 0 is the whole disk
	path                string // of its device
	volume
}

func (p *part) String() string {
	what := p.Kind
	if what == "" {
		what = "nothing known"
	}
	if p.Why != "" {
		what = p.Why
	}
	return fmt.Sprintf("%s (%s)", p.path, what)
}

// probe looks again at what is on the partition.
func (p *part) probe() error {
	f, err := os.Open(p.path)
	if err != nil {
		return err
	}
	defer f.Close()
	p.volume, err = probe(f)
	if err != nil {
		return fmt.Errorf("%s: %w", p.path, err)
	}
	return nil
}

// readDisk lists the partitions of a disk in the order of their numbers, with
// what is on them. Containers of logical partitions are left out.
func readDisk(path string) (*partition.Table, []*part, error) {
	dev, err := blockdev.Open(path, blockdev.Options{})
	if err != nil {
		return nil, nil, err
	}
	defer dev.Close()
	if dev.IsFile() {
		return nil, nil, fmt.Errorf("%s is a regular file: attach it with losetup -P first", path)
	}
	table, err := partition.Read(dev, dev.SectorSize())
	if err != nil {
		return nil, nil, fmt.Errorf("read partition table of %s: %w", path, err)
	}
	var parts []*part
	for _, p := range table.Partitions {
		if !p.Extended {
			parts = append(parts, &part{Partition: p, path: blockdev.PartitionPath(path, p.Number)})
		}
	}
	if table.Scheme == partition.SchemeNone {
		parts = []*part{{Partition: partition.Partition{Size: dev.Size()}, path: path}}
	}
	for _, p := range parts {
		if err := p.probe(); err != nil {
			return nil, nil, err
		}
	}
	return table, parts, nil
}
