package blockdev

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/orbit-pxe/orbit/pkg/partition"
	"golang.org/x/sys/unix"
)

// How often and how long Reread tries. Who opens a disk for a moment, as udev
// does, is gone after the first few.
const (
	rereadTries  = 10
	rereadPause  = 100 * time.Millisecond
	nodePatience = 5 * time.Second
)

// Reread makes the kernel see the partitions that are on the disk now, and
// waits for their device nodes. BLKRRPART comes first; where it cannot, because
// a partition is busy or the kernel does not know the scheme, partitions that
// differ are removed and added one by one. A regular file has none: nothing is
// done.
func (d *Device) Reread(ctx context.Context) error {
	if d.file {
		return nil
	}
	if err := d.Sync(); err != nil {
		return err
	}
	all := d.rereadAll(ctx)
	if all != nil && !errors.Is(all, unix.EBUSY) && !errors.Is(all, unix.EINVAL) {
		return fmt.Errorf("reread partitions of %s: %w%s", d.path, all, hint(all))
	}
	table, err := partition.Read(d, d.sector)
	if err != nil {
		return fmt.Errorf("reread partitions of %s: %w", d.path, err)
	}
	// What the kernel has found by itself stays: it knows schemes, such as
	// BSD labels, that package partition does not.
	if err := d.adjust(kernelView(table), all == nil); err != nil {
		return fmt.Errorf("reread partitions of %s: %w", d.path, err)
	}
	return d.awaitNodes(ctx, table)
}

// rereadAll is BLKRRPART, tried again while something has a partition open.
func (d *Device) rereadAll(ctx context.Context) error {
	for i := 0; ; i++ {
		err := control(d.buffered, func(fd int) error { return ioctl(fd, unix.BLKRRPART, nil) })
		if !errors.Is(err, unix.EBUSY) || i == rereadTries {
			return err
		}
		if err := pause(ctx, rereadPause); err != nil {
			return err
		}
	}
}

// span is a partition as the kernel knows it, in bytes.
type span struct{ start, size int64 }

// kernelView is the table as Linux registers it: of an extended partition only
// the first two sectors, enough for a boot loader.
func kernelView(t *partition.Table) map[int]span {
	want := map[int]span{}
	for _, p := range t.Partitions {
		s := span{p.Start, p.Size}
		if p.Extended {
			s.size = min(p.Size, max(1024, int64(t.SectorSize)))
		}
		want[p.Number] = s
	}
	return want
}

// adjust replaces the partitions that the kernel has otherwise than wanted, adds
// those it lacks, and unless keep is set removes those it should not have.
func (d *Device) adjust(want map[int]span, keep bool) error {
	have, err := d.registered()
	if err != nil {
		return err
	}
	return control(d.buffered, func(fd int) error {
		for number, h := range have {
			if w, ok := want[number]; ok && w == h || !ok && keep {
				continue
			}
			err := partitionIoctl(fd, blkpgDelete, unix.BlkpgPartition{Pno: int32(number)})
			if errors.Is(err, unix.EBUSY) {
				uses, _ := InUse(d.node(number))
				return &BusyError{Path: d.node(number), Uses: uses}
			}
			if err != nil && !errors.Is(err, unix.ENXIO) { // gone already
				return fmt.Errorf("remove partition %d: %w", number, err)
			}
		}
		for number, w := range want {
			if have[number] == w {
				continue
			}
			err := partitionIoctl(fd, blkpgAdd, unix.BlkpgPartition{Start: w.start, Length: w.size, Pno: int32(number)})
			if errors.Is(err, unix.EINVAL) && d.noPartitions() {
				return nil // a loop device without partition scanning
			}
			if err != nil {
				return fmt.Errorf("add partition %d: %w", number, err)
			}
		}
		return nil
	})
}

// registered is what sysfs says of the partitions of the disk.
func (d *Device) registered() (map[int]span, error) {
	files, err := filepath.Glob(d.sysDir() + "/*/partition")
	if err != nil {
		return nil, err
	}
	have, m := map[int]span{}, Machine{}
	for _, f := range files {
		dir := filepath.Dir(f)
		have[int(m.number(f))] = span{m.number(dir+"/start") * 512, m.number(dir+"/size") * 512}
	}
	return have, nil
}

func (d *Device) sysDir() string { return "/sys/class/block/" + filepath.Base(d.name) }

// noPartitions tells a device that is set up never to have partitions.
func (d *Device) noPartitions() bool {
	m := Machine{}
	return m.word(d.sysDir()+"/loop/partscan") == "0" || m.word(d.sysDir()+"/partscan") == "0" || m.number(d.sysDir()+"/partition") != 0
}

// node is the path of a partition's device node: sda1, but nvme0n1p1.
func (d *Device) node(number int) string {
	return PartitionPath(d.name, number)
}

// PartitionPath is the device node of a disk's partition: /dev/sda1, but
// /dev/nvme0n1p1.
func PartitionPath(disk string, number int) string {
	if last := disk[len(disk)-1]; last >= '0' && last <= '9' {
		disk += "p"
	}
	return disk + strconv.Itoa(number)
}

// awaitNodes waits until every partition has its node.
func (d *Device) awaitNodes(ctx context.Context, t *partition.Table) error {
	if d.noPartitions() || !strings.HasPrefix(d.name, "/dev/") {
		return nil
	}
	limit := time.Now().Add(nodePatience)
	for _, p := range t.Partitions {
		for {
			st, err := os.Stat(d.node(p.Number))
			if err == nil && st.Mode()&os.ModeType == os.ModeDevice {
				break
			}
			if time.Now().After(limit) {
				return fmt.Errorf("reread partitions of %s: the kernel knows partition %d but %s does not appear (is /dev a devtmpfs?)", d.path, p.Number, d.node(p.Number))
			}
			if err := pause(ctx, 10*time.Millisecond); err != nil {
				return fmt.Errorf("wait for %s: %w", d.node(p.Number), err)
			}
		}
	}
	return nil
}
