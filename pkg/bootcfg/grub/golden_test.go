package grub

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/orbit-pxe/orbit/pkg/bootcfg"
)

var update = flag.Bool("update", false, "write golden files anew")

// testVolume is one directory standing for a filesystem.
type testVolume struct {
	name, uuid, label string
	fsys              fs.FS
}

type testVolumes []testVolume

func (vs testVolumes) Lookup(kind bootcfg.Kind, value string) (string, error) {
	for i, v := range vs {
		ok := false
		switch kind {
		case bootcfg.ByUUID:
			ok = strings.EqualFold(v.uuid, value)
		case bootcfg.ByLabel:
			ok = v.label == value
		case bootcfg.ByFile:
			_, err := fs.Stat(v.fsys, bootcfg.Clean(value))
			ok = err == nil
		case bootcfg.ByDevice:
			ok = value == v.name || strings.HasPrefix(value, "hd0,") && strings.HasSuffix(value, strings.TrimLeft(v.name, "svda")) || value == fmt.Sprintf("hd0,%d", i+1)
		}
		if ok {
			return v.name, nil
		}
	}
	return "", &bootcfg.NotFoundError{Kind: kind, Value: value}
}

func (vs testVolumes) Open(name string) (fs.FS, error) {
	for _, v := range vs {
		if v.name == name {
			return v.fsys, nil
		}
	}
	return nil, fmt.Errorf("no volume %q", name)
}

func (vs testVolumes) UUID(name string) string {
	for _, v := range vs {
		if v.name == name {
			return v.uuid
		}
	}
	return ""
}

// golden is a menu as it is written to want.json.
type golden struct {
	Default int
	Entries []goldenEntry
	Notes   []string `json:",omitempty"`
}

type goldenEntry struct {
	Title, ID, Kernel string
	Initrds           []string `json:",omitempty"`
	Cmdline, Version  string   `json:",omitempty"`
	Source            string
	Err               string `json:",omitempty"`
}

func toGolden(m bootcfg.Menu) golden {
	g := golden{Default: m.Default, Notes: m.Notes}
	for _, e := range m.Entries {
		ge := goldenEntry{Title: e.Title, ID: e.ID, Cmdline: e.Cmdline, Version: e.Version, Source: e.Source}
		if e.Kernel.Path != "" {
			ge.Kernel = e.Kernel.String()
		}
		for _, i := range e.Initrds {
			ge.Initrds = append(ge.Initrds, i.String())
		}
		if e.Err != nil {
			ge.Err = e.Err.Error()
		}
		g.Entries = append(g.Entries, ge)
	}
	return g
}

func TestGolden(t *testing.T) {
	for _, tc := range []struct{ dir, volume, config, platform string }{
		{"debian-12", "sda1", "boot/grub/grub.cfg", "pc"},
		{"ubuntu-24.04", "vda15", "EFI/ubuntu/grub.cfg", "efi"},
		{"fedora-41-efi", "vda1", "EFI/fedora/grub.cfg", "efi"},
		{"opensuse-btrfs", "sda2", "boot/grub2/grub.cfg", "efi"},
	} {
		t.Run(tc.dir, func(t *testing.T) {
			dir := filepath.Join("testdata", tc.dir)
			list, err := os.ReadFile(filepath.Join(dir, "volumes"))
			if err != nil {
				t.Fatal(err)
			}
			var vs testVolumes
			for line := range strings.Lines(string(list)) {
				f := strings.Fields(line)
				vs = append(vs, testVolume{f[0], f[1], f[2], os.DirFS(filepath.Join(dir, f[0]))})
			}
			fsys, _ := vs.Open(tc.volume)
			menu, err := Parse(context.Background(), fsys, tc.config, Env{Volumes: vs, Volume: tc.volume, Platform: tc.platform})
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.MarshalIndent(toGolden(menu), "", "\t")
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, "want.json")
			if *update {
				if err := os.WriteFile(file, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)+"\n"); diff != "" {
				t.Errorf("menu (-want +got):\n%s", diff)
			}
		})
	}
}
