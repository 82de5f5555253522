package blockdev

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/orbit-pxe/orbit/pkg/partition"
	"golang.org/x/sys/unix"
)

const mib = 1 << 20

// file makes a file of zeros in dir, or in a new directory if dir is "".
func file(t testing.TB, dir string, size int64) string {
	t.Helper()
	if dir == "" {
		dir = t.TempDir()
	}
	f, err := os.CreateTemp(dir, "orbit-disk-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(f.Name()) })
	if err := errors.Join(f.Truncate(size), f.Close()); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// loop puts a real block device on a new file.
func loop(t testing.TB, size int64, sector int, more ...string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("a loop device needs root")
	}
	args := append([]string{"--find", "--show", "--partscan", "--sector-size", fmt.Sprint(sector), file(t, "", size)}, more...)
	out, err := exec.Command("losetup", args...).CombinedOutput()
	if err != nil {
		t.Skipf("no loop device here: %v %s", err, out)
	}
	dev := strings.TrimSpace(string(out))
	t.Cleanup(func() {
		if out, err := exec.Command("losetup", "--detach", dev).CombinedOutput(); err != nil {
			t.Errorf("detach %s: %v %s", dev, err, out)
		}
	})
	return dev
}

func mustOpen(t testing.TB, path string, o Options) *Device {
	t.Helper()
	d, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// places runs a test on every kind of thing a Device can be.
func places(t *testing.T, size int64, test func(t *testing.T, path string)) {
	t.Run("file", func(t *testing.T) { test(t, file(t, "", size)) })
	t.Run("tmpfs", func(t *testing.T) {
		var st unix.Statfs_t
		if unix.Statfs("/dev/shm", &st) != nil || st.Type != unix.TMPFS_MAGIC {
			t.Skip("/dev/shm is not a tmpfs")
		}
		test(t, file(t, "/dev/shm", size))
	})
	for _, sector := range []int{512, 4096} {
		t.Run(fmt.Sprint("loop", sector), func(t *testing.T) { test(t, loop(t, size, sector)) })
	}
}

// TestAnyAlignment writes and reads at random places from odd memory and
// compares with the same done to a byte slice.
func TestAnyAlignment(t *testing.T) {
	const size = 8 * mib
	places(t, size, func(t *testing.T, path string) {
		for _, direct := range []bool{true, false} {
			d := mustOpen(t, path, Options{Write: true, Direct: direct})
			if d.Size() != size {
				t.Fatalf("size %d", d.Size())
			}
			want := make([]byte, size)
			if err := d.Zero(context.Background(), 0, size); err != nil {
				t.Fatal(err)
			}
			r := rand.New(rand.NewPCG(1, 2))
			memory := AllocAligned(4 * mib)
			defer FreeAligned(memory)
			for i := range memory {
				memory[i] = byte(r.Uint32())
			}
			for i := range 150 {
				off, n, skew := r.IntN(size), r.IntN(3*mib), r.IntN(5000)
				switch i % 4 {
				case 0: // whole sectors
					off, n, skew = off&^4095, n&^4095, 0
				case 1: // whole sectors of odd memory
					off, n = off&^4095, n&^4095
				case 2: // within a sector or two
					n %= 700
				}
				n = min(n, size-off)
				b := memory[skew : skew+n]
				copy(want[off:], b)
				if k, err := d.WriteAt(b, int64(off)); k != n || err != nil {
					t.Fatalf("write %d at %d: %d, %v", n, off, k, err)
				}
				from := max(0, off-r.IntN(5000))
				got := make([]byte, min(n+r.IntN(9000), size-from))
				if k, err := d.ReadAt(got, int64(from)); k != len(got) || err != nil {
					t.Fatalf("read %d at %d: %d, %v", len(got), from, k, err)
				}
				if !bytes.Equal(got, want[from:from+len(got)]) {
					t.Fatalf("round %d: %d bytes at %d read back otherwise", i, n, off)
				}
			}
			if err := errors.Join(d.Sync(), d.DropCache()); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, size+10)
			if n, err := d.ReadAt(got, 0); n != size || err != io.EOF {
				t.Errorf("read over the end: %d, %v", n, err)
			}
			if !bytes.Equal(got[:size], want) {
				t.Error("the whole reads back otherwise")
			}
			d.Close()
		}
	})
}

// TestNeighbours has goroutines write bytes of the same sectors.
func TestNeighbours(t *testing.T) {
	places(t, mib, func(t *testing.T, path string) {
		d := mustOpen(t, path, Options{Write: true, Direct: true})
		var g sync.WaitGroup
		for w := range 8 {
			g.Go(func() {
				for i := w * 100; i+100 <= 100*1000; i += 800 {
					if _, err := d.WriteAt(bytes.Repeat([]byte{byte(w + 1)}, 100), int64(i)); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		g.Wait()
		got := make([]byte, 100*1000)
		if _, err := d.ReadAt(got, 0); err != nil {
			t.Fatal(err)
		}
		for i, b := range got {
			if b != byte(i/100%8+1) {
				t.Fatalf("byte %d is %d", i, b)
			}
		}
	})
}

func TestZero(t *testing.T) {
	const size = 4 * mib
	places(t, size, func(t *testing.T, path string) {
		d := mustOpen(t, path, Options{Write: true, Direct: true})
		want := bytes.Repeat([]byte{0xaa}, size)
		if _, err := d.WriteAt(want, 0); err != nil {
			t.Fatal(err)
		}
		for _, r := range [][2]int{{0, 512}, {1000, 10}, {5000, 20000}, {mib, mib}, {3*mib + 1, mib - 1}, {2 * mib, 0}} {
			if err := d.Zero(context.Background(), int64(r[0]), int64(r[1])); err != nil {
				t.Fatal(err)
			}
			clear(want[r[0]:][:r[1]])
		}
		got := make([]byte, size)
		if _, err := d.ReadAt(got, 0); err != nil || !bytes.Equal(got, want) {
			t.Errorf("reads back otherwise: %v", err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := d.Zero(ctx, 0, size); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		if err := d.Discard(0, mib); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("discard: %v", err)
		}
		err := d.Zero(context.Background(), size-512, 4096)
		if d.IsFile() {
			if err != nil || d.Size() != size-512+4096 {
				t.Errorf("zero over the end: %v, size %d", err, d.Size())
			}
		} else if !errors.Is(err, unix.ENOSPC) {
			t.Errorf("zero over the end: %v", err)
		}
	})
}

func TestFileGrows(t *testing.T) {
	path := file(t, "", 0)
	d := mustOpen(t, path, Options{Write: true, Direct: true, Exclusive: true})
	if _, err := d.WriteAt([]byte("odd end"), 10000); err != nil {
		t.Fatal(err)
	}
	if d.Size() != 10007 || !d.IsFile() || d.SectorSize() != 512 {
		t.Errorf("size %d", d.Size())
	}
	if err := d.Truncate(10003); err != nil {
		t.Fatal(err)
	}
	if err := d.Reread(context.Background()); err != nil {
		t.Errorf("reread of a file: %v", err)
	}
	d.Close()
	got, err := os.ReadFile(path)
	if want := append(make([]byte, 10000), "odd"...); err != nil || !bytes.Equal(got, want) {
		t.Errorf("file has %d bytes, %v", len(got), err)
	}
}

func TestBounds(t *testing.T) {
	dev := loop(t, mib, 4096)
	d := mustOpen(t, dev, Options{Write: true, Direct: true})
	if d.SectorSize() != 4096 || d.PhysicalSector() < 4096 || !d.Direct() || d.IsFile() {
		t.Errorf("sector %d, physical %d, direct %v", d.SectorSize(), d.PhysicalSector(), d.Direct())
	}
	_, err := d.WriteAt(make([]byte, 8192), mib-4096)
	if want := "write " + dev + " at 1.0 MiB: 8192 bytes do not fit, the disk ends at byte 1048576"; !errors.Is(err, unix.ENOSPC) || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if err := d.Truncate(1); err == nil {
		t.Error("a disk was truncated")
	}
	r := mustOpen(t, dev, Options{})
	if _, err := r.WriteAt([]byte{1}, 0); err == nil || !strings.Contains(err.Error(), "opened for reading") {
		t.Errorf("write to a reader: %v", err)
	}
}

func TestReadOnlyDisk(t *testing.T) {
	dev := loop(t, mib, 512, "--read-only")
	_, err := Open(dev, Options{Write: true, Exclusive: true})
	if ro := (*ReadOnlyError)(nil); !errors.As(err, &ro) {
		t.Errorf("error %v, want *ReadOnlyError", err)
	}
}

func TestBusyMount(t *testing.T) {
	dev := loop(t, 32*mib, 512)
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", dev).CombinedOutput(); err != nil {
		t.Skipf("mkfs.ext4: %v %s", err, out)
	}
	dir := t.TempDir()
	if err := unix.Mount(dev, dir, "ext4", unix.MS_RDONLY, ""); err != nil {
		t.Skipf("mount: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, 0) })
	_, err := Open(dev, Options{Write: true, Exclusive: true, Direct: true})
	busy := (*BusyError)(nil)
	want := dev + " is in use: " + dev + " is mounted on " + dir + " (unmount or stop that first)"
	if !errors.As(err, &busy) || err.Error() != want {
		t.Errorf("error %v\nwant %s", err, want)
	}
	// The file behind the loop device is held just as much.
	backing, _ := os.ReadFile("/sys/block/" + filepath.Base(dev) + "/loop/backing_file")
	_, err = Open(strings.TrimSpace(string(backing)), Options{Write: true, Exclusive: true})
	if !errors.As(err, &busy) || !strings.Contains(err.Error(), "is behind "+dev) || !strings.Contains(err.Error(), "mounted on "+dir) {
		t.Errorf("file behind it: %v", err)
	}
}

func TestExclusiveTwice(t *testing.T) {
	t.Run("device", func(t *testing.T) { exclusiveTwice(t, loop(t, mib, 512)) })
	t.Run("file", func(t *testing.T) { exclusiveTwice(t, file(t, "", mib)) })
}

func exclusiveTwice(t *testing.T, path string) {
	first := mustOpen(t, path, Options{Write: true, Exclusive: true})
	_, err := Open(path, Options{Write: true, Exclusive: true})
	if busy := (*BusyError)(nil); !errors.As(err, &busy) || !errors.Is(err, unix.EBUSY) {
		t.Fatalf("second: error %v, want *BusyError", err)
	}
	first.Close()
	second, err := Open(path, Options{Write: true, Exclusive: true})
	if err != nil {
		t.Fatalf("after the first closed: %v", err)
	}
	second.Close()
}

// kernelSees lists the partitions of a disk that sysfs shows.
func kernelSees(t *testing.T, d *Device) map[int]span {
	t.Helper()
	have, err := d.registered()
	if err != nil {
		t.Fatal(err)
	}
	return have
}

func TestReread(t *testing.T) {
	for _, sector := range []int{512, 4096} {
		t.Run(fmt.Sprint(sector), func(t *testing.T) {
			const size = 64 * mib
			d := mustOpen(t, loop(t, size, sector), Options{Write: true, Direct: true, Exclusive: true})
			ctx := context.Background()
			write := func(parts ...partition.Entry) *partition.GPT {
				for i := range parts {
					parts[i].Type, parts[i].ID = partition.LinuxData, partition.GUID{byte(i + 1)}
				}
				g, err := partition.NewGPT(size, sector, partition.GUID{9}, parts)
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range g.Pieces() {
					if _, err := d.WriteAt(p.Data, p.Off); err != nil {
						t.Fatal(err)
					}
				}
				return g
			}
			check := func(want map[int]span) {
				t.Helper()
				if err := d.Reread(ctx); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, kernelSees(t, d), cmp.AllowUnexported(span{})); diff != "" {
					t.Errorf("partitions (-want +got):\n%s", diff)
				}
			}
			write(partition.Entry{Size: 8 * mib}, partition.Entry{Size: 16 * mib})
			check(map[int]span{1: {mib, 8 * mib}, 2: {9 * mib, 16 * mib}})
			if _, err := os.Stat(d.node(2)); err != nil {
				t.Error(err)
			}

			// While partition 1 is open, only the others can change.
			p, err := os.Open(d.node(1))
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			write(partition.Entry{Size: 8 * mib}, partition.Entry{Start: 20 * mib, Size: 4 * mib}, partition.Entry{Size: mib})
			check(map[int]span{1: {mib, 8 * mib}, 2: {20 * mib, 4 * mib}, 3: {24 * mib, mib}})

			// Its own removal must fail, in words.
			write(partition.Entry{Start: 30 * mib, Size: mib})
			err = d.Reread(ctx)
			if busy := (*BusyError)(nil); !errors.As(err, &busy) || busy.Path != d.node(1) {
				t.Errorf("error %v, want *BusyError of %s", err, d.node(1))
			}
			p.Close()
			check(map[int]span{1: {30 * mib, mib}})

			// No table, no partitions.
			if err := d.Zero(ctx, 0, size); err != nil {
				t.Fatal(err)
			}
			check(map[int]span{})
		})
	}
}

func TestRereadLogical(t *testing.T) {
	dev := loop(t, 64*mib, 512)
	c := exec.Command("sfdisk", "-q", "--no-reread", "--no-tell-kernel", dev)
	c.Stdin = strings.NewReader("label: dos\nstart=2048,size=20480,type=83\nstart=22528,size=81920,type=5\nstart=24576,size=20480,type=83\n")
	if out, err := c.CombinedOutput(); err != nil {
		t.Skipf("sfdisk: %v %s", err, out)
	}
	d := mustOpen(t, dev, Options{Write: true, Direct: true, Exclusive: true})
	for range 2 { // the second time nothing may change, least of all fail
		if err := d.Reread(context.Background()); err != nil {
			t.Fatal(err)
		}
		want := map[int]span{1: {mib, 10 * mib}, 2: {11 * mib, 1024}, 5: {12 * mib, 10 * mib}}
		if diff := cmp.Diff(want, kernelSees(t, d), cmp.AllowUnexported(span{})); diff != "" {
			t.Errorf("partitions (-want +got):\n%s", diff)
		}
	}
	if err := d.Zero(context.Background(), 0, 512); err != nil {
		t.Fatal(err)
	}
	if err := d.Reread(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestResolve(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	ctx := context.Background()
	f := file(t, "", mib)
	if got, err := Resolve(ctx, f, log); err != nil || got != (Target{Path: f, File: true}) {
		t.Errorf("file: %+v, %v", got, err)
	}
	_, err := Resolve(ctx, "serial=there is no such", log)
	if none := (*NoMatchError)(nil); !errors.As(err, &none) {
		t.Errorf("no match: %v", err)
	}
	if _, err := Resolve(ctx, t.TempDir(), log); err == nil || !strings.Contains(err.Error(), "neither a block device nor a regular file") {
		t.Errorf("directory: %v", err)
	}
	// A path that appears while we wait.
	dir := t.TempDir()
	late := filepath.Join(dir, "late")
	dev := loop(t, mib, 512)
	var lines bytes.Buffer
	waiting := make(chan bool, 1)
	noisy := slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
		lines.Write(p)
		select {
		case waiting <- true:
		default:
		}
		return len(p), nil
	}), nil))
	go func() {
		<-waiting
		os.Symlink(dev, late)
	}()
	patient, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	got, err := Resolve(patient, late, noisy)
	if err != nil || got.Path != dev {
		t.Errorf("late: %+v, %v", got, err)
	}
	if !strings.Contains(lines.String(), "waiting for disk") {
		t.Errorf("log: %s", lines.String())
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	_, err = Resolve(short, filepath.Join(dir, "never"), log)
	if none := (*NoMatchError)(nil); !errors.As(err, &none) {
		t.Errorf("never: %v", err)
	}
	gone, cancel := context.WithTimeout(ctx, time.Minute)
	cancel()
	if _, err = Resolve(gone, filepath.Join(dir, "never"), log); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func BenchmarkWriteAt(b *testing.B) {
	for _, dir := range []string{"", "/dev/shm"} {
		for _, direct := range []bool{true, false} {
			b.Run(fmt.Sprintf("dir=%s/direct=%v", dir, direct), func(b *testing.B) {
				const size = 256 * mib
				d := mustOpen(b, file(b, dir, size), Options{Write: true, Direct: direct})
				buf := AllocAligned(4 * mib)
				defer FreeAligned(buf)
				b.SetBytes(int64(len(buf)))
				for i := 0; b.Loop(); i++ {
					if _, err := d.WriteAt(buf, int64(i)*int64(len(buf))%size); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
