package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/head/boot"
	"github.com/orbit-pxe/orbit/pkg/head/images"
	"github.com/orbit-pxe/orbit/pkg/head/node"
)

const mac = "52:54:00:00:00:01"

// head serves a site kept in dir.
func head(t *testing.T, dir string) (*Site, *httptest.Server) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	nodes, err := node.Open(filepath.Join(dir, "nodes"), log)
	if err != nil {
		t.Fatal(err)
	}
	store, err := images.Open(filepath.Join(dir, "images"))
	if err != nil {
		t.Fatal(err)
	}
	artifacts := filepath.Join(dir, "artifacts")
	if err := os.MkdirAll(artifacts, 0o755); err != nil {
		t.Fatal(err)
	}
	s := &Site{Nodes: nodes, Images: store, Artifacts: artifacts, Consoles: []string{"ttyS0"}, Log: log,
		Files: boot.Files{Artifacts: artifacts}}
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	return s, server
}

func write(t *testing.T, text string, path ...string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(path...), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// call makes a request and returns status and body.
func call(t *testing.T, method, url, body string, header ...string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data), resp.Header
}

func TestReadImages(t *testing.T) {
	dir := t.TempDir()
	_, server := head(t, dir)
	write(t, "0123456789", dir, "images", "a.img")
	write(t, "x", dir, "secret")
	write(t, "x", dir, "artifacts", ".hidden")
	write(t, "kernel", dir, "artifacts", "vmlinuz")
	status, body, h := call(t, "GET", server.URL+"/images/a.img", "")
	tag := h.Get("ETag")
	if status != 200 || body != "0123456789" || tag == "" || h.Get("Date") == "" || h.Get("Accept-Ranges") != "bytes" {
		t.Errorf("get: %d %q %v", status, body, h)
	}
	if status, body, h := call(t, "HEAD", server.URL+"/images/a.img", ""); status != 200 || body != "" || h.Get("Content-Length") != "10" {
		t.Errorf("head: %d %q %v", status, body, h)
	}
	if status, body, h := call(t, "GET", server.URL+"/images/a.img", "", "Range", "bytes=4-", "If-Range", tag); status != 206 || body != "456789" || h.Get("Content-Range") != "bytes 4-9/10" {
		t.Errorf("range: %d %q %v", status, body, h)
	}
	write(t, "abcdefghij", dir, "images", "a.img")
	if err := os.Chtimes(filepath.Join(dir, "images", "a.img"), time.Time{}, time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if status, body, _ := call(t, "GET", server.URL+"/images/a.img", "", "Range", "bytes=4-", "If-Range", tag); status != 200 || body != "abcdefghij" {
		t.Errorf("range of a changed image: %d %q, want all of it", status, body)
	}
	for _, path := range []string{"/images/none", "/images/..%2fsecret", "/images/%2e%2e%2fsecret", "/artifacts/..%2fimages%2fa.img", "/artifacts/.hidden", "/artifacts/none", "/boot/..%2f..%2fsecret", "/boot/vmlinuz/x"} {
		if status, body, _ := call(t, "GET", server.URL+path, ""); status != 404 && status != 400 || strings.Contains(body, "x\n") {
			t.Errorf("%s: %d %q", path, status, body)
		}
	}
	for _, path := range []string{"/artifacts/vmlinuz", "/boot/vmlinuz"} {
		if status, body, _ := call(t, "GET", server.URL+path, ""); status != 200 || body != "kernel" {
			t.Errorf("%s: %d %q", path, status, body)
		}
	}
}

// put uploads a body in chunks, with a trailer if there is one.
func put(t *testing.T, url string, body io.Reader, trailer string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "PUT", url, io.NopCloser(body))
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = -1
	if trailer != "" {
		req.Trailer = http.Header{"Repr-Digest": {trailer}}
		if trailer == "missing" {
			req.Trailer = http.Header{"Repr-Digest": nil}
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

func TestUpload(t *testing.T) {
	dir := t.TempDir()
	s, server := head(t, dir)
	url := server.URL + "/images/"
	for _, test := range []struct {
		name, file, body, trailer string
		status                    int
		words                     string
	}{
		{"new", "a", "hello", digestOf("hello"), 201, ""},
		{"again", "a", "hello2", "md5=:AAAA:, " + digestOf("hello2"), 204, ""},
		{"without digest", "b", "hello", "", 201, ""},
		{"wrong digest", "c", "hello", digestOf("jello"), 400, "nothing was stored"},
		{"garbled digest", "c", "hello", "sha-256=:!!:", 400, "base64"},
		{"other digest only", "c", "hello", "md5=:AAAA:", 400, "no sha-256"},
		{"trailer that does not come", "c", "hello", "missing", 400, "did not come"},
		{"hidden name", ".c", "hello", "", 400, "image name"},
		{"name of a sidecar", "c.sha256", "hello", "", 400, "image name"},
		{"name with a slash", "..%2fc", "hello", "", 400, "image name"},
	} {
		status, text := put(t, url+test.file, strings.NewReader(test.body), test.trailer)
		if status != test.status || !strings.Contains(text, test.words) {
			t.Errorf("%s: %d %q, want %d with %q", test.name, status, text, test.status, test.words)
		}
	}
	if s.Images.Has("c") || !s.Images.Has("a") || !s.Images.Has("b") {
		t.Error("wrong set of images stored")
	}
	status, body, _ := call(t, "GET", url, "")
	var list []images.Image
	if err := json.Unmarshal([]byte(body), &list); status != 200 || err != nil || len(list) != 2 || list[0].Size != 6 {
		t.Errorf("list: %d %s (%v)", status, body, err)
	}
	sum := sha256.Sum256([]byte("hello2"))
	if _, body, _ := call(t, "GET", url+"a.sha256", ""); body != hex.EncodeToString(sum[:])+"  a\n" {
		t.Errorf("sidecar %q", body)
	}
}

// TestBrokenUpload hangs up in the middle of a chunked body, while another
// upload of the same name is refused.
func TestBrokenUpload(t *testing.T) {
	dir := t.TempDir()
	s, server := head(t, dir)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(conn, "PUT /images/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
	until(t, func() bool { // the first upload has begun
		status, text := put(t, server.URL+"/images/a", strings.NewReader("other"), "")
		if status == 201 || status == 204 {
			return false // it was faster
		}
		return status == 409 && strings.Contains(text, "under way")
	})
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool {
		status, _ := put(t, server.URL+"/images/a", strings.NewReader("whole"), "")
		return status == 201 || status == 204
	})
	f, err := s.Images.Open("a")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if data, err := io.ReadAll(f); string(data) != "whole" || err != nil {
		t.Errorf("stored %q, %v", data, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "images", ".upload*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// until asks again and again, within the test's time.
func until(t *testing.T, is func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !is(); {
		if time.Now().After(end) {
			t.Fatal("waited 10 s in vain")
		}
	}
}

func TestJobOverHTTP(t *testing.T) {
	dir := t.TempDir()
	_, server := head(t, dir)
	write(t, "image", dir, "images", "debian.zst")
	sum := strings.Repeat("ab", 32)
	write(t, sum+"  debian.zst\n", dir, "images", "debian.zst.sha256")
	v1 := server.URL + "/v1/nodes/"
	script := func() string {
		_, body, _ := call(t, "GET", server.URL+"/boot/ipxe?mac="+mac, "")
		return body
	}
	if s := script(); !strings.Contains(s, "sanboot") {
		t.Errorf("script of an unknown node:\n%s", s)
	}
	for _, test := range []struct {
		body   string
		status int
		words  string
	}{
		{`{"kind":"image","image":"none.zst","disk":"first"}`, 400, "no image none.zst"},
		{`{"kind":"image","image":"../etc/passwd","disk":"first"}`, 400, "image name"},
		{`{"kind":"image","disk":"first"}`, 400, "not an http"},
		{`{"kind":"image","image":"debian.zst"}`, 400, "no disk"},
		{`{"kind":"dance"}`, 400, "unknown"},
		{`nonsense`, 400, "bad request"},
		{strings.Repeat(" ", 2<<20), 413, "too large"},
	} {
		if status, text, _ := call(t, "PUT", v1+mac+"/job", test.body); status != test.status || !strings.Contains(text, test.words) {
			t.Errorf("assign %.50s: %d %q, want %d with %q", test.body, status, text, test.status, test.words)
		}
	}
	if status, _, _ := call(t, "PUT", v1+mac+"/job", `{"kind":"shell"}`, "Content-Type", "text/plain"); status != 415 {
		t.Errorf("assign by a form: %d", status)
	}
	if status, _, _ := call(t, "GET", v1+"nobody", ""); status != 400 {
		t.Errorf("node without an address: %d", status)
	}

	// Assign while the node is waiting.
	got := make(chan string)
	go func() {
		_, body, _ := call(t, "GET", v1+mac+"/job?wait=1m", "")
		got <- body
	}()
	if status, text, _ := call(t, "PUT", v1+"52-54-00-00-00-01/job", `{"kind":"image","image":"debian.zst","disk":"first","then":"kexec"}`); status != 200 {
		t.Fatalf("assign: %d %s", status, text)
	}
	var job api.Job
	if err := json.Unmarshal([]byte(<-got), &job); err != nil {
		t.Fatal(err)
	}
	want := api.Job{ID: job.ID, Kind: api.Image, Image: server.URL + "/images/debian.zst", SHA256: sum, Disk: "first", Then: api.Kexec}
	if diff := cmp.Diff(want, job); diff != "" || job.ID == "" {
		t.Errorf("job (-want +got):\n%s", diff)
	}
	if s := script(); !strings.Contains(s, "orbit.head="+server.URL+" BOOTIF=01-52-54-00-00-00-01 console=ttyS0") {
		t.Errorf("script of a node with a job:\n%s", s)
	}

	event := func(e api.Event) string {
		data, _ := json.Marshal(e)
		return string(data) + "\n"
	}
	lines := event(api.Event{Job: job.ID, Step: api.Write, State: api.Started}) + "\n" + event(api.Event{Job: job.ID, Step: api.Write, State: api.Done, Bytes: 5})
	if status, text, _ := call(t, "POST", v1+mac+"/events", lines, "Content-Type", "application/x-ndjson"); status != 204 {
		t.Errorf("events: %d %s", status, text)
	}
	// What is whole counts, the rest is refused.
	if status, _, _ := call(t, "POST", v1+mac+"/events", event(api.Event{Job: job.ID, Step: api.Commit, State: api.Done})+`{"st`); status != 400 {
		t.Errorf("broken events: %d", status)
	}
	if status, _, _ := call(t, "POST", v1+mac+"/result", `{"job":"old","ok":true}`); status != 409 {
		t.Errorf("stale result: %d", status)
	}
	if status, text, _ := call(t, "POST", v1+mac+"/result", `{"job":"`+job.ID+`","ok":true}`); status != 204 {
		t.Errorf("result: %d %s", status, text)
	}
	_, body, _ := call(t, "GET", v1+mac, "")
	var n api.Node
	if err := json.Unmarshal([]byte(body), &n); err != nil || n.State != api.Succeeded || len(n.Events) != 3 {
		t.Errorf("node: %s (%v)", body, err)
	}
	if s := script(); !strings.Contains(s, "sanboot") {
		t.Errorf("script after success:\n%s", s)
	}
	if status, _, _ := call(t, "POST", v1+mac+"/hello", `{"mac":"`+mac+`"}`); status != 204 {
		t.Errorf("hello without a job: %d", status)
	}
	if status, _, _ := call(t, "DELETE", v1+mac+"/job", ""); status != 204 {
		t.Errorf("clear: %d", status)
	}
	if status, _, _ := call(t, "DELETE", v1+"52:54:00:00:00:77/job", ""); status != 404 {
		t.Errorf("clear of an unknown node: %d", status)
	}
}

func TestIdleNodesCanWait(t *testing.T) {
	s, server := head(t, t.TempDir())
	s.Wait = true
	if _, body, _ := call(t, "GET", server.URL+"/boot/ipxe?mac="+mac, ""); !strings.Contains(body, "kernel ") {
		t.Errorf("script:\n%s", body)
	}
	if _, body, _ := call(t, "GET", server.URL+"/boot/ipxe", ""); !strings.Contains(body, "mac=${netX/mac}") {
		t.Errorf("script for nobody:\n%s", body)
	}
	if status, _, _ := call(t, "GET", server.URL+"/boot/ipxe?mac=x", ""); status != 400 {
		t.Errorf("script for x: %d", status)
	}
}

// TestLongPollEndsWithTheServer as Head.Serve stops it: by the base context.
func TestLongPollEndsWithTheServer(t *testing.T) {
	s, _ := head(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	req := httptest.NewRequestWithContext(ctx, "GET", "/v1/nodes/"+mac+"/job?wait=1m", nil)
	rec := httptest.NewRecorder()
	ended := make(chan struct{})
	go func() { s.Handler().ServeHTTP(rec, req); close(ended) }()
	cancel()
	<-ended
	if rec.Code != http.StatusNoContent {
		t.Errorf("status %d", rec.Code)
	}
}

func FuzzParseDigest(f *testing.F) {
	f.Add(digestOf("x"))
	f.Add("md5=:AAAA:, sha-256=::")
	f.Add("sha-256")
	f.Fuzz(func(t *testing.T, text string) {
		sum, err := parseDigest(text)
		if err == nil && len(sum) != 64 {
			t.Errorf("%q: %q", text, sum)
		}
	})
}

func FuzzEvents(f *testing.F) {
	dir := f.TempDir()
	nodes, err := node.Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		f.Fatal(err)
	}
	if _, err := nodes.Assign(mac, api.Job{Kind: api.Shell}, time.Now()); err != nil {
		f.Fatal(err)
	}
	s := &Site{Nodes: nodes, Log: slog.New(slog.DiscardHandler)}
	handler := s.Handler()
	f.Add([]byte(`{"step":"write","state":"start"}` + "\n{"))
	f.Fuzz(func(t *testing.T, body []byte) {
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, httptest.NewRequest("POST", "/v1/nodes/"+mac+"/events", bytes.NewReader(body)))
		if rec.Code != 204 && rec.Code != 400 {
			t.Errorf("status %d: %s", rec.Code, rec.Body)
		}
	})
}
