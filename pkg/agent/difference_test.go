package agent

import (
	"os"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/api"
)

// TestDifference saves a disk twice, the second time as the difference to the
// first image, and writes that image to the disk again.
func TestDifference(t *testing.T) {
	r := newRoom(t)
	content, _, disk := r.image("unused.img")
	put := func(data []byte) {
		t.Helper()
		if err := os.WriteFile(disk, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put(content)
	r.assign(api.Job{Kind: api.Save, Image: "base.img.zst", Disk: disk, Then: api.Stay})
	r.start()
	r.wait("job save succeeded")
	copy(content[2<<20:], "changed")
	put(content)
	r.assign(api.Job{Kind: api.Save, Image: "next.img.zst", Parent: "base.img.zst", Disk: disk, Then: api.Poweroff})
	r.wait("2 of 3 spans are as in the parent")
	r.leaves("poweroff")
	r.stop()

	put(make([]byte, len(content)))
	r.assign(api.Job{Kind: api.Image, Image: "next.img.zst", Disk: disk, Then: api.Reboot})
	r.start()
	r.wait("digest of every span, root ")
	r.leaves("reboot")
	r.holds(disk, content)
	if n := r.node(); n.State != api.Succeeded {
		t.Errorf("job is %q at the head, want succeeded", n.State)
	}
}
