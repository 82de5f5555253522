package scrub

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
	"github.com/orbit-pxe/orbit/pkg/fsmap/xfs"
)

const xfsSecret = "the secret of this machine"

// xfsSystem puts a small system below dir. What is to be scrubbed of it holds
// the secret, and is given in two lists.
func xfsSystem(t testing.TB, dir string, r *rand.Rand) (emptied, removed []string) {
	t.Helper()
	write := func(name, content string, size int) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		b := bytes.Repeat([]byte(content), size/len(content)+1)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	size := func(limit int) int { return r.IntN(1 << (3 + r.IntN(limit))) }
	for i := range 3 + r.IntN(200) {
		write(fmt.Sprintf("usr/lib/file%d", i), "a file that stays ", size(14))
	}
	for _, name := range []string{"moduli", "ssh_config", "sshd_config", "sshd_config.d/local.conf", "ssh_host_key_of_another"} {
		write("etc/ssh/"+name, "a file that stays ", size(10))
	}
	for _, name := range []string{"rsa", "ecdsa", "ed25519"} {
		for _, end := range []string{"", ".pub"} {
			removed = append(removed, "etc/ssh/ssh_host_"+name+"_key"+end)
		}
	}
	emptied = []string{
		"etc/machine-id", "var/log/syslog", "var/log/journal/0123456789abcdef/system.journal", "var/log/apt/history.log",
		"var/lib/dhcp/dhclient.leases", "var/lib/NetworkManager/internal-1.lease", "root/.bash_history",
		"home/a person/.bash_history", "home/b/.zsh_history",
	}
	r.Shuffle(len(removed), func(i, j int) { removed[i], removed[j] = removed[j], removed[i] })
	for _, name := range removed {
		write(name, xfsSecret, 100+r.IntN(3000))
	}
	for _, name := range emptied {
		write(name, xfsSecret, 1+size(20))
	}
	write("var/lib/NetworkManager/a.conf", "a file that stays ", 100)
	write("home/b/.bashrc", "a file that stays ", 100)
	if err := os.Symlink("/etc/machine-id", filepath.Join(dir, "var/lib/dbus-machine-id")); err != nil {
		t.Fatal(err)
	}
	return emptied, removed
}

type xfsCase struct {
	name string
	size int64
	args []string
}

var xfsCases = []xfsCase{
	{name: "as made by default", size: 100 << 20},
	{name: "all that is new", size: 80 << 20, args: []string{"-m", "rmapbt=1,reflink=1", "-i", "nrext64=1"}},
	{name: "nothing new", size: 80 << 20, args: []string{"-m", "reflink=0,finobt=0,rmapbt=0,bigtime=0", "-i", "sparse=0"}},
	{name: "1k blocks", size: 64 << 20, args: []string{"-b", "size=1k", "-m", "rmapbt=1"}},
	{name: "names in the inode", size: 80 << 20, args: []string{"-i", "size=2048"}},
	{name: "large blocks of directories", size: 80 << 20, args: []string{"-n", "size=16k"}},
	{name: "64k blocks", size: 400 << 20, args: []string{"-b", "size=64k"}},
	{name: "4k sectors", size: 120 << 20, args: []string{"-s", "size=4k", "-m", "rmapbt=1"}},
}

func (c xfsCase) make(t testing.TB) string {
	t.Helper()
	path := maptest.File(t, c.size)
	maptest.Tool(t, "mkfs.xfs", append(append([]string{"-q", "--unsupported"}, c.args...), path)...)
	return path
}

func TestXFS(t *testing.T) {
	for _, c := range xfsCases {
		t.Run(c.name, func(t *testing.T) { xfsScrubbed(t, c, 1, 1, 0) })
	}
}

func TestXFSLives(t *testing.T) {
	if testing.Short() {
		t.Skip("makes many filesystems")
	}
	for n := range uint64(4) {
		c := xfsCases[[]int{0, 1, 3, 2}[n%4]]
		t.Run(fmt.Sprint(c.name, " ", n), func(t *testing.T) { xfsScrubbed(t, c, n+2, 1, 0) })
	}
}

// TestXFSKeys has more keys than any machine: what removes their blocks from
// the trees of owners joins blocks and loses levels there.
func TestXFSKeys(t *testing.T) {
	cases := []xfsCase{xfsCases[3]}
	if os.Getenv("ORBIT_SLOW") != "" {
		cases = slices.Clone(xfsCases)
		for _, i := range []int{0, 4, 5} {
			cases[i].args = append(slices.Clone(cases[i].args), "-m", "rmapbt=1") // as a newer mkfs.xfs does
		}
		cases = append(cases, xfsCase{name: "1k blocks in two groups", size: 64 << 20, args: []string{"-b", "size=1k", "-d", "agcount=2", "-m", "rmapbt=1"}})
	}
	seeds := uint64(1)
	if n, err := strconv.ParseUint(os.Getenv("ORBIT_XFS_SEEDS"), 10, 32); err == nil {
		seeds = n // for a long run by hand
	}
	for seed := range seeds {
		for _, c := range cases {
			t.Run(fmt.Sprint(c.name, " ", seed), func(t *testing.T) {
				xfsScrubbed(t, c, seed, 1+int(seed%8), 20+int(seed*7%41))
			})
		}
	}
}

// xfsMore puts more keys below dir, with other files between them.
func xfsMore(t *testing.T, dir string, n int, r *rand.Rand) (removed []string) {
	if n > 0 && r.IntN(2) == 0 { // the tree of owners has three levels then
		xfsPieces(t, filepath.Join(dir, "etc/ssh/pieces"), "a file that stays", 500+r.IntN(1500))
	}
	for i := range n {
		name := fmt.Sprintf("etc/ssh/ssh_host_%d_key", i)
		xfsGrow(t, filepath.Join(dir, name), 1+r.IntN(1024))
		removed = append(removed, name)
		if r.IntN(4) == 0 {
			xfsGrow(t, filepath.Join(dir, fmt.Sprintf("usr/lib/between%d", i)), 1+r.IntN(3000))
		}
	}
	return removed
}

// xfsScrubbed scrubs a system with more keys than usual on a filesystem of some
// age, and sees what is left.
func xfsScrubbed(t *testing.T, c xfsCase, seed uint64, age, keys int) {
	volume := c.make(t)
	dir, unmount := maptest.Mount(t, volume, "xfs")
	r := rand.New(rand.NewPCG(seed, 5))
	maptest.Age(t, filepath.Join(dir, "srv"), seed, age*(50+r.IntN(300)))
	emptied, removed := xfsSystem(t, dir, r)
	removed = append(removed, xfsMore(t, dir, keys, r)...)
	maptest.Age(t, filepath.Join(dir, "opt"), seed+100, 50)
	want := maptest.Tree(t, dir)
	unmount()

	p := xfsPatch(t, volume)
	if diff := cmp.Diff([][]string{xfsPaths(emptied), xfsPaths(removed)}, [][]string{xfsPaths(p.Emptied), xfsPaths(p.Removed)}); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	patched, m := xfsApply(t, volume, p)
	levels, blocks := xfsOwnersOK(t, volume)
	levels2, blocks2 := xfsOwnersOK(t, patched)
	t.Logf("trees of owners: %d blocks on %v levels, then %d on %v", blocks, levels, blocks2, levels2)
	if hit := xfsFind(t, patched, m.Used, xfsSecret); hit >= 0 {
		t.Errorf("the secret is still at %d", hit)
	}
	for _, name := range removed {
		if hit := xfsFind(t, patched, p.changed(), filepath.Base(name)); hit >= 0 {
			t.Errorf("the name %s is still at %d", name, hit)
		}
	}
	maptest.Tool(t, "xfs_repair", "-n", patched)

	dir, unmount = maptest.Mount(t, patched, "xfs")
	empty := "-rw------- 0:0 0 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for _, name := range emptied {
		want[name] = empty
	}
	for _, name := range removed {
		delete(want, name)
	}
	if diff := cmp.Diff(want, maptest.Tree(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	// It lives on: with new keys and logs, and much else.
	for _, name := range slices.Concat(emptied, removed) {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("new"); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(filepath.Join(dir, name)); string(b) != "new" || err != nil {
			t.Errorf("%s holds %q (%v)", name, b, err)
		}
	}
	maptest.Age(t, filepath.Join(dir, "later"), seed+200, 300)
	unmount()
	maptest.Tool(t, "xfs_repair", "-n", patched)
}

// xfsOpen reads the metadata of a volume.
func xfsOpen(t testing.TB, path string) *xfsVolume {
	t.Helper()
	f, size := maptest.Open(t, path)
	s, err := xfs.ReadSuper(f, size)
	if err != nil {
		t.Fatal(err)
	}
	return &xfsVolume{Super: s, r: f}
}

// xfsOwnersOK checks the trees of owners of all groups, as xfs_repair does not
// see all that is wrong with one. It gives how many levels each has, and how
// many blocks all have.
func xfsOwnersOK(t testing.TB, path string) (levels []uint32, blocks int) {
	t.Helper()
	x := xfsOpen(t, path)
	for group := int64(0); x.ROCompat&xfsRmap != 0 && group < x.Groups; group++ {
		agf, err := x.header(group, 1)
		if err != nil {
			t.Fatal(err)
		}
		_, used := x.ownersOK(t, group, agf)
		levels, blocks = append(levels, agf.u32(agfLevels)), blocks+len(used)
	}
	return levels, blocks
}

// xfsPaths sorts paths from the root.
func xfsPaths(list []string) []string {
	var out []string
	for _, name := range list {
		out = append(out, path.Join("/", name))
	}
	slices.Sort(out)
	return out
}

func xfsPatch(t testing.TB, path string) *Patch {
	t.Helper()
	f, size := maptest.Open(t, path)
	p, err := XFS(f, size)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// xfsApply writes out what the patch makes of a volume, on noise.
func xfsApply(t testing.TB, path string, p *Patch) (string, *fsmap.Map) {
	t.Helper()
	f, size := maptest.Open(t, path)
	before, err := xfs.Map(f, size)
	if err != nil {
		t.Fatal(err)
	}
	m, err := xfs.Map(p.Reader(f), size)
	if err != nil {
		t.Fatal(err)
	}
	if !p.changed().Subtract(before.Used).Empty() {
		t.Error("the patch changes what is not in use")
	}
	out := maptest.Keep(t, path, m)
	w, err := os.OpenFile(out, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for r := range p.changed().All() {
		if _, err := io.Copy(io.NewOffsetWriter(w, r.Off), io.NewSectionReader(p.Reader(f), r.Off, r.Len())); err != nil {
			t.Fatal(err)
		}
	}
	return out, m
}

// changed is all that a patch changes.
func (p *Patch) changed() extent.Set {
	set := p.Zero.Clone()
	for _, piece := range p.Replace {
		set.Add(piece.Range())
	}
	return set
}

// xfsFind is where a text is in a part of a file; -1 for nowhere.
func xfsFind(t testing.TB, path string, in extent.Set, text string) int64 {
	t.Helper()
	f, _ := maptest.Open(t, path)
	for r := range in.All() {
		for off := r.Off; off < r.End; off += 1 << 20 {
			b := make([]byte, min(1<<20+int64(len(text)), r.End-off))
			if _, err := f.ReadAt(b, off); err != nil {
				t.Fatal(err)
			}
			if i := bytes.Index(b, []byte(text)); i >= 0 {
				return off + int64(i)
			}
		}
	}
	return -1
}
