package burnin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/blockdev"
	"github.com/orbit-pxe/orbit/pkg/hardware"
)

// only lists one disk.
func only(path string) func(context.Context) ([]blockdev.Disk, error) {
	return func(context.Context) ([]blockdev.Disk, error) {
		return []blockdev.Disk{{Disk: api.Disk{Path: path, Size: 16 * mib, Model: "LOOP", Serial: "S1"}}}, nil
	}
}

// faulty is a disk with faults.
type faulty struct {
	disk
	read  func(p []byte, off int64) error // after it was read
	write func(p []byte, off int64) (instead int64, err error)
}

func (f *faulty) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.disk.ReadAt(p, off)
	if f.read != nil && err == nil {
		if err = f.read(p, off); err != nil {
			return 0, err
		}
	}
	return n, err
}

func (f *faulty) WriteAt(p []byte, off int64) (int, error) {
	if f.write != nil {
		at, err := f.write(p, off)
		if err != nil {
			return 0, err
		}
		if at < 0 {
			return len(p), nil // and forgets it
		}
		off = at
	}
	return f.disk.WriteAt(p, off)
}

func hash(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.Command("sha256sum", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// Reading leaves a disk as it is.
func TestDiskRead(t *testing.T) {
	path := loop(t, 16*mib)
	if err := os.WriteFile(path, bytes.Repeat([]byte("orbit"), 100_000), 0); err != nil {
		t.Fatal(err)
	}
	before := hash(t, path)
	o := Options{}
	o.seams.list = only(path)
	b, _ := try(t, o, api.DiskTest)
	if len(b.Tests) != 1 {
		t.Fatalf("%+v", b)
	}
	r := b.Tests[0].Readings
	if !b.Passed || b.Tests[0].ID != "disk LOOP S1" || b.Tests[0].Writes || r.Passes != 2 || r.Bytes != 2*16*mib+2*200*small || r.Rate <= 0 {
		t.Errorf("%+v %+v", b.Tests[0], r)
	}
	if hash(t, path) != before {
		t.Error("reading has changed the disk")
	}
}

func TestDiskReadFaults(t *testing.T) {
	for _, x := range []struct {
		name string
		read func() func(p []byte, off int64) error
		want string
	}{
		{"a sector", func() func([]byte, int64) error {
			return func(p []byte, off int64) error {
				if off <= 5*mib && off+int64(len(p)) > 5*mib {
					return &blockdev.IOError{Op: "read", Path: "/dev/x", Off: 5 * mib, Err: unix.EIO}
				}
				return nil
			}
		}, "faults: read /dev/x"},
		{"a bit, now and then", func() func([]byte, int64) error {
			var n atomic.Int64
			return func(p []byte, off int64) error {
				if n.Add(1)%7 == 0 {
					p[100] ^= 1
				}
				return nil
			}
		}, "are different when read again"},
		{"everything", func() func([]byte, int64) error {
			return func([]byte, int64) error { return unix.EIO }
		}, "32 faults: "},
	} {
		path := loop(t, 16*mib)
		o := Options{}
		o.seams.list = only(path)
		o.seams.open = func(d disk) disk { return &faulty{disk: d, read: x.read()} }
		b, h := try(t, o, api.DiskTest)
		if e := b.Tests[0].Error; b.Passed || !strings.Contains(e, x.want) && x.want != "32 faults: " || x.want == "32 faults: " && !strings.HasPrefix(e, "3") {
			t.Errorf("%s: %q, want %q", x.name, e, x.want)
		}
		if n := strings.Count(h.words(api.Note), path+": "); n != 1 {
			t.Errorf("%s: told %d times", x.name, n)
		}
	}
}

func TestDiskWrite(t *testing.T) {
	path := loop(t, 16*mib+4096)
	if out, err := exec.Command("sfdisk", path).CombinedOutput(); err == nil {
		t.Fatalf("sfdisk takes nothing for a table: %s", out)
	}
	table := exec.Command("sfdisk", path)
	table.Stdin = strings.NewReader("label: gpt\nsize=4M\nsize=4M\n")
	if out, err := table.CombinedOutput(); err != nil {
		t.Skipf("no sfdisk: %v %s", err, out)
	}
	o := Options{Destructive: path, Seed: 5}
	o.seams.list = none
	b, h := try(t, o, api.DiskTest)
	r := b.Tests[0].Readings
	if !b.Passed || b.Tests[0].ID != "disk "+path || !b.Tests[0].Writes || r.Passes != 2 || r.Bytes != 2*2*16*mib {
		t.Errorf("%+v %+v", b.Tests[0], r)
	}
	if !strings.Contains(h.words(api.Started), "WRITES to "+path+", all that is on it is lost") {
		t.Errorf("the plan says nothing of it: %s", h.words(api.Started))
	}
	if out, _ := exec.Command("wipefs", "--no-act", path).CombinedOutput(); len(out) > 0 {
		t.Errorf("something is left on the disk: %s", out)
	}
	for i := range 3 {
		if _, err := os.Stat(fmt.Sprintf("%sp%d", path, i+1)); err == nil {
			t.Errorf("the kernel still has partition %d", i+1)
		}
	}
	disk, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := make([]byte, 14*mib)
	fillStripes(want, mib, mix(o.Seed+1))
	if !bytes.Equal(disk[mib:15*mib], want) || bytes.Count(disk[:mib], []byte{0}) != mib || bytes.Count(disk[len(disk)-mib:], []byte{0}) != mib {
		t.Error("the disk has not the pattern of the second pass between ends that are empty")
	}
}

func TestDiskWriteFaults(t *testing.T) {
	for _, x := range []struct {
		name  string
		read  func(p []byte, off int64) error
		write func(p []byte, off int64) (int64, error)
		want  string
	}{
		{"a bit that sticks", func(p []byte, off int64) error {
			if off == 7*mib {
				p[1000] |= 4
				p[1001] |= 4
				p[1002] |= 4
			}
			return nil
		}, nil, "byte 734"},
		{"a block that goes elsewhere", nil, func(p []byte, off int64) (int64, error) {
			if off == 12*mib {
				return mib, nil
			}
			return off, nil
		}, " holds what was "},
		{"a block that is forgotten", nil, func(p []byte, off int64) (int64, error) {
			if off == 3*mib {
				return -1, nil
			}
			return off, nil
		}, "byte 314573"},
		{"a block that is forgotten later", nil, func() func(p []byte, off int64) (int64, error) {
			var n atomic.Int64
			return func(p []byte, off int64) (int64, error) {
				if off == 3*mib && n.Add(1) == 2 {
					return -1, nil
				}
				return off, nil
			}
		}(), "sector at byte 3145728 holds what was there before: it was not written"},
		{"an error", nil, func(p []byte, off int64) (int64, error) {
			if off == 3*mib {
				return 0, &blockdev.IOError{Op: "write", Path: "/dev/x", Off: off, Err: unix.EIO}
			}
			return off, nil
		}, "write /dev/x"},
	} {
		path := loop(t, 16*mib)
		o := Options{Destructive: path}
		o.seams.list = none
		o.seams.open = func(d disk) disk { return &faulty{disk: d, read: x.read, write: x.write} }
		b, h := try(t, o, api.DiskTest)
		if e := b.Tests[0].Error; b.Passed || !strings.Contains(e, x.want) {
			t.Errorf("%s: %q, want %q", x.name, e, x.want)
		}
		if n := strings.Count(h.words(api.Note), path+": "); n != 1 {
			t.Errorf("%s: told %d times", x.name, n)
		}
	}
}

// A disk that is in use is read, and not written to, whatever is asked for. Then
// nothing is written to others either.
func TestDiskInUse(t *testing.T) {
	free, path := loop(t, 16*mib), loop(t, 16*mib)
	if out, err := exec.Command("mkfs.ext4", "-q", path).CombinedOutput(); err != nil {
		t.Skipf("no mkfs.ext4: %v %s", err, out)
	}
	dir := t.TempDir()
	if err := unix.Mount(path, dir, "ext4", unix.MS_RDONLY, ""); err != nil {
		t.Skip("cannot mount: ", err)
	}
	defer unix.Unmount(dir, 0)
	before := hash(t, free)
	o := Options{}
	o.seams.list = func(ctx context.Context) ([]blockdev.Disk, error) {
		a, _ := only(free)(ctx)
		b, _ := only(path)(ctx)
		return append(a, b...), nil
	}
	for _, name := range []string{"all", path} {
		o.Destructive, o.Tests = name, []string{api.DiskTest}
		_, err := Run(t.Context(), o)
		var refused *RefusedError
		var busy *blockdev.BusyError
		if !errors.As(err, &refused) || !errors.As(err, &busy) || !strings.Contains(err.Error(), "is mounted on "+dir) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if hash(t, free) != before {
		t.Error("the other disk was written to")
	}
	o.Destructive = ""
	if b, _ := try(t, o, api.DiskTest); !b.Passed || len(b.Tests) != 2 {
		t.Errorf("%+v", b.Tests)
	}
}

// What can be taken out is read, where all is to be written to.
func TestDiskAll(t *testing.T) {
	stick, fixed := loop(t, 16*mib), loop(t, 16*mib)
	o := Options{Destructive: "all"}
	o.seams.list = func(ctx context.Context) ([]blockdev.Disk, error) {
		return []blockdev.Disk{{Disk: api.Disk{Path: stick, Bus: "usb"}}, {Disk: api.Disk{Path: fixed, WWN: "naa.5"}}}, nil
	}
	before := hash(t, stick)
	b, h := try(t, o, api.DiskTest)
	if !b.Passed || len(b.Tests) != 2 || b.Tests[0].Writes || !b.Tests[1].Writes || b.Tests[1].ID != "disk naa.5" || hash(t, stick) != before {
		t.Errorf("%+v", b.Tests)
	}
	if !strings.Contains(h.words(api.Note), stick) {
		t.Error("nobody is told that a disk is left out")
	}
	p, err := NewPlan(t.Context(), Options{Tests: []string{api.DiskTest}, Destructive: "all", seams: o.seams})
	if err != nil || !strings.Contains(p.String(), "  read   "+stick) || !strings.Contains(p.String(), "  WRITE  "+fixed) {
		t.Errorf("%v\n%s", err, p)
	}
}

// What a disk counts itself fails the test, and its id is that of the inventory.
func TestDiskHealth(t *testing.T) {
	path := loop(t, 16*mib)
	asked := int64(0)
	o := Options{}
	o.seams.list = only(path)
	o.Health = func(context.Context) ([]hardware.Disk, error) {
		asked++
		crc, media := 3*asked, int64(7)
		return []hardware.Disk{{Name: "sda", ID: "x"}, {Name: strings.TrimPrefix(path, "/dev/"), ID: "eui.1",
			Readings: &hardware.DiskReadings{CRCErrors: &crc, MediaErrors: &media}}}, errors.New("one of them sleeps")
	}
	b, h := try(t, o, api.DiskTest)
	if b.Passed || b.Tests[0].ID != "disk eui.1" || b.Tests[0].Error != "the disk counted 3 transfer errors (its cable?)" {
		t.Errorf("%+v", b.Tests[0])
	}
	if !strings.Contains(h.words(api.Note), "one of them sleeps") {
		t.Error("what cannot be known is not told")
	}
}

// A disk that cannot even be opened fails, and does not spare the others.
func TestDiskNotOpened(t *testing.T) {
	path := loop(t, 16*mib)
	o := Options{}
	o.seams.list = func(ctx context.Context) ([]blockdev.Disk, error) {
		a, _ := only(path)(ctx)
		return append(a, blockdev.Disk{Disk: api.Disk{Path: "/dev/none-such", Serial: "S2"}}), nil
	}
	b, _ := try(t, o, api.DiskTest)
	if b.Passed || len(b.Tests) != 2 || !b.Tests[0].Passed || b.Tests[1].ID != "disk S2" || !strings.Contains(b.Tests[1].Error, "open disk: ") {
		t.Errorf("%+v", b.Tests)
	}
}

// A disk that does not answer is left behind when its time is over.
func TestDiskHangs(t *testing.T) {
	r := &run{}
	x := &exercise{target: &target{id: "a"}}
	y := &exercise{target: &target{id: "b"}}
	ended := make(chan int, 2)
	ended <- 1
	found := r.await(t.Context(), []*exercise{x, y}, ended, 50*time.Millisecond)
	if len(found) != 2 || found[0].err == nil || found[0].id != "disk a" || found[1].err != nil || found[1].id != "disk b" || !x.hung || y.hung {
		t.Errorf("%+v", found)
	}
}

// Every chunk is written once, and early on there are some all over the disk.
func TestPlace(t *testing.T) {
	for _, size := range []int{chunk, small} {
		x := &exercise{size: size}
		for _, all := range []int64{1, 3, 63, 64, 65, 127, 128, 1000, 64 * 17, 64*100 + 5} {
			seen := make([]bool, all)
			for n := range all {
				i := x.place(n, all)
				if i < 0 || i >= all || seen[i] {
					t.Fatalf("chunk %d of %d of %d bytes goes to %d", n, all, size, i)
				}
				seen[i] = true
			}
		}
	}
	x, all := &exercise{size: chunk}, int64(64*100)
	tenth := map[int64]bool{}
	for n := range all / 4 {
		tenth[x.place(n, all)*10/all] = true
	}
	if len(tenth) != 10 {
		t.Errorf("after a quarter there is something in %d tenths of the disk", len(tenth))
	}
}
