package ext_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/ext"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

// crash gives a copy of a mounted filesystem's file, as a machine that lost its
// power would leave it.
func crash(t testing.TB, path string) string {
	t.Helper()
	in, size := maptest.Open(t, path)
	to := maptest.File(t, size)
	out, err := os.OpenFile(to, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	return to
}

// flush writes all files below dir to the disk, one by one.
func flush(t testing.TB, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		return f.Sync()
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestMapOfACrash compares what replay makes of a crashed filesystem and of
// what the map keeps of it.
func TestMapOfACrash(t *testing.T) {
	if testing.Short() {
		t.Skip("ages and mounts filesystems")
	}
	for i, v := range []struct {
		name, args, kind, options string
		rounds                    int
	}{
		{"ext3", "-t ext3 -b 1024", "ext3", "commit=900", 1},
		{"ext4", "-t ext4", "ext4", "commit=900", 1},
		{"ext4 with 1k blocks", "-t ext4 -b 1024", "ext4", "commit=900", 1},
		{"small journal", "-t ext4 -b 1024 -J size=1", "ext4", "commit=900", 4},
		{"32 bits", "-t ext4 -b 1024 -O ^64bit", "ext4", "commit=900", 1},
		{"uninit_bg", "-t ext4 -b 1024 -O ^metadata_csum,uninit_bg", "ext4", "commit=900", 1},
		{"bigalloc", "-t ext4 -b 1024 -C 8192 -O bigalloc", "ext4", "commit=900", 1},
		{"meta_bg", "-t ext4 -b 1024 -O meta_bg,^resize_inode,^flex_bg", "ext4", "commit=900", 1},
		{"all data in the journal", "-t ext4 -b 1024 -J size=8", "ext4", "data=journal", 1},
		{"asynchronous commit", "-t ext4 -b 1024", "ext4", "journal_async_commit,data=writeback", 1},
	} {
		t.Run(v.name, func(t *testing.T) {
			path := mkfs(t, 96, v.args)
			dir, unmount := maptest.Mount(t, path, v.kind, v.options)
			for round := range v.rounds {
				maptest.Age(t, filepath.Join(dir, fmt.Sprint(round)), uint64(100+i*5+round), 30)
				flush(t, dir)
				want := maptest.Tree(t, dir)
				copied := crash(t, path)
				m := mapOf(t, copied)
				if !m.Unclean || len(m.Notes) == 0 || strings.Contains(m.Notes[0], "changes 0 ") {
					t.Fatalf("the journal holds nothing: %v", m.Notes)
				}
				kept := maptest.Keep(t, copied, m)
				repair(t, kept)
				got := dumpTree(t, kept)
				if diff := cmp.Diff(shallow(want), shallow(got)); diff != "" {
					t.Errorf("what is kept differs (-want +got):\n%s", diff)
				}
				repair(t, copied)
				if lost := dumped(t, copied).Subtract(m.Used); !lost.Empty() {
					t.Errorf("after replay %d bytes more are used, the first: %v", lost.Len(), lost.Ranges()[0])
				}
			}
			unmount()
		})
	}
}

// shallow leaves out what debugfs does not give back, owners of links, and what
// e2fsck may find.
func shallow(tree map[string]string) map[string]string {
	out := map[string]string{}
	for name, text := range tree {
		if name != "." && name != "lost+found" && !strings.HasPrefix(text, "L") {
			out[name] = text
		}
	}
	return out
}

// repair replays the journal, and fails the test where more is wrong.
func repair(t testing.TB, path string) {
	t.Helper()
	maptest.Tool(t, "e2fsck", "-p", path)
	fsck(t, path)
}

// TestMapFindsBitmapsInTheJournal lets debugfs write a bitmap into journals of
// all formats.
func TestMapFindsBitmapsInTheJournal(t *testing.T) {
	const bitmap = "-O ^resize_inode,^flex_bg -b 1024"
	for _, v := range []struct{ name, mkfs, open string }{
		{"no checksums", "-t ext3", "jo"},
		{"64 bits", "-t ext4 -O 64bit,^metadata_csum", "jo"},
		{"checksums of version 2", "-t ext4 -O ^64bit", "jo -c -v 2"},
		{"checksums of version 3", "-t ext4 -O ^64bit", "jo -c -v 3"},
		{"checksums of version 3 and 64 bits", "-t ext4 -O 64bit", "jo -c -v 3"},
	} {
		t.Run(v.name, func(t *testing.T) {
			path := mkfs(t, 16, v.mkfs+" "+bitmap)
			before := mapOf(t, path)
			f, size := maptest.Open(t, path)
			volume, err := ext.Open(f, size)
			if err != nil {
				t.Fatal(err)
			}
			g := volume.Group(1)
			b := make([]byte, 2048) // a block of something else before it
			if _, err := f.ReadAt(b[1024:], int64(g.BlockBitmap)*1024); err != nil {
				t.Fatal(err)
			}
			b[2000] |= 0x70
			at := (int64(volume.First(1)) + (2000-1024)*8 + 4) * 1024
			content := filepath.Join(t.TempDir(), "blocks")
			if err := os.WriteFile(content, b, 0o600); err != nil {
				t.Fatal(err)
			}
			script := filepath.Join(t.TempDir(), "script")
			commands := fmt.Sprintf("%s\njw -b 5000,%d %s\njc\n", v.open, g.BlockBitmap, content)
			if err := os.WriteFile(script, []byte(commands), 0o600); err != nil {
				t.Fatal(err)
			}
			out := maptest.Tool(t, "debugfs", "-w", "-f", script, path)
			m := mapOf(t, path)
			want := before.Used.Clone()
			want.Add(extent.Range{Off: at, End: at + 3*1024})
			if !m.Unclean || !m.Used.Equal(want) {
				t.Errorf("unclean %v, more: %v, less: %v; debugfs: %s", m.Unclean, m.Used.Subtract(want).Ranges(), want.Subtract(m.Used).Ranges(), out)
			}
		})
	}
}

func TestMapRefusesJournals(t *testing.T) {
	for _, v := range []struct{ name, mkfs, commands, reason string }{
		{"fast commits", "-t ext4 -O fast_commit", "feature needs_recovery", "fast commits"},
		{"an external journal", "-t ext4 -O ^has_journal", "feature has_journal needs_recovery", "not on this volume"},
		{"no journal inode", "-t ext4", "feature needs_recovery\nssv journal_inum 9999999", "inode 9999999"},
		{"a directory for a journal", "-t ext4", "feature needs_recovery\nssv journal_inum 2", "not a journal"},
		{"a bad journal inode", "-t ext4 -O ^metadata_csum", "feature needs_recovery\nsif <8> block[0] 0", "extent header"},
		{"a bad checksum", "-t ext4", "feature needs_recovery\nsif <8> checksum 77", "wrong checksum"},
	} {
		t.Run(v.name, func(t *testing.T) {
			path := mkfs(t, 16, v.mkfs)
			script := filepath.Join(t.TempDir(), "script")
			if err := os.WriteFile(script, []byte(v.commands+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			out := maptest.Tool(t, "debugfs", "-w", "-f", script, path)
			f, size := maptest.Open(t, path)
			m, err := ext.Map(f, size)
			if unsafe, ok := err.(*fsmap.UnsafeError); !ok || !strings.Contains(unsafe.Reason, v.reason) {
				t.Errorf("got %v, %v; want an UnsafeError with %q; debugfs: %s", m, err, v.reason, out)
			}
		})
	}
}
