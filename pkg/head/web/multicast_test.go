package web

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/frisbee"
)

func TestReadSums(t *testing.T) {
	dir := t.TempDir()
	_, server := head(t, dir)
	const size = 18<<20 + 3
	write(t, strings.Repeat("x", size), dir, "images", "a.ndz")
	url := server.URL + "/images/a.ndz.sums"
	status, body, h := call(t, "HEAD", url, "")
	if status != 200 || body != "" || h.Get("Content-Length") != "1235" || h.Get("ETag") == "" {
		t.Errorf("head: %d %q %v", status, body, h)
	}
	status, body, got := call(t, "GET", url, "")
	if _, err := frisbee.ParseSums([]byte(body), size); status != 200 || err != nil || got.Get("ETag") != h.Get("ETag") {
		t.Errorf("get: %d %v %v", status, err, got)
	}
	if status, body, _ := call(t, "GET", server.URL+"/images/none.sums", ""); status != 404 {
		t.Errorf("of no image: %d %q", status, body)
	}
	if status, body, _ := call(t, "GET", server.URL+"/images/..%2fnodes.sums", ""); status != 400 {
		t.Errorf("of a bad name: %d %q", status, body)
	}
	if status, body, _ := call(t, "PUT", server.URL+"/images/b.sums", "hello"); status != 400 {
		t.Errorf("an image with such a name: %d %q", status, body)
	}
	if status, body, _ := call(t, "GET", server.URL+"/images/", ""); status != 200 || strings.Contains(body, "sums") || !strings.Contains(body, `"format": "raw"`) {
		t.Errorf("list: %d %s", status, body)
	}
}

// Sums of a file that becomes another one meanwhile are not taken for whole.
func TestReadSumsCut(t *testing.T) {
	dir := t.TempDir()
	_, server := head(t, dir)
	path := filepath.Join(dir, "images", "a.ndz")
	const size = 8 << 30
	write(t, "x", path)
	if err := os.Truncate(path, size); err != nil { // of holes: nothing is read from a disk
		t.Fatal(err)
	}
	resp, err := http.Get(server.URL + "/images/a.ndz.sums")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadFull(resp.Body, make([]byte, 65)); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 1); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("%d bytes more, and no error", len(rest))
	}
}

func TestJobsByMulticast(t *testing.T) {
	dir := t.TempDir()
	_, server := head(t, dir)
	write(t, "hello", dir, "images", "a.ndz")
	write(t, strings.Repeat("0a", 32)+"  a.ndz\n", dir, "images", "a.ndz.sha256")
	for _, test := range []struct {
		job       string
		status    int
		with, not string // parts of the job that is handed out
	}{
		{`{"kind":"image","image":"a.ndz","disk":"first"}`, 200, `"sha256"`, `"multicast"`},
		{`{"kind":"image","image":"a.ndz","disk":"first","multicast":true}`, 200, `"multicast": true`, `"sha256"`},
		{`{"kind":"image","image":"a.ndz","disk":"first","multicast":true,"sha256":"` + strings.Repeat("0b", 32) + `"}`, 200, "0b0b", "0a0a"},
		{`{"kind":"image","image":"frisbee://boss/testbed/debian","disk":"first"}`, 200, "frisbee://boss/testbed/debian", "sha256"},
		{`{"kind":"save","image":"frisbee://boss/testbed/debian","disk":"first"}`, 400, "", ""},
		{`{"kind":"boot","multicast":true}`, 400, "", ""},
	} {
		url := server.URL + "/v1/nodes/" + mac + "/job"
		status, body, _ := call(t, "PUT", url, test.job)
		if status != test.status {
			t.Errorf("%s: %d %s", test.job, status, body)
		}
		if status != 200 {
			continue
		}
		if _, body, _ := call(t, "GET", url, ""); !strings.Contains(body, test.with) || strings.Contains(body, test.not) {
			t.Errorf("%s is handed out as %s, want %s and not %s", test.job, body, test.with, test.not)
		}
	}
}

func TestRoomWithoutSessions(t *testing.T) {
	_, server := head(t, t.TempDir())
	url := server.URL + "/v1/multicast"
	if status, body, _ := call(t, "POST", url, `{"image":"a"}`); status != 503 || !strings.Contains(body, "no images by multicast") {
		t.Errorf("post: %d %q", status, body)
	}
	if status, body, _ := call(t, "POST", url, `{"image":"a"}`, "Content-Type", "text/plain"); status != 415 {
		t.Errorf("post of a form: %d %q", status, body)
	}
	if status, body, _ := call(t, "GET", url, ""); status != 200 || strings.TrimSpace(body) != "[]" {
		t.Errorf("get: %d %q", status, body)
	}
}
