package scrub

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/ext"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

// secret is in all content that has to go, and again every few bytes.
const secret = "sEcReT-of-one-machine "

// write makes a file of n bytes, and the directories above it.
func write(t testing.TB, name, text string, n int) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(strings.Repeat(text, n/len(text)+1)[:n]); err != nil {
		t.Fatal(err)
	}
}

// system makes a tree like Debian's, with what is to go and what looks like it,
// and gives the paths of both kinds of the former.
func system(t testing.TB, dir string) (emptied, removed []string) {
	t.Helper()
	for name, size := range map[string]int{
		"etc/machine-id":                               33,
		"var/lib/dhcp/dhclient.eth0.leases":            3000,
		"var/lib/NetworkManager/internal-1-eth0.lease": 200,
		"var/lib/systemd/random-seed":                  512,
		"var/log/syslog":                               1 << 20,
		"var/log/syslog.1":                             70_000,
		"var/log/apt/history.log":                      100,
		"var/log/journal/0123/system.journal":          8 << 20,
		"var/log/journal/0123/user-1000@0001.journal":  100_000,
		"root/.bash_history":                           5000,
		"home/alice/.bash_history":                     300,
		"home/alice/.zsh_history":                      12_000,
		"home/bob/.sh_history":                         40,
	} {
		write(t, filepath.Join(dir, name), secret, size)
		emptied = append(emptied, "/"+name)
	}
	for _, kind := range []string{"rsa", "ecdsa", "ed25519"} {
		for _, ending := range []string{"", ".pub"} {
			name := "etc/ssh/ssh_host_" + kind + "_key" + ending
			write(t, filepath.Join(dir, name), secret, 2000)
			removed = append(removed, "/"+name)
		}
	}
	for name, size := range map[string]int{
		"etc/ssh/sshd_config":                         3000,
		"etc/ssh/ssh_host_keys":                       10,
		"etc/hostname":                                5,
		"var/lib/NetworkManager/NetworkManager.state": 100,
		"var/lib/systemd/timers/stamp":                50,
		"var/cache/log/syslog":                        9000,
		"home/alice/projects/.bash_history":           77,
		"home/alice/notes":                            200_000,
		"srv/.bash_history":                           100,
		"usr/bin/sh":                                  300_000,
	} {
		write(t, filepath.Join(dir, name), "to be kept ", size)
	}
	write(t, filepath.Join(dir, "var/log/empty"), secret, 0)
	// A second name, and room that is allocated and not yet written.
	if err := os.Link(filepath.Join(dir, "var/log/syslog.1"), filepath.Join(dir, "var/log/apt/syslog.1")); err != nil {
		t.Fatal(err)
	}
	emptied = append(emptied, "/var/log/apt/syslog.1")
	if f, err := os.OpenFile(filepath.Join(dir, "var/log/journal/0123/system.journal"), os.O_WRONLY, 0); err == nil {
		const keepSize = 1
		if err := syscall.Fallocate(int(f.Fd()), keepSize, 8<<20, 4<<20); err != nil && !errors.Is(err, syscall.EOPNOTSUPP) {
			t.Fatal(err)
		}
		f.Close()
	}
	for _, link := range []struct{ to, name string }{
		{"/etc/machine-id", "var/lib/dbus/machine-id"},
		{"/usr/bin/sh", "var/log/link"},
		{"/srv", "home/carol"},
	} {
		name := filepath.Join(dir, link.name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.Symlink(link.to, name)); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(emptied)
	slices.Sort(removed)
	return emptied, removed
}

// used is all bytes in use of a volume that a reader shows.
func used(t testing.TB, r io.ReaderAt, m *fsmap.Map) []byte {
	t.Helper()
	var all bytes.Buffer
	for u := range m.Used.All() {
		if _, err := io.Copy(&all, io.NewSectionReader(r, u.Off, u.Len())); err != nil {
			t.Fatal(err)
		}
	}
	return all.Bytes()
}

// keep is maptest.Keep of the patched volume.
func keep(t testing.TB, r io.ReaderAt, size int64) string {
	t.Helper()
	path := maptest.File(t, size)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(f, io.NewSectionReader(r, 0, size)); err != nil {
		t.Fatal(err)
	}
	m, err := ext.Map(r, size)
	if err != nil {
		t.Fatal(err)
	}
	return maptest.Keep(t, path, m)
}

// scrubbed is what a tree is to become.
func scrubbed(t testing.TB, tree map[string]string, emptied, removed []string) map[string]string {
	t.Helper()
	const nothing = "0 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for _, name := range emptied {
		was, ok := tree[name[1:]]
		if !ok {
			t.Fatalf("no %s in the tree", name)
		}
		fields := strings.Fields(was)
		tree[name[1:]] = strings.Join(fields[:2], " ") + " " + nothing
	}
	for _, name := range removed {
		delete(tree, name[1:])
	}
	return tree
}

var kinds = []struct{ name, args, kind, options string }{
	{"ext2 with 1k blocks", "-t ext2 -b 1024", "ext2", ""},
	{"ext2 of revision 0", "-t ext2 -r 0 -O none -b 1024", "ext2", ""},
	{"ext3", "-t ext3", "ext3", ""},
	{"ext4", "-t ext4", "ext4", ""},
	{"ext4 with 1k blocks", "-t ext4 -b 1024", "ext4", ""},
	{"ext4 with 32 bits", "-t ext4 -b 1024 -O ^64bit", "ext4", ""},
	{"ext4 with uninit_bg", "-t ext4 -b 1024 -O ^metadata_csum,uninit_bg", "ext4", ""},
	{"ext4 without checksums", "-t ext4 -b 2048 -O ^metadata_csum,^uninit_bg", "ext4", ""},
	{"ext4 with meta_bg", "-t ext4 -b 1024 -O meta_bg,^resize_inode,^flex_bg", "ext4", ""},
	{"ext4 with small inodes", "-t ext4 -I 128", "ext4", ""},
	{"ext4 with a checksum seed", "-t ext4 -O metadata_csum_seed", "ext4", ""},
	{"ext4 with fast_commit and orphan_file", "-t ext4 -O fast_commit,orphan_file", "ext4", ""},
	{"ext4 without extents", "-t ext4 -b 1024 -O ^extent,^64bit", "ext4", ""},
	{"ext4 with all data in the journal", "-t ext4 -b 1024", "ext4", "data=journal"},
}

func volume(t testing.TB, mib int64, args string) string {
	t.Helper()
	path := maptest.File(t, mib<<20)
	maptest.Tool(t, "mke2fs", append(append([]string{"-q", "-F"}, strings.Fields(args)...), path)...)
	return path
}

func TestExt(t *testing.T) {
	if testing.Short() {
		t.Skip("mounts filesystems")
	}
	for i, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			path := volume(t, 64, k.args)
			dir, unmount := maptest.Mount(t, path, k.kind, strings.Fields(k.options)...)
			maptest.Age(t, filepath.Join(dir, "srv/data"), uint64(i), 40)
			emptied, removed := system(t, dir)
			attributes(t, dir)
			before := maptest.Tree(t, dir)
			unmount()

			f, size := maptest.Open(t, path)
			p, err := Ext(f, size)
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(p.Emptied)
			slices.Sort(p.Removed)
			if diff := cmp.Diff([][]string{emptied, removed}, [][]string{p.Emptied, p.Removed}); diff != "" {
				t.Errorf("scrubbed (-want +got):\n%s", diff)
			}
			r := p.Reader(f)
			m, err := ext.Map(r, size)
			if err != nil {
				t.Fatal(err)
			}
			whole, err := ext.Map(f, size)
			if err != nil {
				t.Fatal(err)
			}
			if !m.Used.Subtract(whole.Used).Empty() || whole.Used.Len()-m.Used.Len() < 9<<20 {
				t.Errorf("%d bytes in use became %d", whole.Used.Len(), m.Used.Len())
			}
			if n := bytes.Count(used(t, f, whole), []byte(secret)); n < 1000 {
				t.Errorf("only %d secrets on the disk", n)
			}
			if n := bytes.Count(used(t, r, m), []byte(secret)); n > 0 {
				t.Errorf("%d secrets are left", n)
			}

			kept := keep(t, r, size)
			maptest.Tool(t, "e2fsck", "-fn", kept)
			dir, unmount = maptest.Mount(t, kept, k.kind)
			if diff := cmp.Diff(scrubbed(t, before, emptied, removed), maptest.Tree(t, dir)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if strings.Contains(k.args, "-r 0") {
				unmount()
				return // Linux leaves old bytes in new directories without filetype, scrubbed or not
			}
			// A system can live on it.
			maptest.Age(t, filepath.Join(dir, "var/log/more"), uint64(i), 30)
			write(t, filepath.Join(dir, "var/log/syslog"), "new ", 100_000)
			write(t, filepath.Join(dir, "etc/ssh/ssh_host_rsa_key"), "new ", 1000)
			unmount()
			maptest.Tool(t, "e2fsck", "-fn", kept)
		})
	}
}

// attributes gives files extended attributes that lie in blocks of their own,
// some of them shared.
func attributes(t testing.TB, dir string) {
	t.Helper()
	for name, value := range map[string]string{
		"var/log/syslog":                   "own " + strings.Repeat("x", 500),
		"var/log/syslog.1":                 strings.Repeat("y", 500),
		"home/alice/notes":                 strings.Repeat("z", 500),
		"etc/ssh/ssh_host_rsa_key":         strings.Repeat("z", 500),
		"etc/ssh/ssh_host_rsa_key.pub":     strings.Repeat("z", 500),
		"etc/ssh/ssh_host_ed25519_key":     "own too " + strings.Repeat("x", 500),
		"etc/ssh/ssh_host_ed25519_key.pub": "small",
	} {
		err := syscall.Setxattr(filepath.Join(dir, name), "user.test", []byte(value), 0)
		if err != nil && !errors.Is(err, syscall.EOPNOTSUPP) {
			t.Fatal(err)
		}
	}
}

// TestExtLargeDirectory has the keys between so many other names that they are
// in an indexed directory, some of them the first of their block.
func TestExtLargeDirectory(t *testing.T) {
	for _, args := range []string{"-t ext4 -b 1024", "-t ext4 -b 65536 -N 1000 -O ^has_journal", "-t ext2 -b 1024 -O ^dir_index"} {
		t.Run(args, func(t *testing.T) {
			tree := t.TempDir()
			for i := range 300 {
				write(t, filepath.Join(tree, fmt.Sprintf("etc/ssh/ssh_host_%d_key", i)), secret, 30)
				write(t, filepath.Join(tree, fmt.Sprintf("etc/ssh/known hosts %d", i)), "kept", 30)
			}
			path := volume(t, 64, args+" -d "+tree)
			maptest.Try(t, "e2fsck", "-fyD", path) // makes the index
			maptest.Tool(t, "e2fsck", "-fn", path)
			f, size := maptest.Open(t, path)
			p, err := Ext(f, size)
			if err != nil {
				t.Fatal(err)
			}
			if len(p.Removed) != 300 || len(p.Emptied) != 0 {
				t.Errorf("%d files removed, %d emptied", len(p.Removed), len(p.Emptied))
			}
			kept := keep(t, p.Reader(f), size)
			maptest.Tool(t, "e2fsck", "-fn", kept)
			out := maptest.Tool(t, "debugfs", "-R", "ls -p /etc/ssh", kept)
			if a, b := strings.Count(out, "ssh_host_"), strings.Count(out, "known hosts"); a != 0 || b != 300 {
				t.Errorf("%d keys and %d others are left", a, b)
			}
		})
	}
}

// TestExtOfOtherRoots takes volumes that are mounted on /var, /var/log and
// /home.
func TestExtOfOtherRoots(t *testing.T) {
	for _, test := range []struct {
		name  string
		files []string // those that begin with ! stay
	}{
		{"var", []string{"log/syslog", "log/a/b/c", "lib/dhcp/x.leases", "lib/dbus/machine-id", "!cache/log", "!lib/x"}},
		{"log", []string{"syslog", "journal/1/system.journal", "wtmp"}},
		{"home", []string{"alice/.bash_history", "!alice/.bashrc", "!alice/x/.bash_history"}},
		{"data", []string{"!log/syslog", "!etcetera/machine-id", "!x"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			tree := t.TempDir()
			var want []string
			for _, name := range test.files {
				name, stays := strings.CutPrefix(name, "!")
				write(t, filepath.Join(tree, name), secret, 100)
				if !stays {
					want = append(want, "/"+name)
				}
			}
			f, size := maptest.Open(t, volume(t, 8, "-t ext4 -d "+tree))
			p, err := Ext(f, size)
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(want)
			slices.Sort(p.Emptied)
			if diff := cmp.Diff(want, p.Emptied); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			maptest.Tool(t, "e2fsck", "-fn", keep(t, p.Reader(f), size))
		})
	}
}

func TestExtRefuses(t *testing.T) {
	tree := t.TempDir()
	system(t, tree)
	for _, test := range []struct{ name, args, commands, reason string }{
		{"bigalloc", "-t ext4 -O bigalloc", "", "bigalloc"},
		{"quota", "-t ext4 -O quota", "", "quota"},
		{"inline data", "-t ext4 -O inline_data -I 1024", "", "inline"},
		{"attributes in inodes", "-t ext4 -O ea_inode", "", "attributes"},
		{"journal to replay", "-t ext4", "feature needs_recovery", "replayed"},
		{"deleted files", "-t ext4", "ssv last_orphan 20", "deleted files"},
		{"errors", "-t ext4", "ssv state 3", "errors"},
		{"verity", "-t ext4 -O verity", "sif /var/log/syslog flags 0x180000", "verity"},
		{"encrypted file", "-t ext4 -O encrypt", "sif /var/log/syslog flags 0x80800", "encrypted"},
		{"encrypted directory", "-t ext4 -O encrypt", "sif /var/log flags 0x80800", "encrypted"},
		{"another name of a key", "-t ext4", "ln /etc/ssh/ssh_host_rsa_key /x\nsif /etc/ssh/ssh_host_rsa_key links_count 2", "other names"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := volume(t, 64, test.args+" -d "+tree)
			if test.commands != "" {
				script := filepath.Join(t.TempDir(), "script")
				write(t, script, test.commands+"\n", len(test.commands)+1)
				t.Log(maptest.Tool(t, "debugfs", "-w", "-f", script, path))
			}
			f, size := maptest.Open(t, path)
			p, err := Ext(f, size)
			var unsupported *UnsupportedError
			if !errors.As(err, &unsupported) || !strings.Contains(unsupported.Reason, test.reason) {
				t.Errorf("got %v, %v; want an UnsupportedError with %q", p, err, test.reason)
			}
		})
	}
}
