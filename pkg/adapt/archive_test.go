package adapt

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/stream"
)

// member1 is a member of an archive: a file, unless it says otherwise.
type member1 struct {
	name, text, link string
	kind             byte // 0 is a file, or a symbolic link if link is set
	mode             int64
	uid, gid         int
	size             int64
	pax              map[string]string
}

// tarOf packs members, compressed in some way.
func tarOf(t testing.TB, format stream.Format, members ...member1) *bytes.Reader {
	t.Helper()
	var b bytes.Buffer
	var out io.WriteCloser
	switch format {
	case stream.Gzip:
		out = gzip.NewWriter(&b)
	case stream.Zstd:
		var err error
		if out, err = stream.NewWriter(&b, 1, 1); err != nil {
			t.Fatal(err)
		}
	default:
		out = struct {
			io.Writer
			io.Closer
		}{&b, io.NopCloser(nil)}
	}
	w := tar.NewWriter(out)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Linkname: m.link, Typeflag: m.kind, Mode: m.mode, Uid: m.uid, Gid: m.gid,
			Size: int64(len(m.text)), ModTime: time.Unix(1e9, 0), PAXRecords: m.pax}
		if m.kind == 0 {
			h.Typeflag = tar.TypeReg
			if m.link != "" {
				h.Typeflag = tar.TypeSymlink
			}
		}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if m.pax != nil {
			h.Format = tar.FormatPAX
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, m.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(b.Bytes())
}

func dir1(name string, mode int64, uid int) member1 {
	return member1{name: name, kind: tar.TypeDir, mode: mode, uid: uid}
}
func hard(name, target string) member1 { return member1{name: name, kind: tar.TypeLink, link: target} }

func TestUnpack(t *testing.T) {
	needRoot(t)
	for _, tc := range []struct {
		name    string
		members []member1
		fails   string
		want    map[string]string
	}{
		{"files", []member1{{name: "etc/motd", text: "hello\n"}, {name: "/etc/deep/er", text: "x", mode: 0o4750, uid: 5, gid: 6}}, "", map[string]string{
			"etc/motd": "-rw-r--r-- 0:0 hello\n", "etc/deep": "drwxr-xr-x 0:0", "etc/deep/er": "urwxr-x--- 5:6 x"}},
		{"replaced", []member1{{name: "./etc/hostname", text: "mine\n", mode: 0o600, uid: 7}}, "", map[string]string{"etc/hostname": "-rw------- 7:0 mine\n"}},
		{"new directory", []member1{dir1("opt/x/", 0o1770, 8)}, "", map[string]string{"opt": "drwxr-xr-x 0:0", "opt/x": "dtrwxrwx--- 8:0"}},
		{"directories that are there stay", []member1{dir1("./", 0o700, 1000), dir1("etc/", 0o777, 1000), {name: "etc/x", text: "x"}}, "",
			map[string]string{"": "drwxr-xr-x 0:0", "etc": "drwxr-xr-x 0:0", "etc/x": "-rw-r--r-- 0:0 x"}},
		{"links", []member1{{name: "lnk", link: "/etc/hostname"}, {name: "a", text: "A", uid: 9}, hard("b", "a"), hard("c", "./b"), hard("d", "/usr/../etc/hosts")}, "leads out", nil},
		{"hard links", []member1{{name: "lnk", link: "/etc/hostname"}, {name: "a", text: "A", uid: 9}, hard("b", "a"), hard("c", "./b"), hard("d", "etc/hostname")}, "", map[string]string{
			"lnk": "link -> /etc/hostname", "a": "-rw-r--r-- 9:0 A", "b": "-rw-r--r-- 9:0 A", "c": "-rw-r--r-- 9:0 A", "d": "-rw-r--r-- 0:0 template\n"}},
		{"twice the same", []member1{{name: "a", text: "1"}, {name: "a", text: "2"}, hard("b", "a")}, "", map[string]string{"a": "-rw-r--r-- 0:0 2", "b": "-rw-r--r-- 0:0 2"}},
		{"link to a directory is kept", []member1{dir1("out/", 0o755, 0), dir1("in/", 0o755, 0), {name: "in/file", text: "x"}}, "", map[string]string{
			"in": "link -> /usr", "usr/file": "-rw-r--r-- 0:0 x"}},

		{"up", []member1{{name: "../victim", text: "x"}}, "leads out", nil},
		{"up in the middle", []member1{{name: "etc/../../victim", text: "x"}}, "leads out", nil},
		{"through a link that leads out", []member1{{name: "out/victim", text: "x"}}, "", map[string]string{"victim": "-rw-r--r-- 0:0 x"}},
		{"over a link that leads out", []member1{{name: "file", text: "x"}}, "", map[string]string{"file": "-rw-r--r-- 0:0 x"}},
		{"hard link through a link that leads out", []member1{hard("got", "out/victim")}, "no such file", map[string]string{"got": "none"}},
		{"hard link to a link that leads out", []member1{hard("got", "file"), {name: "got", text: "x"}}, "", map[string]string{"got": "-rw-r--r-- 0:0 x", "file": "link -> ../../victim"}},
		{"hard link up", []member1{hard("got", "../victim")}, "leads out", nil},
		{"hard link to a directory", []member1{hard("got", "etc")}, "operation not permitted", nil},
		{"hard link to nothing", []member1{hard("got", "none")}, "no such file", nil},
		{"link, then a file behind it", []member1{{name: "l", link: "../.."}, {name: "l/victim", text: "x"}}, "both as a directory", map[string]string{"l": "none"}},
		{"file, then a directory", []member1{{name: "l/a", text: "x"}, {name: "l", text: "x"}}, "both as a directory", map[string]string{"l": "none"}},
		{"file over a directory", []member1{{name: "first", text: "x"}, {name: "etc", text: "x"}}, "is a directory", map[string]string{"first": "none"}},
		{"directory over a file", []member1{dir1("new", 0o755, 0), dir1("etc/hostname/", 0o755, 0)}, "not a directory", map[string]string{"new": "none"}},
		{"below a file", []member1{{name: "etc/hostname/x", text: "x"}}, "not a directory", nil},
		{"the root as a file", []member1{{name: "/.", text: ""}}, "name of a directory", nil},
		{"device", []member1{{name: "null", kind: tar.TypeChar}}, "device nodes", nil},
		{"pipe", []member1{{name: "p", kind: tar.TypeFifo}}, "device nodes", nil},
		{"long name", []member1{{name: strings.Repeat("x", 256), text: "x"}}, "name is none", nil},
		{"longer path", []member1{{name: strings.Repeat("/x", 3000), text: ""}}, "name of 6000 bytes", nil},
		{"owner", []member1{{name: "x", text: "x", uid: 1<<32 - 1}}, "is none", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, format := range []stream.Format{stream.Raw, stream.Gzip, stream.Zstd} {
				w := newWorld(t, func(root string) {
					must(t, os.Symlink("../..", root+"/out"), os.Symlink("../../victim", root+"/file"), os.Symlink("/usr", root+"/in"))
				})
				err := w.do(t, Options{Archive: tarOf(t, format, tc.members...)})
				if tc.fails == "" && err != nil || tc.fails != "" && (err == nil || !strings.Contains(err.Error(), tc.fails)) {
					t.Fatalf("%s: error %v, want %q", format, err, tc.fails)
				}
				for name, want := range tc.want {
					if diff := cmp.Diff(want, w.state(t, name)); diff != "" {
						t.Errorf("%s: %s (-want +got):\n%s", format, name, diff)
					}
				}
			}
		})
	}
}

func TestUnpackTimesAndAttributes(t *testing.T) {
	needRoot(t)
	w := newWorld(t, nil)
	var said notes
	a := tarOf(t, stream.Raw, member1{name: "x", text: "x", pax: map[string]string{"SCHILY.xattr.user.a": "b"}})
	if err := w.do(t, Options{Archive: a, Note: said.add}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(w.dir + "/x")
	if err != nil || !info.ModTime().Equal(time.Unix(1e9, 0)) {
		t.Errorf("time %v, %v", info.ModTime(), err)
	}
	if len(said) != 1 || !strings.Contains(said[0], "extended attributes") {
		t.Errorf("said %q", said)
	}
}

func TestCheck(t *testing.T) {
	good := tarOf(t, stream.Zstd, member1{name: "x", text: strings.Repeat("x", 5000)})
	all, err := io.ReadAll(good)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(tarOf(t, stream.Raw, member1{name: "x", text: strings.Repeat("x", 5000)}))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		o    Options
		want string // "" is no error
	}{
		{"nothing", Options{}, ""},
		{"good", Options{Grow: "last", Root: "2", Hostname: "n", AuthorizedKeys: []Key{{"", key(1)}}, NoCloud: &Seed{}, Archive: bytes.NewReader(all)}, ""},
		{"hostname", Options{Hostname: "a b"}, "hostname"},
		{"root", Options{Root: "sda1"}, "no number"},
		{"key", Options{AuthorizedKeys: []Key{{"", "x"}}}, "not one"},
		{"seed", Options{NoCloud: &Seed{MetaData: []byte("x")}}, "instance-id"},
		{"archive cut", Options{Archive: bytes.NewReader(all[:len(all)-3])}, "read archive"},
		{"archive damaged", Options{Archive: bytes.NewReader(append(bytes.Clone(all[:len(all)-1]), all[len(all)-1]^1))}, "read archive"},
		{"plain archive cut", Options{Archive: bytes.NewReader(plain[:3000])}, "read archive"},
		{"empty archive", Options{Archive: bytes.NewReader(nil)}, "archive"},
		{"no archive", Options{Archive: strings.NewReader(strings.Repeat("text ", 1000))}, "read archive"},
		{"several", Options{Hostname: "-", Root: "x"}, "no number"},
	} {
		err := tc.o.Check(context.Background(), nil)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
		if tc.o.Archive != nil {
			if at, err := tc.o.Archive.Seek(0, io.SeekCurrent); at != 0 || err != nil {
				t.Errorf("%s: archive is left at %d, %v", tc.name, at, err)
			}
		}
	}
}

// block is a header whose checksum is right, whatever else is in it.
func block(name, link string, kind byte, size uint32) []byte {
	b := make([]byte, 512)
	copy(b[:100], name)
	copy(b[100:], "0000644\x000000000\x000000000\x00")
	copy(b[124:], fmt.Sprintf("%011o\x0000000000000\x00        ", size))
	b[156] = kind
	copy(b[157:257], link)
	copy(b[257:], "ustar\x0000")
	sum := 0
	for _, c := range b {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

// Whatever is in an archive, the names that come out of it are below the root.
// Two headers are made of pieces, with something between and behind them.
func FuzzScan(f *testing.F) {
	f.Add("a/b", "", byte('0'), []byte("text"), "c", "a/b", byte('1'))
	f.Add("l", "/x", byte('2'), []byte(nil), "x/", "", byte('5'))
	f.Add("pax", "", byte('x'), []byte("30 SCHILY.xattr.user.a=bbbbbb\n"), "x", "", byte('0'))
	f.Add("pax", "", byte('x'), []byte("12 path=../x\n"), "x", "", byte('0'))
	f.Add("long", "", byte('L'), []byte("/a/../../b"), "x", "", byte('0'))
	f.Fuzz(func(t *testing.T, name, link string, kind byte, text []byte, name2, link2 string, kind2 byte) {
		b := append(block(name, link, kind, uint32(len(text))), text...)
		b = append(b, make([]byte, -len(text)&511)...)
		b = append(b, block(name2, link2, kind2, 0)...)
		s := summary{dirs: map[string]bool{}}
		if err := scan(bytes.NewReader(b), s.add); err == nil && s.bytes < 0 {
			t.Errorf("%d bytes", s.bytes)
		}
		for name := range s.dirs {
			if name != "" && !filepath.IsLocal(name) {
				t.Errorf("name %q", name)
			}
		}
	})
}
