package device

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// tree makes a machine of lines "PATH = CONTENT" and "PATH -> TARGET" for
// symbolic links. A path that begins with + is one below the last that didn't.
func tree(t testing.TB, texts ...string) sysfs.Host {
	t.Helper()
	root := t.TempDir()
	base := ""
	for line := range strings.Lines(strings.Join(texts, "\n")) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, rest, isFile := strings.Cut(line+" ", " = ")
		rest = strings.TrimSuffix(rest, " ")
		target := ""
		if !isFile {
			name, target, _ = strings.Cut(line, " -> ")

		}
		if below, ok := strings.CutPrefix(name, "+"); ok {
			name = base + "/" + below
		} else if !isFile && target == "" {
			base = name
			continue
		}
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if isFile {
			rest = strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\e`, "\x1b", `\xff`, "\xff").Replace(rest)
			err = os.WriteFile(path, []byte(rest+"\n"), 0o644)
		} else {
			if rooted, ok := strings.CutPrefix(target, "/"); ok { // as sysfs, which has no absolute links
				target, err = filepath.Rel(filepath.Dir(name), "/"+rooted)
				if err != nil {
					t.Fatal(err)
				}
			}
			err = os.Symlink(target, path)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return sysfs.Host{Root: root}
}

func ptr[T any](v T) *T { return &v }
