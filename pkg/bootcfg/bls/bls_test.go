package bls

import (
	stdcmp "cmp"
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/orbit-pxe/orbit/pkg/bootcfg"
)

func files(m map[string]string) fs.FS {
	fsys := fstest.MapFS{}
	for name, content := range m {
		fsys[name] = &fstest.MapFile{Data: []byte(content)}
	}
	return fsys
}

// TestDecode reads an entry of the specification, with what real files add.
func TestDecode(t *testing.T) {
	got, err := Decode("6a9857a3-5.4+2-1.conf", []byte(`# a comment
title        Fedora 19 (Rawhide)
sort-key     fedora
machine-id   6a9857a393724b7a981ebb5b8495b9ea
version      3.8.0-2.fc19.x86_64
options      root=UUID=6d3376e4 quiet
options	systemd.log_level=debug  x
architecture X64
linux        /6a98/3.8.0/linux
initrd       /6a98/3.8.0/ucode
initrd       /6a98/3.8.0/initrd /extra
unknown-key  whatever
`))
	want := Entry{
		File: "6a9857a3-5.4+2-1.conf", ID: "6a9857a3-5.4", Title: "Fedora 19 (Rawhide)", Version: "3.8.0-2.fc19.x86_64",
		MachineID: "6a9857a393724b7a981ebb5b8495b9ea", SortKey: "fedora", Architecture: "x64", Linux: "/6a98/3.8.0/linux",
		Initrds: []string{"/6a98/3.8.0/ucode", "/6a98/3.8.0/initrd", "/extra"}, Options: "root=UUID=6d3376e4 quiet systemd.log_level=debug  x",
		Counted: true, Left: 2,
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("entry (-want +got, %v):\n%s", err, diff)
	}
	if _, err := Decode("x.conf", []byte("title nothing\n")); err == nil {
		t.Error("an entry that starts nothing gave no error")
	}
}

func TestSplitName(t *testing.T) {
	for _, tc := range []struct {
		file, id string
		counted  bool
		left     int
	}{
		{"a.conf", "a", false, 0},
		{"a+3.conf", "a", true, 3},
		{"a+0-3.conf", "a", true, 0},
		{"a-6.1+deb12.conf", "a-6.1+deb12", false, 0},
		{"a+1-x.conf", "a+1-x", false, 0},
		{"a+b+2.conf", "a+b", true, 2},
		{"a+-1.conf", "a+-1", false, 0},
	} {
		id, counted, left := splitName(tc.file)
		if id != tc.id || counted != tc.counted || left != tc.left {
			t.Errorf("splitName(%q) = %q, %v, %d", tc.file, id, counted, left)
		}
	}
}

// TestCompareVersions holds the examples of the UAPI Version Format
// Specification, the older one first.
func TestCompareVersions(t *testing.T) {
	for _, pair := range []string{
		"11 12", "11α 12α", "0_ 1", "122.1 123", "122.1 123-1", "123~rc1-1 123", "123-3 123.1-1", "123^ 123.1", "123^post1 123.1-1",
		"122.1 123~rc1-1", "123~rc1-1 123-a", "123 123-a", "123-a 123-a.1", "123-a.1 123-1", "123-1 123-1.1", "123-1.1 123^post1",
		"123.a-1 123.1-1", "123.1-1 123a-1", "123a-1 124-1", "6.9.0 6.10.0", "6.1.0-9-amd64 6.1.0-28-amd64",
		"debian-6.1.0~bpo1 debian-6.1.0",
	} {
		older, newer, _ := strings.Cut(pair, " ")
		if CompareVersions(older, newer) >= 0 || CompareVersions(newer, older) <= 0 {
			t.Errorf("%s is not older than %s (%d, %d)", older, newer, CompareVersions(older, newer), CompareVersions(newer, older))
		}
	}
	for _, pair := range []string{"1 1", "001 1", "1_2 1α2", "~ ~"} {
		a, b, _ := strings.Cut(pair, " ")
		if CompareVersions(a, b) != 0 {
			t.Errorf("%s and %s differ", a, b)
		}
	}
}

func FuzzCompareVersions(f *testing.F) {
	f.Add("123~rc1-1", "123^post1")
	f.Fuzz(func(t *testing.T, a, b string) {
		if stdcmp.Compare(CompareVersions(a, b), 0) != -stdcmp.Compare(CompareVersions(b, a), 0) {
			t.Fatalf("%q and %q: %d and %d", a, b, CompareVersions(a, b), CompareVersions(b, a))
		}
		if CompareVersions(a, a) != 0 {
			t.Fatalf("%q differs from itself", a)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add("a+1-2.conf", []byte("linux /x\ninitrd /y\noptions a\n"))
	f.Fuzz(func(t *testing.T, name string, b []byte) {
		if e, err := Decode(name, b); err == nil && e.Linux == "" && e.EFI == "" && e.UKI == "" {
			t.Fatalf("entry without anything to start: %+v", e)
		}
	})
}

func TestMenu(t *testing.T) {
	entries := map[string]string{
		"loader/entries/debian-6.1.0-9.conf":      "title Nine\nlinux /9/linux\ninitrd /9/initrd\n",
		"loader/entries/debian-6.1.0-28.conf":     "title TwentyEight\nlinux /28/linux\n",
		"loader/entries/debian-6.1.0-30+0-3.conf": "title Broken\nlinux /30/linux\n",
		"loader/entries/zz-arm.conf":              "linux /arm\narchitecture aa64\n",
		"loader/entries/windows.conf":             "title Windows\nefi /EFI/Microsoft/Boot/bootmgfw.efi\nsort-key 0\n",
		"loader/entries/readme.txt":               "not an entry",
		"loader/entries/bad.conf":                 "title only",
	}
	for _, tc := range []struct {
		name, loader, want string
	}{
		{"no loader.conf", "", "Windows"},
		{"by name", "default debian-6.1.0-9.conf", "Nine"},
		{"by name without suffix", "timeout 3\ndefault debian-6.1.0-9", "Nine"},
		{"glob takes the newest good one", "default debian-*", "TwentyEight"},
		{"ignores case", "default DEBIAN-*-9*", "Nine"},
		{"preferred", "default debian-*\npreferred windows*", "Windows"},
		{"nothing fits", "default arch-*", "Windows"},
		{"counter is no part of the name", "default debian-6.1.0-30", "Broken"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := map[string]string{}
			for k, v := range entries {
				m[k] = v
			}
			if tc.loader != "" {
				m["loader/loader.conf"] = tc.loader
			}
			menu, err := Parse(context.Background(), files(m), "esp")
			if err != nil {
				t.Fatal(err)
			}
			var titles []string
			for _, e := range menu.Entries {
				titles = append(titles, e.Title)
			}
			if diff := cmp.Diff([]string{"Windows", "TwentyEight", "Nine", "Broken"}, titles); diff != "" {
				t.Errorf("menu (-want +got):\n%s", diff)
			}
			d := menu.Entries[menu.Default]
			if d.Title != tc.want || (d.Err != nil) != (tc.want == "Windows") {
				t.Errorf("default %q (%v), want %q", d.Title, d.Err, tc.want)
			}
			if len(menu.Notes) < 2 {
				t.Errorf("notes %q say nothing of the entries passed over", menu.Notes)
			}
		})
	}
	if _, err := Parse(context.Background(), files(map[string]string{"loader/entries/x": ""}), "esp"); !errors.Is(err, bootcfg.ErrNoEntries) {
		t.Errorf("error %v, want ErrNoEntries", err)
	}
	if _, err := Parse(context.Background(), files(nil), "esp"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want ErrNotExist", err)
	}
}
