package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/imaging/imagefile"
	"github.com/orbit-pxe/orbit/qemu"
)

// room is a few nodes of one rack, each with an empty disk.
type room []*qemu.Machine

// nodeMAC is the address of a node of a room.
func nodeMAC(i int) string { return fmt.Sprintf("52:54:00:0b:17:%02x", 0x11+i) }

// converted makes an image of the head out of the Debian disk, of the kind that
// its name says.
func (l *lab) converted(name string) {
	l.Helper()
	path := filepath.Join(l.TempDir(), name)
	_, err := imagefile.Convert(l.ctx, imagefile.Options{Source: filepath.Join(l.out, "debian-12.img"), Dest: path, Level: 1})
	l.check(err)
	_, err = l.head.AddImage(path)
	l.check(err)
}

// fill gives each of n nodes a job and switches it on.
func (l *lab) fill(n int, job api.Job) room {
	l.Helper()
	all := make(room, n)
	for i := range all {
		_, err := l.head.Assign(l.ctx, nodeMAC(i), job)
		l.check(err)
		firmware, bus := qemu.BIOS, qemu.Virtio
		if i%2 == 1 {
			firmware, bus = qemu.UEFI, qemu.SATA
		}
		disk := qemu.Disk{Bus: bus, Path: filepath.Join(l.TempDir(), fmt.Sprintf("disk%d", i)), Size: 3 << 30}
		all[i], err = l.rack.Start(qemu.Node{Name: fmt.Sprintf("node%d", i), MAC: nodeMAC(i), Firmware: firmware, CPUs: 1, Disks: []qemu.Disk{disk}})
		l.check(err)
	}
	return all
}

// arrive waits for the logins of all nodes and the ends of their jobs. No node may
// have fallen back from multicast. Those that could have done without are to say
// that they have not.
func (l *lab) arrive(all room, could bool) {
	l.Helper()
	for i, m := range all {
		l.login(m)
		n, err := l.head.Finished(l.ctx, nodeMAC(i))
		l.check(err)
		if n.State != api.Succeeded {
			l.Fatalf("node %d: job %s: %s", i, n.State, n.Console)
		}
		l.noFirmware(m, `Linux version 6\.12`)
		if could && !regexp.MustCompile(`by multicast`).MatchString(m.Console.Text()) {
			l.Errorf("node %d does not say that its image came by multicast", i)
		}
	}
	if text := l.headLog(); strings.Contains(text, "multicast does not arrive") {
		l.Errorf("a node fell back from multicast:\n%s", text)
	}
}

// sent is how many times its image's bytes the head sends by multicast.
func (l *lab) sent(image string) float64 {
	l.Helper()
	list, err := l.head.Sessions(l.ctx)
	l.check(err)
	for _, s := range list {
		if s.Image == image {
			return float64(s.Bytes) / float64(s.Size)
		}
	}
	l.Fatalf("no session of %s", image)
	return 0
}

func (l *lab) headLog() string {
	l.Helper()
	text, err := os.ReadFile(l.head.Log())
	l.check(err)
	return string(text)
}

// A room of three boots from the network and is imaged from one session, to
// login, without a second trip through firmware.
func TestRoom(t *testing.T) {
	l := newLab(t, ethernet)
	l.serve()
	l.converted("room.img.zst")
	l.arrive(l.fill(3, api.Job{Kind: api.Image, Image: "room.img.zst", Disk: "first", Multicast: true}), true)
	// Emulated machines lose much, and each comes when it is ready.
	if n := l.sent("room.img.zst"); n > 5 {
		t.Errorf("the image was sent %.1f times", n)
	} else {
		t.Logf("the image was sent %.2f times", n)
	}
	if n := strings.Count(l.headLog(), "multicast session begins"); n != 1 {
		t.Errorf("%d sessions, want 1 for all nodes", n)
	}
}

// The same from an .ndz, whose chunks have digests only at the head.
func TestRoomNdz(t *testing.T) {
	l := newLab(t, ethernet)
	l.serve()
	l.converted("room.ndz")
	l.arrive(l.fill(2, api.Job{Kind: api.Image, Image: "room.ndz", Disk: "first", Multicast: true}), true)
}

// Nodes that are told nothing but a frisbee master server, as an Emulab or ORBIT
// installation has one; here the head stands in for it.
func TestRoomOfMaster(t *testing.T) {
	l := newLab(t, ethernet)
	l.serve("--frisbee-master", ":64494")
	l.converted("room.ndz")
	l.arrive(l.fill(2, api.Job{Kind: api.Image, Image: "frisbee://" + l.rack.Head + "/room", Disk: "first"}), false)
}
