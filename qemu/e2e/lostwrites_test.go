package e2e

import (
	"bytes"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/orbit-pxe/orbit/qemu"
)

// A disk with a cache may, when its power goes, have written any of what it was
// sent since the last flush, and none of the rest. Whatever it has of an image,
// the promise of TestPowerCut holds: tried for every flush, with nothing, and
// with several choices of the sectors, that came after it.
func TestPowerCutLosesWrites(t *testing.T) {
	l := newLab(t, userMode)
	s := l.small()
	disk := qemu.Disk{Path: s.oldDisk(l), Log: filepath.Join(l.TempDir(), "log")}
	m := l.atShell(disk)
	web := newMeter(s.path, 0)
	l.shell(m, imagenode(l.server(web.ServeHTTP)+"/small.img.zst"))
	l.check(m.Off(l.ctx))
	requests, err := qemu.ReadLog(disk.Log, int64(len(s.old)))
	l.check(err)
	last := len(requests) - 1
	for requests[last].Op != qemu.Write {
		last--
	}
	if s.sound(after(s.old, requests[last:last+1], func(int, int) bool { return true })) == nil {
		t.Error("nothing is found wrong with a disk that has the last write and none of the others: this test finds nothing")
	}

	safe := bytes.Clone(s.old) // what is on the disk for certain
	random := rand.New(rand.NewPCG(1, 2))
	flushes, states := 0, 0
	for len(requests) > 0 {
		n := 0
		for n < len(requests) && requests[n].Op != qemu.Flush {
			n++
		}
		since := requests[:n]
		requests = requests[min(n+1, len(requests)):]
		for _, choose := range choices(random, len(since)) {
			states++
			if err := s.sound(after(safe, since, choose)); err != nil {
				t.Errorf("flush %d, then %d writes: %v", flushes, n, err)
			}
		}
		for _, q := range since {
			q.Apply(safe)
		}
		flushes++
	}
	t.Logf("%d flushes, %d states of the disk", flushes, states)
	if err := s.complete(safe); err != nil {
		t.Errorf("in the end: %v", err)
	}
	if flushes < 6 {
		t.Errorf("%d flushes: fewer than a wipe, the data, and three parts of a commit take", flushes)
	}
}

// choice tells whether a sector of a write reached the disk.
type choice func(write, sector int) bool

// choices are ways to lose some of n writes.
func choices(random *rand.Rand, n int) []choice {
	one := random.IntN(max(1, n))
	return []choice{
		func(int, int) bool { return false },
		func(i, _ int) bool { return i < one },
		func(i, _ int) bool { return i == one },
		func(i, _ int) bool { return i != one },
		func(i, _ int) bool { return i == n-1 },
		func(i, at int) bool { return i == n-1 && at == 0 },
		func(int, int) bool { return random.IntN(2) == 0 },
	}
}

// after is the disk with those sectors of the writes that were chosen.
func after(disk []byte, writes []qemu.Request, chosen choice) []byte {
	disk = bytes.Clone(disk)
	for i, q := range writes {
		for at := range int(q.Len / sector) {
			if chosen(i, at) {
				q.Part(int64(at)*sector, sector).Apply(disk)
			}
		}
	}
	return disk
}
