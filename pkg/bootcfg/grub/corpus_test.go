package grub

import (
	"context"
	"encoding/json"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/orbit-pxe/orbit/pkg/bootcfg"
)

// corpusDir finds the configurations that u-root collected from real
// distributions, in the module cache.
func corpusDir(t testing.TB) string {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/u-root/u-root").Output()
	if err != nil {
		t.Skip("no go command or no u-root module to take the corpus from:", err)
	}
	dir := filepath.Join(strings.TrimSpace(string(out)), "pkg/boot/grub/testdata_new")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("u-root's module is not in the module cache:", err)
	}
	return dir
}

// corpusImage is what u-root's tests write down of one entry.
type corpusImage struct {
	Cmdline string
	Type    string `json:"image_type"`
	Kernel  corpusFile
	Initrd  corpusFile
}

type corpusFile struct{ URL, Name string }

func (f corpusFile) path() string {
	if f.URL != "" {
		u, err := url.Parse(f.URL)
		if err != nil {
			return f.URL
		}
		return strings.TrimPrefix(u.Path, "/testdata_new/")
	}
	return strings.TrimPrefix(f.Name, "testdata_new/")
}

// variables are what u-root's reader leaves unexpanded, and what they become.
var variables = regexp.MustCompile(`\$\{?\w+\}?|\bvt\.handoff=7\b`)

func normal1(s string) string {
	return strings.Join(strings.Fields(variables.ReplaceAllString(s, " ")), " ")
}

// TestCorpus compares the Linux entries of real configurations with what
// u-root's own reader makes of them, which people have checked.
func TestCorpus(t *testing.T) {
	dir := corpusDir(t)
	jsons, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(jsons) < 10 {
		t.Fatalf("corpus has %d expectations: %v", len(jsons), err)
	}
	var vs testVolumes
	for _, d := range mustReadDir(t, dir) {
		if d.IsDir() {
			fsys := os.DirFS(filepath.Join(dir, d.Name()))
			vs = append(vs, testVolume{d.Name(), oneLine(fsys, "UUID"), oneLine(fsys, "LABEL"), fsys})
		}
	}
	for _, j := range jsons {
		name := strings.TrimSuffix(filepath.Base(j), ".json")
		t.Run(name, func(t *testing.T) {
			fsys, err := vs.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]bool{}
			var images []corpusImage
			b, err := os.ReadFile(j)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(b, &images); err != nil {
				t.Fatal(err)
			}
			for _, i := range images {
				if i.Type == "linux" {
					want[i.Kernel.path()+" "+i.Initrd.path()+" "+normal1(i.Cmdline)] = true
				}
			}
			got := map[string]bool{}
			menu, err := Parse(context.Background(), fsys, findConfig(t, fsys), Env{Volumes: vs, Volume: name, Platform: "efi"})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range menu.Entries {
				if e.Err == nil && len(e.Initrds) > 0 {
					got[volumePath(e.Kernel)+" "+volumePath(e.Initrds[0])+" "+normal1(e.Cmdline)] = true
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Linux entries (-want +got):\n%s", diff)
			}
			if d := menu.Entries[menu.Default]; d.Err != nil && len(want) > 0 {
				t.Errorf("default entry %q: %v", d.Title, d.Err)
			}
		})
	}
}

func volumePath(f bootcfg.File) string { return path.Join(f.Volume, f.Path) }

func mustReadDir(t *testing.T, dir string) []fs.DirEntry {
	t.Helper()
	ds, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return ds
}

func oneLine(fsys fs.FS, name string) string {
	b, err := fs.ReadFile(fsys, name)
	if err != nil {
		return "none"
	}
	return strings.TrimSpace(string(b))
}

// findConfig takes the grub.cfg nearest to the root.
func findConfig(t *testing.T, fsys fs.FS) string {
	t.Helper()
	var found []string
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "grub.cfg" {
			found = append(found, p)
		}
		return err
	})
	if err != nil || len(found) == 0 {
		t.Fatalf("no grub.cfg: %v", err)
	}
	slices.SortFunc(found, func(a, b string) int { return strings.Count(a, "/") - strings.Count(b, "/") })
	return found[0]
}
