package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/imaging"
	"github.com/orbit-pxe/orbit/qemu"
)

// cut is when the power goes: when so much of what is missing was fetched, or
// when a step of imagenode's begins.
type cut struct {
	fetched float64 // part of what is missing
	step    string  // "": by fetched
}

func (c cut) String() string {
	if c.step != "" {
		return c.step
	}
	return fmt.Sprintf("%.0f%%", 100*c.fetched)
}

// A node that loses its power while it is imaged has the old system, the whole
// image, or nothing that boots; and when the same is done again, only what is
// missing is fetched and written.
func TestPowerCut(t *testing.T) {
	l := newLab(t, userMode)
	s := l.small()
	for i, cuts := range l.cuts() {
		disk := s.oldDisk(l)
		for _, c := range cuts {
			l.cutPower(s, disk, c)
		}
		l.goesOn(s, disk)
		if t.Failed() {
			t.Fatalf("in round %d, cuts at %v", i, cuts)
		}
	}
}

// cuts are rounds of cuts: after the last of each, the image is completed.
func (l *lab) cuts() [][]cut {
	rounds := [][]cut{
		{{fetched: 0.05}, {fetched: 0.5}},
		{{step: "write"}, {fetched: 0.9}, {step: "verify"}, {step: "commit"}},
	}
	if os.Getenv("ORBIT_SLOW") == "" {
		return rounds
	}
	for range 2 {
		var more []cut
		for range 7 {
			more = append(more, cut{fetched: rand.Float64()})
		}
		rounds = append(rounds, more)
	}
	return rounds
}

// atShell starts a node on the disk and waits for the shell and the network.
func (l *lab) atShell(disks ...qemu.Disk) *qemu.Machine {
	l.Helper()
	m := l.start(qemu.Node{Memory: 512, Disks: disks, Direct: l.direct("quiet orbit.job=inventory")})
	l.see(m, `job inventory succeeded`)
	l.check(m.Console.Send("\n"))
	l.see(m, `/ \$ `)
	return m
}

// imagenode is the command that writes the image to the first virtio disk.
func imagenode(url string) string {
	return "imagenode --json --receipt /tmp/receipt " + url + " /dev/vda"
}

// cutPower images the disk and kills its node in the middle.
func (l *lab) cutPower(s *small, path string, c cut) {
	l.Helper()
	before, err := os.ReadFile(path)
	l.check(err)
	_, missing := s.missing(before)
	limit := int64(0)
	if c.step == "" {
		limit = max(1, int64(c.fetched*float64(missing)))
	}
	web := newMeter(s.path, limit)
	m := l.atShell(qemu.Disk{Path: path})
	l.check(m.Console.Send(imagenode(l.server(web.ServeHTTP)+"/small.img.zst") + "\n"))
	if c.step == "" {
		select {
		case <-web.reached:
		case <-l.ctx.Done():
			l.Fatalf("%d bytes of %d were fetched when time was up", web.sent.Load(), limit)
		}
	} else {
		l.see(m, `"step":"`+c.step+`","state":"start"`)
	}
	m.Kill()
	close(web.released)
	after, err := os.ReadFile(path)
	l.check(err)
	used, stored := s.missing(after)
	l.Logf("cut at %v: %d KiB fetched; missing of what is in use: %d KiB, in the image %d KiB", c, web.sent.Load()>>10, used>>10, stored>>10)
	if err := s.sound(after); err != nil {
		l.Errorf("after the cut at %v: %v", c, err)
	}
}

// slack is how much more than what is missing may be fetched and written: the
// tables, what is read of the image before it is known to be one, and spans
// that are not looked at where many in a row were missing.
const slack = 10 * mib

// goesOn images the disk to the end, and compares what that took with what was
// missing.
func (l *lab) goesOn(s *small, path string) {
	l.Helper()
	before, err := os.ReadFile(path)
	l.check(err)
	used, stored := s.missing(before)
	web := newMeter(s.path, 0)
	m := l.atShell(qemu.Disk{Path: path})
	l.shell(m, imagenode(l.server(web.ServeHTTP)+"/small.img.zst"))
	receipt := l.receipt(m)
	l.check(m.Off(l.ctx))
	after, err := os.ReadFile(path)
	l.check(err)
	if err := s.complete(after); err != nil {
		l.Errorf("gone on with: %v", err)
	}
	l.Logf("gone on with: missing were %d KiB in use, %d KiB in the image; written %d KiB, fetched %d KiB",
		used>>10, stored>>10, receipt.Written>>10, web.sent.Load()>>10)
	if receipt.Written > used+slack || receipt.Stored > stored+slack || web.sent.Load() > stored+slack {
		l.Errorf("more was written or fetched than was missing: %+v", receipt)
	}
}

// receipt reads what imagenode has done.
func (l *lab) receipt(m *qemu.Machine) imaging.Receipt {
	l.Helper()
	text := l.shell(m, "cat /tmp/receipt")
	var r imaging.Receipt
	if err := json.Unmarshal([]byte(text[strings.IndexByte(text, '{'):]), &r); err != nil {
		l.Fatalf("receipt %q: %v", text, err)
	}
	return r
}
