package grub

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/orbit-pxe/orbit/pkg/bootcfg"
)

// parseFiles runs /grub.cfg of a filesystem made of files, called vol.
func parseFiles(files map[string]string) (bootcfg.Menu, error) {
	fsys := fstest.MapFS{}
	for name, content := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(content)}
	}
	vs := testVolumes{{"vol", "1234-ABCD", "boot", fsys}}
	return Parse(context.Background(), fsys, "grub.cfg", Env{Volumes: vs, Volume: "vol"})
}

// show is a menu with one entry that puts $out on its command line.
const show = "\nmenuentry x { linux /k $out }\n"

func TestLanguage(t *testing.T) {
	for _, tc := range []struct{ name, script, want string }{
		{"udev escape", `set out=LABEL=a\x20b`, `LABEL=a\x20b`},
		{"assignment", `set out=a`, "a"},
		{"bare assignment", `out=a`, "a"},
		{"single quotes", `set out='$x "a" \n'`, `$x \"a\" \\n`},
		{"double quotes", `x=1; set out="$x-${x}-\$x-\"-\n"`, `1-1-$x-\"-\\n`},
		{"escape", `set out=a\;b\ c`, `a;b c`},
		{"glued pieces", `x=1; set out=a"b"'c'$x\d`, "abc1d"},
		{"continued line", "set out=a\\\nb", "ab"},
		{"comment", "# set out=b\nset out=a # no\nset c=a#b; out=$c", "a#b"},
		{"dollar alone", `set out="5$ $"`, "5$ $"},
		{"splitting", `x="  a  b "; for i in $x; do out="$out<$i>"; done`, "<a><b>"},
		{"no splitting", `x="a  b"; for i in "$x"; do out="$out<$i>"; done`, "<a  b>"},
		{"splitting and gluing", `x="a b"; for i in 1${x}2; do out="$out<$i>"; done`, "<1a><b2>"},
		{"empty words", `for i in $nothing "" ''; do out="$out."; done`, ".."},
		{"if", `if [ a = a ]; then out=yes; else out=no; fi`, "yes"},
		{"elif", "if false\nthen out=1\nelif true; then\nout=2\nelse out=3; fi", "2"},
		{"else", `if false; then out=1; elif false; then out=2; else out=3; fi`, "3"},
		{"status of the last", `if true; false; then out=1; else out=2; fi`, "2"},
		{"negation", `if ! false; then out=1; fi`, "1"},
		{"status variable", `false; x=$?; true; out=$x$?`, "10"},
		{"while", `while [ "$out" != aaa ]; do out=a$out; done`, "aaa"},
		{"until", `until [ "$out" = aa ]; do out=a$out; done`, "aa"},
		{"break", `for i in 1 2 3; do if [ $i = 2 ]; then break; fi; out=$out$i; done`, "1"},
		{"continue outer", `for i in 1 2; do for j in a b; do if [ $j = b ]; then continue 2; fi; out=$out$i$j; done; out=$out-; done`, "1a2a"},
		{"function", `function f { out="$1:$2:$#:$*"; return 3; out=never; }; f a 'b c'; out="$out:$?"`, "a:b c:2:a b c:3"},
		{"shift", `function f { shift; out=$1; }; f a b`, "b"},
		{"all arguments quoted", `function f { for i in "$@"; do out="$out<$i>"; done; }; f a 'b c'`, "<a><b c>"},
		{"eval", `x='out=a'; eval "$x"`, "a"},
		{"unset", `out=a; unset out`, ""},
		{"root loses parentheses", `set root=(hd0,1); out=$root`, "hd0,1"},
		{"keywords as arguments", `for i in if then fi; do out=$out$i; done`, "ifthenfi"},
		{"translation", `set out=$"hello"`, "hello"},
		{"hex escape stays", `set out='LABEL=a\x20b'`, `LABEL=a\x20b`},
		{"unknown command fails", `if frobnicate; then out=1; else out=2; fi`, "2"},
		{"increment", `n=1; increment n; increment n; decrement m; out=$n$m`, "3-1"},
		{"probe", `probe --set u --fs-uuid $root; out=$u`, "1234-ABCD"},
		{"search by uuid", `search --no-floppy --fs-uuid --set=out --hint-bios=hd0,1 1234-abcd`, "vol"},
		{"search old style", `search.fs_label boot out hd0,gpt1`, "vol"},
		{"search by file", `search -f -s /grub.cfg; search --file --set=out /grub.cfg`, "vol"},
		{"search in vain", `out=a; search --label --set=out nowhere`, "a"},
		{"search status", `if search --label nowhere; then out=1; else out=2; fi`, "2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			menu, err := parseFiles(map[string]string{"grub.cfg": tc.script + "\nmenuentry x { linux /k \"$out\" }\n"})
			if err != nil {
				t.Fatal(err)
			}
			got := menu.Entries[0].Cmdline
			if strings.Contains(tc.want, " ") {
				tc.want = `"` + tc.want + `"`
			}
			if got != tc.want {
				t.Errorf("out = %s, want %s (notes %q)", got, tc.want, menu.Notes)
			}
		})
	}
}

func TestTest(t *testing.T) {
	for expr, want := range map[string]bool{
		`a`: true, `""`: false, ``: false, `-n a`: true, `-n ""`: false, `-z ""`: true,
		`a == a`: true, `a != a`: false, `a < b`: true, `10 -gt 9`: true, `10 -le 9`: false, `x -eq 0`: true, `3 -pgt 2`: true,
		`! a`: false, `! ! a`: true, `a = b -o c = c`: true, `a = a -a b = c`: false,
		`( a = b -o c = c ) -a x`: true, `( a = b`: false, `-f /grub.cfg`: true, `-f /none`: false, `-d /dir`: true,
		`-f /dir`: false, `-e /dir/f`: true, `-s /dir/f`: false, `-s /grub.cfg`: true, `-f (vol)/grub.cfg`: true,
		`-f (hd9)/grub.cfg`: false, `"" = ""`: true, `! = !`: true, `-z "" -a -n a`: true, `-f (vol/grub.cfg`: false,
	} {
		menu, err := parseFiles(map[string]string{"dir/f": "", "grub.cfg": "if [ " + expr + " ]; then out=yes; else out=no; fi" + show})
		if err != nil {
			t.Fatalf("[ %s ]: %v", expr, err)
		}
		if got := menu.Entries[0].Cmdline == "yes"; got != want {
			t.Errorf("[ %s ] = %v, want %v (notes %q)", expr, got, want, menu.Notes)
		}
	}
}

func TestDefault(t *testing.T) {
	const menu = `
menuentry A --id a { linux /a }
submenu S --id s {
	menuentry 'B>C' --id bc { linux /bc }
	submenu T { menuentry D { linux /d } ; menuentry E --id=e { linux /e } }
}
menuentry '12' { linux /twelve }
`
	for spec, want := range map[string]string{
		"": "a", "0": "a", "A": "a", "a": "a", "2": "twelve", "1": "bc", "S": "bc", "1>0": "bc", "s>bc": "bc", "S>B>>C": "bc",
		"1>1": "d", "1>1>1": "e", "S>T>e": "e", "7": "a", "nothing": "a", "1>nothing": "bc", "1>7>7": "bc",
	} {
		m, err := parseFiles(map[string]string{"grub.cfg": "set default='" + spec + "'" + menu})
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Entries[m.Default].Kernel.Path; got != want {
			t.Errorf("default %q starts %q, want %q", spec, got, want)
		}
	}
}

func TestFiles(t *testing.T) {
	env := envHeader + "saved_entry=b\nother=x\\\\y\\\nz\n" + strings.Repeat("#", 900)
	for _, tc := range []struct {
		name  string
		files map[string]string
		want  string // kernel and command line of the default
	}{
		{"grubenv", map[string]string{"grub.cfg": "load_env\nset default=$saved_entry\nmenuentry a {linux /a}\nmenuentry b {linux /b \"$other\"}", "grubenv": env}, "b x\\\\y\nz"},
		{"grubenv by name", map[string]string{"grub.cfg": "load_env -f /d/env saved_entry\nset default=$saved_entry$other\nmenuentry a {linux /a}\nmenuentry b {linux /b}", "d/env": env}, "b"},
		{"broken grubenv", map[string]string{"grub.cfg": "load_env\nmenuentry a {linux /a}", "grubenv": "rubbish"}, "a"},
		{"source", map[string]string{"grub.cfg": "x=1\nsource /more.cfg\nmenuentry a {linux /a}", "more.cfg": "menuentry m {linux /m $x}"}, "m 1"},
		{"source nowhere", map[string]string{"grub.cfg": "source /none.cfg\nmenuentry a {linux /a}"}, "a"},
		{"configfile", map[string]string{"grub.cfg": "x=1\ny=2\nexport y\nconfigfile $prefix/sub/grub.cfg\nmenuentry a {linux /a}", "sub/grub.cfg": "menuentry m {linux /m $x$y}"}, "m 2"},
		{"configfile nowhere", map[string]string{"grub.cfg": "configfile /none\nmenuentry a {linux /a}"}, "a"},
		{"configfile without entries", map[string]string{"grub.cfg": "configfile /e\nmenuentry a {linux /a}", "e": "set x=1"}, "a"},
		{"normal", map[string]string{"grub.cfg": "set prefix=(vol)/boot\nnormal", "boot/grub.cfg": "menuentry m {linux /m}"}, "m"},
		{"entry leads on", map[string]string{"grub.cfg": "menuentry a {configfile /b}", "b": "default=1\nmenuentry x {linux /x}\nmenuentry y {linux /y}"}, "y"},
		{"no menu", map[string]string{"grub.cfg": "linux /vmlinuz root=/dev/sda1\ninitrd /i\nboot"}, "vmlinuz root=/dev/sda1"},
		{"old root", map[string]string{"grub.cfg": "menuentry a {linux /a root=0x0301 ro}"}, "a root=0x0301 ro"},
		{"blscfg in boot", map[string]string{"grub.cfg": "v=7\ndefault_kernelopts='root=/dev/x $v'\nblscfg", "boot/loader/entries/a-1.conf": "linux /boot/k\ninitrd /boot/i\n"}, "boot/k root=/dev/x 7"},
		{"blsdir", map[string]string{"grub.cfg": "set blsdir=/b\nset o='a b'\nblscfg", "b/a-1.conf": "linux /1\noptions $o x\n", "b/a-2.conf": "linux /2\noptions $o y$5\noptions z"}, "2 a b y z"},
		{"carriage returns", map[string]string{"grub.cfg": "set x=1\r\nmenuentry a {\r\n linux /a $x\r\n}\r\n"}, "a 1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, err := parseFiles(tc.files)
			if err != nil {
				t.Fatal(err)
			}
			e := m.Entries[m.Default]
			if got := strings.TrimSpace(e.Kernel.Path + " " + e.Cmdline); got != tc.want || e.Err != nil {
				t.Errorf("default starts %q (%v), want %q; notes %q", got, e.Err, tc.want, m.Notes)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	deep := strings.Repeat("if true; then\n", 100) + strings.Repeat("fi\n", 100)
	for _, tc := range []struct{ name, script, want string }{
		{"no fi", "x=1\nif true; then\nx=2\n", "line 2: if without fi"},
		{"no then", "if true\nfi", "line 1: if without then"},
		{"no brace", "menuentry a {\nlinux /a\n", "line 1: command has a brace without end"},
		{"stray brace", "x=1\n}\n", "line 2: closing brace"},
		{"stray fi", "fi", "fi without a beginning"},
		{"quote", "set a=1\nset x='abc\n", "line 2: single quote"},
		{"double quote", "set x=\"abc\n", "line 1: double quote"},
		{"binary", "set a=\x00\x01", "not a text file"},
		{"nothing", "# nothing here\n", "no boot entries"},
		{"nested", deep, "nested too deeply"},
		{"endless loop", "while true; do true; done", "without end"},
		{"recursion", "function f { f; }\nf", "without end"},
		{"sources itself", "source /grub.cfg", "without end"},
		{"loads itself", "configfile /grub.cfg", "without end"},
		{"doubling", "x=aaaaaaaaaaaaaaaa\nwhile true; do x=$x$x; done", "without end"},
		{"entries", "while true; do menuentry a { true; }; done", "without end"},
		{"eval", "x='eval $x'\neval $x", "without end"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			start := time.Now()
			_, err := parseFiles(map[string]string{"grub.cfg": tc.script})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
			if d := time.Since(start); d > 5*time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
	if _, err := parseFiles(map[string]string{"grub.cfg": "#"}); !errors.Is(err, bootcfg.ErrNoEntries) {
		t.Errorf("error %v, want ErrNoEntries", err)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	fsys := fstest.MapFS{"grub.cfg": {Data: []byte("menuentry a {linux /a}")}}
	_, err := Parse(ctx, fsys, "grub.cfg", Env{Volumes: testVolumes{}, Volume: "vol"})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

func TestDecodeEnv(t *testing.T) {
	got, err := DecodeEnv([]byte(envHeader + "# a comment\na=1\nb=x\\\\y\\\nz=\nempty=\nrubbish\nc=3\n####"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"a": "1", "b": "x\\y\nz=", "empty": "", "c": "3"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("variables (-want +got):\n%s", diff)
	}
}

func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/*/*/*/grub.cfg", "testdata/*/*/*/*/grub.cfg"} {
		files, _ := filepath.Glob(pattern)
		for _, name := range files {
			b, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(b))
		}
	}
	f.Add("for i in a b; do menuentry \"$i\" --id=$i { linux /$i \"$@\" ; initrd /x }; done; submenu s { source /grub.cfg }")
	f.Add("function f { while [ ( a -o ! b ) ]; do break 2; done }; f; eval $x; blscfg; load_env; search -l x --set")
	f.Fuzz(func(t *testing.T, script string) {
		m, err := parseFiles(map[string]string{"grub.cfg": script, "grubenv": envHeader + script, "loader/entries/a.conf": script})
		if err != nil {
			return
		}
		if m.Default < 0 || m.Default >= len(m.Entries) {
			t.Fatalf("default %d of %d entries", m.Default, len(m.Entries))
		}
		for _, e := range m.Entries {
			if e.Err == nil && (e.Kernel.Path == "" || strings.HasPrefix(e.Kernel.Path, "/") || strings.HasPrefix(e.Kernel.Path, "..")) {
				t.Fatalf("entry %+v", e)
			}
		}
	})
}
