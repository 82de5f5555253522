package scrub

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

// TestXFSRefuses has files that cannot be removed soundly: the error says
// which, and why.
func TestXFSRefuses(t *testing.T) {
	const key = "etc/ssh/ssh_host_rsa_key"
	for name, c := range map[string]struct {
		do   func(t *testing.T, dir string)
		want string
	}{
		"another name":      {func(t *testing.T, dir string) { xfsLink(t, dir, key, "root/copy") }, "/" + key + ": it is to be removed, and has other names"},
		"shared content":    {func(t *testing.T, dir string) { xfsReflink(t, dir, key, "root/copy") }, "/" + key + ": it shares its content"},
		"a large directory": {func(t *testing.T, dir string) { xfsFill(t, filepath.Join(dir, "etc/ssh"), 400) }, "its directory"},
		"a large key":       {func(t *testing.T, dir string) { xfsGrow(t, filepath.Join(dir, key), 1<<20) }, "/" + key + ": it is too large"},
	} {
		t.Run(name, func(t *testing.T) {
			volume := xfsCases[1].make(t)
			dir, unmount := maptest.Mount(t, volume, "xfs")
			xfsSystem(t, dir, rand.New(rand.NewPCG(1, 1)))
			c.do(t, dir)
			unmount()
			f, size := maptest.Open(t, volume)
			_, err := XFS(f, size)
			var cannot *UnsupportedError
			if !errors.As(err, &cannot) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want unsupported for %q", err, c.want)
			}
		})
	}
}

// TestXFSStates has filesystems that are not to be scrubbed at all.
func TestXFSStates(t *testing.T) {
	volume := xfsCases[1].make(t)
	dir, unmount := maptest.Mount(t, volume, "xfs")
	xfsSystem(t, dir, rand.New(rand.NewPCG(1, 1)))
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Sync(); err != nil { // puts the log on the volume
		t.Fatal(err)
	}
	d.Close()
	f, size := maptest.Open(t, volume)
	var cannot *UnsupportedError
	if _, err := XFS(f, size); !errors.As(err, &cannot) || !strings.Contains(err.Error(), "recovery") {
		t.Errorf("in use: %v", err)
	}
	unmount()
	old := xfsCase{size: 80 << 20, args: []string{"-m", "crc=0"}}.make(t)
	f, size = maptest.Open(t, old)
	if _, err := XFS(f, size); !errors.As(err, &cannot) || !strings.Contains(err.Error(), "version 4") {
		t.Errorf("version 4: %v", err)
	}
}

func xfsLink(t *testing.T, dir, from, to string) {
	if err := os.Link(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
		t.Fatal(err)
	}
}

func xfsReflink(t *testing.T, dir, from, to string) {
	maptest.Tool(t, "cp", "--reflink=always", filepath.Join(dir, from), filepath.Join(dir, to))
}

func xfsFill(t *testing.T, dir string, n int) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		xfsGrow(t, filepath.Join(dir, fmt.Sprintf("one of many files %d", i)), 1)
	}
}

func xfsGrow(t *testing.T, path string, size int) {
	if err := os.WriteFile(path, bytes.Repeat([]byte{'x'}, size), 0o600); err != nil {
		t.Fatal(err)
	}
}

func xfsAppend(t *testing.T, path string) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("x"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestXFSShapes has files and directories of shapes that few have. What is
// changed is written into the volume itself, which may be large.
func TestXFSShapes(t *testing.T) {
	const log = "var/log/syslog"
	for name, c := range map[string]struct {
		volume xfsCase
		do     func(t *testing.T, dir string) (stays map[string]string)
	}{
		"a log in many pieces": {xfsCases[3], func(t *testing.T, dir string) map[string]string {
			xfsPieces(t, filepath.Join(dir, log), xfsSecret, 900)
			return nil
		}},
		"a log made ahead": {xfsCases[1], func(t *testing.T, dir string) map[string]string {
			f, err := os.OpenFile(filepath.Join(dir, log), os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			const keepSize = 1
			for i := range int64(2) { // as the journal does
				if err := syscall.Fallocate(int(f.Fd()), uint32(i)*keepSize, i<<20, 1<<20); err != nil {
					t.Fatal(err)
				}
			}
			return nil
		}},
		"a log that shares": {xfsCases[1], func(t *testing.T, dir string) map[string]string {
			path := filepath.Join(dir, log)
			xfsGrow(t, path, 100<<10)
			xfsReflink(t, dir, log, "root/copy")
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			for _, off := range []int64{0, 40 << 10, 96 << 10} {
				if _, err := f.WriteAt(bytes.Repeat([]byte(xfsSecret), 100), off); err != nil {
					t.Fatal(err)
				}
			}
			return map[string]string{"root/copy": strings.Repeat("x", 100<<10)}
		}},
		"many logs": {xfsCases[1], func(t *testing.T, dir string) map[string]string {
			xfsFill(t, filepath.Join(dir, "var/log/many"), 900)
			return nil
		}},
		"two names of a key": {xfsCases[1], func(t *testing.T, dir string) map[string]string {
			xfsLink(t, dir, "etc/ssh/ssh_host_rsa_key", "etc/ssh/ssh_host_x_key")
			return nil
		}},
		"attributes": {xfsCases[1], func(t *testing.T, dir string) map[string]string {
			for _, name := range []string{log, "etc/ssh/ssh_host_rsa_key", "etc/machine-id"} {
				xfsAttr(t, filepath.Join(dir, name))
			}
			return nil
		}},
		"few names": {xfsCases[1], xfsFew},
		"few names, beyond 32 bits": {xfsCase{size: 6 << 40, args: []string{"-d", "agsize=250g"}}, func(t *testing.T, dir string) map[string]string {
			for i := range 100 { // until one is far away
				if info, err := os.Stat(filepath.Join(dir, "etc/ssh")); err != nil || info.Sys().(*syscall.Stat_t).Ino > 1<<32 {
					return xfsFew(t, dir)
				}
				if err := os.Rename(filepath.Join(dir, "etc/ssh"), filepath.Join(dir, fmt.Sprintf("etc/ssh%d", i))); err != nil {
					t.Fatal(err)
				}
				maptest.Tool(t, "cp", "-a", filepath.Join(dir, fmt.Sprintf("etc/ssh%d", i)), filepath.Join(dir, "etc/ssh"))
			}
			t.Fatal("no directory is far away")
			return nil
		}},
		"all inodes in use": {xfsCase{size: 80 << 20, args: []string{"-d", "agcount=1", "-m", "rmapbt=1"}}, func(t *testing.T, dir string) map[string]string {
			xfsFill(t, filepath.Join(dir, "srv"), 200)
			return nil
		}},
		"a large tree of inodes": {xfsCase{size: 80 << 20, args: []string{"-b", "size=1k", "-d", "agcount=1", "-m", "rmapbt=1"}}, func(t *testing.T, dir string) map[string]string {
			const n = 9000
			xfsFill(t, filepath.Join(dir, "srv"), n)
			for i := 64; i < n; i += 7 {
				if err := os.Remove(filepath.Join(dir, "srv", fmt.Sprintf("one of many files %d", i))); err != nil {
					t.Fatal(err)
				}
			}
			return nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			volume := c.volume.make(t)
			dir, unmount := maptest.Mount(t, volume, "xfs")
			for i := range 40 { // more directories than groups
				if err := os.MkdirAll(filepath.Join(dir, fmt.Sprintf("dir%d/below", i)), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			emptied, removed := xfsSystem(t, dir, rand.New(rand.NewPCG(1, 1)))
			stays := c.do(t, dir)
			emptied, removed = xfsThere(dir, emptied), xfsThere(dir, removed)
			unmount()

			p := xfsPatch(t, volume)
			f, _ := maptest.Open(t, volume)
			w, err := os.OpenFile(volume, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			for r := range p.changed().All() {
				if _, err := io.Copy(io.NewOffsetWriter(w, r.Off), io.NewSectionReader(p.Reader(f), r.Off, r.Len())); err != nil {
					t.Fatal(err)
				}
			}
			maptest.Tool(t, "xfs_repair", "-n", "-o", "force_geometry", volume)
			dir, unmount = maptest.Mount(t, volume, "xfs")
			for _, name := range p.Emptied {
				if b, err := os.ReadFile(filepath.Join(dir, name)); len(b) > 0 || err != nil {
					t.Errorf("%s has %d bytes (%v)", name, len(b), err)
				}
				xfsAppend(t, filepath.Join(dir, name)) // what it has beyond is freed
			}
			for _, name := range p.Removed {
				if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("%s is there (%v)", name, err)
				}
			}
			for name, want := range stays {
				if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(b) != want {
					t.Errorf("%s differs (%v)", name, err)
				}
			}
			unmount()
			maptest.Tool(t, "xfs_repair", "-n", "-o", "force_geometry", volume)
			dir, unmount = maptest.Mount(t, volume, "xfs")
			for _, name := range p.Emptied {
				if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Sys().(*syscall.Stat_t).Blocks > 8 {
					t.Errorf("%s: %d blocks (%v)", name, info.Sys().(*syscall.Stat_t).Blocks, err)
				}
			}
			for _, name := range slices.Concat(xfsPaths(emptied), xfsPaths(removed)) {
				if !slices.Contains(p.Emptied, name) && !slices.Contains(p.Removed, name) {
					t.Errorf("%s is as it was", name)
				}
			}
		})
	}
}

// xfsThere is those of the files that exist.
func xfsThere(dir string, names []string) []string {
	return slices.DeleteFunc(names, func(name string) bool {
		_, err := os.Lstat(filepath.Join(dir, name))
		return err != nil
	})
}

// xfsFew leaves so few names beside the keys of one kind that they fit into an
// inode.
func xfsFew(t *testing.T, dir string) map[string]string {
	names, err := filepath.Glob(filepath.Join(dir, "etc/ssh/*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if base := filepath.Base(name); base != "sshd_config" && !strings.HasPrefix(base, "ssh_host_rsa_key") {
			if err := os.RemoveAll(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	return map[string]string{"etc/ssh/sshd_config": readAll(t, filepath.Join(dir, "etc/ssh/sshd_config"))}
}

func readAll(t *testing.T, path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// xfsPieces makes a file of many extents, by writing every other block.
func xfsPieces(t *testing.T, path, text string, n int) {
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i := range int64(n) {
		if _, err := f.WriteAt([]byte(text), i*2048); err != nil {
			t.Fatal(err)
		}
	}
}

// xfsAttr gives a file an attribute, as SELinux does.
func xfsAttr(t *testing.T, path string) {
	if err := syscall.Setxattr(path, "trusted.label", []byte("system_u:object_r:sshd_key_t:s0"), 0); err != nil {
		t.Fatal(err)
	}
}

// TestShortDir encodes what it decodes, with inodes of both widths.
func TestShortDir(t *testing.T) {
	for _, parent := range []uint64{128, 1 << 40} {
		d := &shortDir{parent: parent, entries: []shortEntry{{96, 131, "a", 1}, {112, 1 << 33, "name", 2}}}
		for ; ; d.entries = d.entries[:len(d.entries)-1] {
			b := d.encode()
			in := &xfsInode{xfsBlock: &xfsBlock{b: make([]byte, 512)}}
			in.put64(inodeSize, uint64(len(b)))
			copy(in.b[inodeFork:], b)
			got, err := readShort(in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(d.entries, got.entries, cmp.AllowUnexported(shortEntry{})); diff != "" && len(d.entries) > 0 || got.parent != parent {
				t.Errorf("parent %d (-want +got):\n%s", got.parent, diff)
			}
			if len(d.entries) == 0 {
				break
			}
		}
	}
}
