package imaging

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/ndz"
	"github.com/orbit-pxe/orbit/pkg/ndz/ndztest"
)

// goldens is where images are that the real tools wrote.
const goldens = "../../../shared/testdata/ndz"

// golden is what the manifest tells of an image.
type golden struct {
	File string `json:"file"`
	Zero struct {
		Size   int64  `json:"size"`
		SHA256 string `json:"sha256"`
	} `json:"zero_filled"`
	Relocated *struct {
		Start   int    `json:"target_start"`
		Sectors int    `json:"target_sectors"`
		SHA256  string `json:"sha256"`
	} `json:"relocated"`
	Key    string `json:"key_file"`
	Cipher string `json:"encryption_key_file"`
	Delta  bool   `json:"is_delta"`
}

func (g golden) name() string             { return strings.TrimSuffix(g.File, ".gz") }
func (g golden) sealed() bool             { return g.Key != "" || g.Cipher != "" }
func (g golden) read(t testing.TB) []byte { return ndztest.Golden(t, filepath.Join(goldens, g.File)) }

func readGoldens(t testing.TB) []golden {
	t.Helper()
	var m struct {
		Images []golden `json:"images"`
	}
	if err := json.Unmarshal(ndztest.Golden(t, filepath.Join(goldens, "manifest.json")), &m); err != nil {
		t.Fatal(err)
	}
	if len(m.Images) == 0 {
		t.Fatal("no images in the manifest")
	}
	return m.Images
}

// serve serves files under any name, with parts or without, by HTTP.
func serve(t testing.TB, file []byte, parts bool) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !parts {
			r.Header.Del("Range")
			w.Write(file)
			return
		}
		w.Header().Set("ETag", `"one"`)
		http.ServeContent(w, r, "", time.Unix(1e9, 0), bytes.NewReader(file))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// allWays are the ways that an image can come.
var allWays = []string{"file", "pipe", "parts", "whole", "digest", "gzip"}

// from gives the options for an image that comes in a certain way.
func from(t testing.TB, way, name string, file []byte) WriteOptions {
	t.Helper()
	switch way {
	case "file":
		return WriteOptions{Source: store(t, name, file)}
	case "pipe":
		return WriteOptions{Source: "-", Stdin: struct{ io.Reader }{bytes.NewReader(file)}}
	case "parts":
		return WriteOptions{Source: serve(t, file, true) + "/" + name}
	case "whole":
		return WriteOptions{Source: serve(t, file, false) + "/" + name}
	case "digest":
		return WriteOptions{Source: store(t, name, file), SHA256: sum(file)}
	}
	return WriteOptions{Source: store(t, name+".gz", compress(t, "gzip", file))}
}

// What the real tools have written is written to a file as they would.
func TestGoldenChunks(t *testing.T) {
	for _, g := range readGoldens(t) {
		t.Run(g.name(), func(t *testing.T) {
			t.Parallel()
			file := g.read(t)
			for i, way := range allWays {
				if i >= 4 && len(file) > ndz.ChunkSize || i >= 2 && g.Zero.Size > 32*mib {
					continue // others are enough of these
				}
				o := from(t, way, g.name(), file)
				o.Disk, o.Verify = filepath.Join(t.TempDir(), "disk"), VerifyDisk
				r, err := write1(t, o)
				if g.sealed() {
					var refused *RefusedError
					if !errors.As(err, &refused) || !errors.Is(err, ndz.ErrSeal) {
						t.Errorf("%s: %v, want it refused for want of a key", way, err)
					}
					continue
				}
				if err != nil {
					t.Errorf("%s: %v", way, err)
					continue
				}
				if got := sum(bytesOf(t, o.Disk)); got != g.Zero.SHA256 || r.Bytes != g.Zero.Size {
					t.Errorf("%s: %d bytes, %s, want %d, %s", way, r.Bytes, got, g.Zero.Size, g.Zero.SHA256)
				}
			}
		})
	}
}

// An image of a partition with addresses in it, a disklabel or LILO's, is fitted
// to the partition that it is written to.
func TestGoldenChunksRelocated(t *testing.T) {
	n := 0
	for _, g := range readGoldens(t) {
		if g.Relocated == nil || g.sealed() {
			continue
		}
		at := g.Relocated
		dev := loop(t, (at.Start+at.Sectors+2048)*ndz.Sector, 512)
		script := fmt.Sprintf(`printf 'label: dos\nstart=2048,size=%d\nstart=%d,size=%d\n' | sfdisk -q --wipe always %s`, at.Start-2048, at.Start, at.Sectors, dev)
		for _, way := range []string{"parts", "pipe"} {
			copyTo(t, dev, 0, store(t, "zeros", make([]byte, (at.Start+at.Sectors)*ndz.Sector)))
			tool(t, "sh", "-c", script)
			tool(t, "partx", "-u", dev)
			o := from(t, way, g.name(), g.read(t))
			o.Disk, o.Verify = dev+"p2", VerifyDisk
			if _, err := write1(t, o); err != nil {
				t.Fatalf("%s: %v", g.File, err)
			}
			if got := sum(bytesOf(t, o.Disk)); got != at.SHA256 {
				t.Errorf("%s, %s: the partition is %s, want %s", g.File, way, got, at.SHA256)
			}
			n++
		}
	}
	if n == 0 {
		t.Error("no image has addresses")
	}
}
