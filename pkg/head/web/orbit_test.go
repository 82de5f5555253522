package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/head/images"
	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/imaging"
	"github.com/orbit-pxe/orbit/pkg/stream"
)

// orbitHead serves a site whose store knows Orbit images. It counts the bytes that
// are sent to it.
func orbitHead(t *testing.T, dir string) (url string, received *atomic.Int64) {
	t.Helper()
	s, server := head(t, dir)
	var err error
	if s.Images, err = images.OpenOrbit(filepath.Join(dir, "images"), images.Options{}); err != nil {
		t.Fatal(err)
	}
	received = new(atomic.Int64)
	inner := server.Config.Handler
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = counted{r.Body, received}
		inner.ServeHTTP(w, r)
	})
	return server.URL, received
}

type counted struct {
	io.ReadCloser
	n *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// disk makes a disk of random bytes.
func disk(t *testing.T, size int) (path string, content []byte) {
	t.Helper()
	content = make([]byte, size)
	rand.NewChaCha8([32]byte{1}).Read(content)
	path = filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path, content
}

func stored(t *testing.T, dir, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "images", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func decoded(t *testing.T, data []byte) []byte {
	t.Helper()
	r, err := stream.NewReader(bytes.NewReader(data), stream.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestSaveDifference saves a disk to the head, changes some of it, and saves it
// again as the difference to the first image.
func TestSaveDifference(t *testing.T) {
	dir := t.TempDir()
	url, received := orbitHead(t, dir)
	path, content := disk(t, 24<<20+512)
	save := func(name, parent string) *imaging.Receipt {
		t.Helper()
		received.Store(0)
		o := imaging.SaveOptions{Disk: path, Dest: url + "/images/" + name, Patience: 10 * time.Second}
		if parent != "" {
			o.Parent = url + "/images/" + parent
		}
		r, err := imaging.Save(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		_, _, h := call(t, http.MethodHead, url+"/images/"+name, "")
		if r.Root == "" || h.Get(imaging.RootHeader) != r.Root {
			t.Errorf("the head says that the root of %s is %q, savenode says %q", name, h.Get(imaging.RootHeader), r.Root)
		}
		if !bytes.Equal(decoded(t, stored(t, dir, name)), content) {
			t.Fatalf("%s is not the disk", name)
		}
		return r
	}
	base := save("base.img.zst", "")
	whole := received.Load()

	copy(content[5<<20:], "changed")
	copy(content[24<<20:], "at the end")
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	save("next.img.zst", "base.img.zst")
	if n := received.Load(); n > 4<<20 || n >= whole/4 {
		t.Errorf("%d bytes were sent of an image of %d, two spans of 25 being new", n, whole)
	}
	data := stored(t, dir, "next.img.zst")
	file, err := image.Open(bytes.NewReader(data), int64(len(data)))
	if err != nil || file.Partial() || file.Meta.Parent == nil || file.Meta.Parent.String() != base.Root {
		t.Errorf("parent %v, want %s; %v", file.Meta.Parent, base.Root, err)
	}
	if err := image.Check(t.Context(), file, nil); err != nil {
		t.Error(err)
	}

	// The image that was put together can be a parent, also of what replaces it.
	copy(content[9<<20:], "again")
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	save("next.img.zst", "next.img.zst")
	if n := received.Load(); n > 3<<20 {
		t.Errorf("%d bytes were sent, one span being new", n)
	}
}

// TestDamagedUpload refuses what is no sound image and keeps what was there.
func TestDamagedUpload(t *testing.T) {
	dir := t.TempDir()
	url, _ := orbitHead(t, dir)
	path, _ := disk(t, 3<<20)
	if _, err := imaging.Save(t.Context(), imaging.SaveOptions{Disk: path, Dest: url + "/images/a.img.zst"}); err != nil {
		t.Fatal(err)
	}
	good := stored(t, dir, "a.img.zst")
	bad := bytes.Clone(good)
	bad[len(bad)/2] ^= 1
	for name, body := range map[string][]byte{"a bit": bad, "cut": good[:len(good)/2]} {
		status, text, _ := call(t, http.MethodPut, url+"/images/a.img.zst", string(body))
		if status != http.StatusUnprocessableEntity || !strings.Contains(text, "image a.img.zst is refused") {
			t.Errorf("%s: %d %s", name, status, text)
		}
		if !bytes.Equal(stored(t, dir, "a.img.zst"), good) {
			t.Fatalf("%s: the image that was there has changed", name)
		}
	}
}

// TestParentGone has the parent replaced after the sender looked.
func TestParentGone(t *testing.T) {
	dir := t.TempDir()
	url, _ := orbitHead(t, dir)
	path, _ := disk(t, 3<<20)
	base := filepath.Join(t.TempDir(), "base.img.zst")
	for _, dest := range []string{base, url + "/images/base.img.zst"} {
		if _, err := imaging.Save(t.Context(), imaging.SaveOptions{Disk: path, Dest: dest}); err != nil {
			t.Fatal(err)
		}
	}
	// The parent is only on disk, but the sender sends a difference: as the head
	// would see one whose parent was deleted meanwhile.
	part := difference(t, stored(t, dir, "base.img.zst"))
	if err := os.Remove(filepath.Join(dir, "images", "base.img.zst")); err != nil {
		t.Fatal(err)
	}
	status, text, _ := call(t, http.MethodPut, url+"/images/new.img.zst", string(part))
	if status != http.StatusUnprocessableEntity || !strings.Contains(text, "the root") || !strings.Contains(text, "not here") {
		t.Errorf("%d %s", status, text)
	}
}

// difference makes the image that has nothing but what its parent has.
func difference(t *testing.T, parent []byte) []byte {
	t.Helper()
	x, err := image.ReadIndex(bytes.NewReader(parent), int64(len(parent)))
	if err != nil {
		t.Fatal(err)
	}
	root := x.Root()
	var out bytes.Buffer
	w, err := image.NewWriter(&out, image.Index{Size: x.Size, Sector: x.Sector, Used: x.Used, Meta: image.Meta{Parent: &root}})
	for _, f := range x.Frames() {
		err = errors.Join(err, w.Append(image.Packed{Kind: image.Inherited, Digest: f.Digest}))
	}
	if _, end := w.Close(); err != nil || end != nil {
		t.Fatal(err, end)
	}
	return out.Bytes()
}

// TestOrbitJobs hands out roots of Orbit images and URLs of parents.
func TestOrbitJobs(t *testing.T) {
	dir := t.TempDir()
	url, _ := orbitHead(t, dir)
	path, _ := disk(t, 2<<20)
	r, err := imaging.Save(t.Context(), imaging.SaveOptions{Disk: path, Dest: url + "/images/a.img.zst"})
	if err != nil {
		t.Fatal(err)
	}
	other := strings.Repeat("ab", 32)
	write(t, "raw", dir, "images", "b.img")
	write(t, other+"  b.img\n", dir, "images", "b.img.sha256")
	for _, test := range []struct {
		name      string
		job, want api.Job
	}{
		{"Orbit image", api.Job{Kind: api.Image, Image: "a.img.zst"}, api.Job{Kind: api.Image, Image: url + "/images/a.img.zst", Root: r.Root}},
		{"with a digest", api.Job{Kind: api.Image, Image: "a.img.zst", SHA256: other}, api.Job{Kind: api.Image, Image: url + "/images/a.img.zst", SHA256: other}},
		{"with a root", api.Job{Kind: api.Image, Image: "b.img", Root: other}, api.Job{Kind: api.Image, Image: url + "/images/b.img", Root: other}},
		{"another image", api.Job{Kind: api.Image, Image: "b.img"}, api.Job{Kind: api.Image, Image: url + "/images/b.img", SHA256: other}},
		{"another head's", api.Job{Kind: api.Image, Image: "http://h/a.img.zst"}, api.Job{Kind: api.Image, Image: "http://h/a.img.zst"}},
		{"save", api.Job{Kind: api.Save, Image: "a.img.zst"}, api.Job{Kind: api.Save, Image: url + "/images/a.img.zst"}},
		{"difference", api.Job{Kind: api.Save, Image: "c.img.zst", Parent: "a.img.zst", Scrub: true},
			api.Job{Kind: api.Save, Image: url + "/images/c.img.zst", Parent: url + "/images/a.img.zst", Scrub: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.job.Disk, test.want.Disk = "first", "first"
			body, err := json.Marshal(test.job)
			if err != nil {
				t.Fatal(err)
			}
			if status, text, _ := call(t, http.MethodPut, url+"/v1/nodes/"+mac+"/job", string(body)); status != 200 {
				t.Fatalf("assign: %d %s", status, text)
			}
			_, text, _ := call(t, http.MethodGet, url+"/v1/nodes/"+mac+"/job", "")
			var got api.Job
			if err := json.Unmarshal([]byte(text), &got); err != nil {
				t.Fatal(err)
			}
			test.want.ID = got.ID
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("job (-want +got):\n%s", diff)
			}
		})
	}
	for body, words := range map[string]string{
		`{"kind":"save","image":"c","disk":"first","parent":"none"}`:                    "no Orbit image none",
		`{"kind":"save","image":"c","disk":"first","parent":"b.img"}`:                   "no Orbit image b.img",
		`{"kind":"image","image":"b.img","disk":"first","parent":"http://h/a.img.zst"}`: "parent is for jobs of kind save",
	} {
		if status, text, _ := call(t, http.MethodPut, url+"/v1/nodes/"+mac+"/job", body); status != 400 || !strings.Contains(text, words) {
			t.Errorf("assign %s: %d %q, want %q", body, status, text, words)
		}
	}
}
