package scrub

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/extent"
)

// paths is a tree by the paths of its files; inodes are indices into all its
// names. One with -> is a link.
type paths []string

func (p paths) names() []string {
	all := []string{"."}
	for _, name := range p {
		for ; name != "."; name = path.Dir(name) {
			if !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	return all
}

func (p paths) root() uint64 { return 0 }

func (p paths) list(dir uint64) ([]entry, error) {
	names := p.names()
	var all []entry
	for i, name := range names {
		if i > 0 && path.Dir(name) == names[dir] {
			file := slices.Contains(p, name)
			base, _, link := strings.Cut(path.Base(name), "->")
			all = append(all, entry{base, uint64(i), !file, file && !link})
		}
	}
	return all, nil
}

func TestFind(t *testing.T) {
	for _, test := range []struct {
		name       string
		tree, want paths // want: with - before what is to be removed
	}{
		{"nothing", nil, nil},
		{"system", paths{
			"etc/machine-id", "etc/ssh/ssh_host_rsa_key", "etc/ssh/ssh_host_rsa_key.pub", "etc/ssh/ssh_host_key_x",
			"etc/ssh/sshd_config", "var/log/a", "var/log/b/c/d", "var/log/l->", "var/lib/dbus/machine-id->",
			"var/lib/dhcp/x", "var/lib/dhcp/d/x", "root/.bash_history", "home/a/.zsh_history", "home/a/b/.zsh_history",
			"machine-id", "log/x", "srv/.bash_history",
		}, paths{
			"-etc/ssh/ssh_host_rsa_key", "-etc/ssh/ssh_host_rsa_key.pub", "etc/machine-id", "home/a/.zsh_history",
			"root/.bash_history", "var/lib/dhcp/x", "var/log/a", "var/log/b/c/d",
		}},
		{"var", paths{"log/x/y", "lib/dhcp/x", "lib/y"}, paths{"lib/dhcp/x", "log/x/y"}},
		{"log alone is no var", paths{"log/x"}, nil},
		{"directories in the place of files", paths{"etc/machine-id/x", "etc/ssh/ssh_host_x_key/y", "var/log->"}, nil},
	} {
		found, err := find(test.tree)
		if err != nil {
			t.Fatal(err)
		}
		var got paths
		for _, f := range found {
			if f.do == remove {
				f.path = "-" + f.path
			}
			got = append(got, f.path)
		}
		slices.Sort(got)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// endless is a directory that has itself, or ever new ones, as var, log and x.
type endless struct{ same bool }

func (e endless) root() uint64 { return 1 }

func (e endless) list(dir uint64) ([]entry, error) {
	id := dir + 1
	if e.same {
		id = dir
	}
	name := map[uint64]string{1: "var", 2: "log"}[dir]
	return []entry{{name + "", id, true, false}}, nil
}

func TestFindEnds(t *testing.T) {
	for _, same := range []bool{true, false} {
		if found, err := find(endless{same}); err == nil {
			t.Errorf("endless directories give %v", found)
		}
	}
}

func TestReader(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 2000 {
		disk := make([]byte, 1+r.IntN(300))
		for i := range disk {
			disk[i] = byte(r.Uint32())
		}
		want := bytes.Clone(disk)
		p := &Patch{}
		for at := 0; at < len(disk); {
			n := min(1+r.IntN(40), len(disk)-at)
			switch r.IntN(3) {
			case 0:
				p.Zero.Add(extent.Range{Off: int64(at), End: int64(at + n)})
				clear(want[at : at+n])
			case 1:
				data := bytes.Repeat([]byte{byte(at)}, n)
				p.Replace = append(p.Replace, Piece{int64(at), data})
				copy(want[at:], data)
			}
			at += n
		}
		v := p.Reader(bytes.NewReader(disk))
		got, err := io.ReadAll(io.NewSectionReader(v, 0, 1000))
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("got %x, %v; want %x", got, err, want)
		}
		off, n := r.IntN(len(disk)), r.IntN(50)
		part := make([]byte, n)
		k, err := v.ReadAt(part, int64(off))
		if k != min(n, len(disk)-off) || (k < n) != (err == io.EOF) || !bytes.Equal(part[:k], want[off:off+k]) {
			t.Fatalf("%d bytes at %d: %x, %v", n, off, part[:k], err)
		}
	}
}

// broken is a disk that cannot be read.
type broken struct{}

func (broken) ReadAt([]byte, int64) (int, error) { return 3, fmt.Errorf("bad sector") }

func TestReaderOfABadDisk(t *testing.T) {
	p := &Patch{Zero: extent.NewSet(extent.Range{Off: 0, End: 10})}
	v := p.Reader(broken{})
	if n, err := v.ReadAt(make([]byte, 10), 0); n != 10 || err != nil {
		t.Errorf("what is left out: %d, %v", n, err)
	}
	if n, err := v.ReadAt(make([]byte, 11), 0); n != 0 || err == nil {
		t.Errorf("what is read: %d, %v", n, err)
	}
}
