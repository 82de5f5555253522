package adapt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

// world is a directory that has a system's root in it, and other things that
// no change of the system may touch.
type world struct {
	*tree
	dir     string // of the root
	outside map[string]string
	top     string
}

// newWorld makes the small system of files in it, then changes it with fn.
func newWorld(t testing.TB, fn func(root string)) *world {
	t.Helper()
	w := &world{top: memory(t)}
	w.dir = filepath.Join(w.top, "a", "b", "root")
	files(t, w.dir, nil)
	for _, name := range []string{"hostname", "passwd", "victim"} {
		for _, dir := range []string{w.top, filepath.Join(w.top, "a"), filepath.Join(w.top, "a", "b")} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("outside"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if fn != nil {
		fn(w.dir)
	}
	w.outside = w.others(t)
	root, err := os.OpenRoot(w.dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	w.tree = &tree{top: root}
	return w
}

// memory is a directory whose filesystem is in memory, if there is one: what
// is made durable a hundred times need not wait for a disk.
func memory(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "adapt")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	return dir
}

// others is everything that is not the system.
func (w *world) others(t testing.TB) map[string]string {
	all := maptest.Tree(t, w.top)
	for name := range all {
		if strings.HasPrefix(name, "a/b/root/") {
			delete(all, name)
		}
	}
	return all
}

// do runs the steps of o on the system. Whatever happens, nothing outside may
// change and nothing half done may be left.
func (w *world) do(t testing.TB, o Options) error {
	t.Helper()
	if o.Note == nil {
		o.Note = func(string) {}
	}
	_, err := run(context.Background(), w.tree, o.wanted())
	if diff := cmp.Diff(w.outside, w.others(t)); diff != "" {
		t.Errorf("outside of the system (-before +after):\n%s", diff)
	}
	for name := range maptest.Tree(t, w.dir) {
		if strings.HasPrefix(filepath.Base(name), ".orbit-") {
			t.Errorf("%s is left behind", name)
		}
	}
	return err
}

// state describes a file: "-rw-r--r-- 0:0 content", "link -> target" or "none".
func (w *world) state(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(w.dir, name)
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "none"
	}
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		if err != nil {
			t.Fatal(err)
		}
		return "link -> " + target
	case info.IsDir():
		return fmt.Sprintf("%v %d:%d", info.Mode(), st.Uid, st.Gid)
	}
	return fmt.Sprintf("%v %d:%d %s", info.Mode(), st.Uid, st.Gid, textOf(t, path))
}

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("owners can be set by root only")
	}
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// replace puts a symbolic link in the place of a file or tree, which is kept
// beside it under another name.
func replace(t testing.TB, path, target string) {
	t.Helper()
	if err := os.Rename(path, path+".was"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	must(t, os.Symlink(target, path))
}

func TestResolve(t *testing.T) {
	w := newWorld(t, func(root string) {
		must(t,
			os.Symlink("/etc", filepath.Join(root, "abs")),
			os.Symlink("../../../../../etc", filepath.Join(root, "usr/up")),
			os.Symlink("loop2", filepath.Join(root, "loop1")),
			os.Symlink("loop1", filepath.Join(root, "loop2")),
			os.Symlink("/nowhere/at/all", filepath.Join(root, "dangling")),
			os.Symlink("usr/./up/../etc/hostname", filepath.Join(root, "long")),
			os.Symlink("/", filepath.Join(root, "self")))
	})
	for _, tc := range []struct {
		name, path string
		last       bool
		want       string // "!" is an error
	}{
		{"root", "/", true, ""},
		{"plain", "/etc/hostname", true, "etc/hostname"},
		{"absolute link", "abs/hostname", true, "etc/hostname"},
		{"link above the root", "usr/up/hostname", true, "etc/hostname"},
		{"many", "self/self/usr/up/../long", true, "etc/hostname"},
		{"last is not followed", "self/abs", false, "abs"},
		{"last is followed", "self/abs", true, "etc"},
		{"dots in front", "../../etc", true, "etc"},
		{"missing", "etc/none/../x", true, "etc/x"},
		{"dangling", "dangling/x", true, "nowhere/at/all/x"},
		{"loop", "loop1/x", true, "!"},
		{"file as directory", "etc/hostname/x", true, "!"},
	} {
		got, err := w.resolve(tc.path, tc.last)
		if err != nil {
			got = "!"
		}
		if got != tc.want {
			t.Errorf("%s: %q, %v, want %q", tc.name, got, err, tc.want)
		}
	}
}

func TestHostnames(t *testing.T) {
	for name, ok := range map[string]bool{
		"node": true, "node-7": true, "7": true, "n.example.org": true, "N": true, "3com.example": true,
		strings.Repeat("a", 63): true, strings.Repeat("a", 64): false,
		strings.Repeat("a.", 31) + "aa": true, strings.Repeat("a.", 32) + "a": false,
		"": false, "-a": false, "a-": false, "a..b": false, ".a": false, "a.": false, "a_b": false, "a b": false,
		"a\nb": false, "ä": false, "10.0.0.1": false, "a/b": false, "a.-b": false,
	} {
		if err := checkHostname(name); (err == nil) != ok {
			t.Errorf("hostname %q: %v", name, err)
		}
	}
}

func TestEditHosts(t *testing.T) {
	for _, tc := range []struct{ name, hosts, host, want string }{
		{"none", "", "n", ""},
		{"no such line", "127.0.0.1 localhost\n::1 old\n", "n", "127.0.0.1 localhost\n::1 old\n"},
		{"short", "127.0.0.1 localhost\n127.0.1.1\told\n", "n", "127.0.0.1 localhost\n127.0.1.1\tn\n"},
		{"domain stays", "127.0.1.1 old.a.b old alias\n", "n", "127.0.1.1\tn.a.b n\n"},
		{"own domain", "127.0.1.1 old.a.b old\n", "n.c.d", "127.0.1.1\tn.c.d n\n"},
		{"comment stays", "127.0.1.1 old # me\nx", "n", "127.0.1.1\tn # me\nx"},
		{"no newline at the end", "127.0.1.1 old", "n", "127.0.1.1\tn"},
		{"CRLF", "127.0.1.1 old\r\n1.2.3.4 b\r\n", "n", "127.0.1.1\tn\r\n1.2.3.4 b\r\n"},
		{"in a comment", "#127.0.1.1 old\n", "n", "#127.0.1.1 old\n"},
		{"longer address", "127.0.1.11 old\n", "n", "127.0.1.11 old\n"},
		{"right already", "  127.0.1.1   n.a n\n", "n", "  127.0.1.1   n.a n\n"},
		{"no names", "127.0.1.1\n", "n", "127.0.1.1\tn\n"},
	} {
		if got := string(editHosts([]byte(tc.hosts), tc.host)); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

func FuzzEditHosts(f *testing.F) {
	f.Add("127.0.0.1 localhost\n127.0.1.1 a.b a # c\r\n", "n.x")
	f.Fuzz(func(t *testing.T, hosts, name string) {
		once := editHosts([]byte(hosts), "n")
		if twice := editHosts(once, "n"); string(twice) != string(once) {
			t.Errorf("%q becomes %q, then %q", hosts, once, twice)
		}
		if strings.Count(string(once), "\n") != strings.Count(hosts, "\n") {
			t.Errorf("%q becomes %q: lines got lost", hosts, once)
		}
	})
}

// A link that is there already, or is staged twice, leaves no temporary name.
func TestSameLink(t *testing.T) {
	w := newWorld(t, func(root string) {
		must(t, os.WriteFile(root+"/etc/one", []byte("1"), 0o644), os.Link(root+"/etc/one", root+"/etc/two"))
	})
	must(t, w.link("etc/two", "etc/one"), w.link("etc/three", "etc/one"), w.link("etc/three", "etc/one"), w.commit())
	if left, _ := filepath.Glob(w.dir + "/etc/.orbit-*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	one, err := os.Stat(w.dir + "/etc/one")
	for _, name := range []string{"two", "three"} {
		st, err2 := os.Stat(w.dir + "/etc/" + name)
		must(t, err, err2)
		if !os.SameFile(one, st) {
			t.Errorf("%s is not the same file", name)
		}
	}
}
