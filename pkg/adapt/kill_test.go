package adapt

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/blockdev"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
	"github.com/orbit-pxe/orbit/pkg/stream"
)

const childDisk = "ADAPT_TEST_DISK"

// stuck is an archive that stops at some place when it is read the second time:
// Apply has looked at it, and is unpacking.
type stuck struct {
	*bytes.Reader
	winds int
}

func (s *stuck) Seek(off int64, whence int) (int64, error) {
	s.winds++
	return s.Reader.Seek(off, whence)
}

func (s *stuck) Read(p []byte) (int, error) {
	if s.winds == 2 && s.Reader.Len() < int(s.Reader.Size())/2 {
		fmt.Println("stuck")
		select {}
	}
	return s.Reader.Read(p)
}

// TestKilledChild is the process that TestKilled kills.
func TestKilledChild(t *testing.T) {
	disk := os.Getenv(childDisk)
	if disk == "" {
		t.Skip("run by TestKilled")
	}
	t.Error(Apply(t.Context(), Options{Disk: disk, Hostname: "node-7", Archive: &stuck{Reader: random(t)}}))
}

// random is an archive of some MiB.
func random(t testing.TB) *bytes.Reader {
	var members []member1
	for i := range 20 {
		members = append(members, member1{name: fmt.Sprint("srv/", i), text: strings.Repeat(fmt.Sprint(i), mib/2)})
	}
	members = append(members, member1{name: "etc/os-release", text: "ID=new\n"})
	return tarOf(t, stream.Raw, members...)
}

// A process that is killed leaves nothing mounted, no file changed, and what
// can be done again.
func TestKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a process")
	}
	dev := diskOf(t, 200*mib, "gpt", volumeOf(t, "ext4", nil))
	child := exec.Command(os.Args[0], "-test.run=^TestKilledChild$")
	child.Env = append(os.Environ(), childDisk+"="+dev)
	out, err := child.StdoutPipe()
	must(t, err, child.Start())
	if _, err := io.ReadFull(out, make([]byte, len("stuck"))); err != nil {
		t.Error(err)
	}
	must(t, child.Process.Kill())
	if err := child.Wait(); err == nil {
		t.Error("the child ended by itself")
	}
	free(t, dev, 1)
	maptest.Tool(t, "e2fsck", "-fp", blockdev.PartitionPath(dev, 1))
	look(t, dev, 1, "ext4", "", func(dir string) {
		got := []string{textOf(t, dir, "etc/hostname"), textOf(t, dir, "etc/os-release")}
		if diff := cmp.Diff([]string{"template\n", "ID=test\n"}, got); diff != "" {
			t.Errorf("after the kill (-want +got):\n%s", diff)
		}
	})
	if err := Apply(t.Context(), Options{Disk: dev, Hostname: "node-7", Archive: random(t)}); err != nil {
		t.Fatal(err)
	}
	look(t, dev, 1, "ext4", "", func(dir string) {
		got := []string{textOf(t, dir, "etc/hostname"), textOf(t, dir, "etc/os-release"), textOf(t, dir, "srv/7")}
		if diff := cmp.Diff([]string{"node-7\n", "ID=new\n", strings.Repeat("7", mib/2)}, got); diff != "" {
			t.Errorf("after the second time (-want +got):\n%s", diff)
		}
		for name := range maptest.Tree(t, dir) {
			if strings.Contains(name, ".orbit-") {
				t.Errorf("%s is left", name)
			}
		}
	})
}
