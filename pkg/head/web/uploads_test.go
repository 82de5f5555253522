package web

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/head/images"
)

// checked gives a site a store with other options.
func checked(t *testing.T, s *Site, dir string, o images.Options) {
	t.Helper()
	store, err := images.OpenWith(filepath.Join(dir, "images"), o)
	if err != nil {
		t.Fatal(err)
	}
	s.Images = store
}

// dial sends the beginning of a request.
func dial(t *testing.T, url, text string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

// answer reads one answer, interim or not.
func answer(t *testing.T, r *bufio.Reader) *http.Response {
	t.Helper()
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

const begin = "PUT /images/a HTTP/1.1\r\nHost: h\r\nUpload-Draft-Interop-Version: 8\r\n"

// TestUploadInParts speaks the protocol byte by byte: a broken creation, the
// state, wrong requests, and the rest.
func TestUploadInParts(t *testing.T) {
	dir := t.TempDir()
	s, server := head(t, dir)
	c, in := dial(t, server.URL, begin+"Upload-Complete: ?1\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
	interim := answer(t, in)
	place := server.URL + interim.Header.Get("Location")
	if interim.StatusCode != 104 || interim.Header.Get("Upload-Draft-Interop-Version") != "8" || !strings.HasPrefix(interim.Header.Get("Location"), "/uploads/") {
		t.Fatalf("first answer: %d %v", interim.StatusCode, interim.Header)
	}
	if resp := answer(t, in); resp.StatusCode != 100 {
		t.Errorf("second answer: %d", resp.StatusCode)
	}
	io.WriteString(c, "3\r\nhel\r\n")
	c.(*net.TCPConn).CloseWrite()
	if resp := answer(t, in); resp.StatusCode != 408 || resp.Header.Get("Upload-Offset") != "3" {
		t.Errorf("broken off: %d %v", resp.StatusCode, resp.Header)
	}
	state := func(want string) {
		t.Helper()
		status, _, h := call(t, "HEAD", place, "")
		got := fmt.Sprint(status, " ", h.Get("Upload-Offset"), h.Get("Upload-Complete"), h.Get("Upload-Length"), h.Get("Location"))
		if got != want || status == 204 && h.Get("Cache-Control") != "no-store" {
			t.Errorf("state %q; want %q", got, want)
		}
	}
	state("204 3?0")
	patch := func(body string, header ...string) (int, string, http.Header) {
		t.Helper()
		return call(t, "PATCH", place, body, append([]string{"Content-Type", partialUpload}, header...)...)
	}
	for _, test := range []struct {
		name   string
		header []string
		status int
		offset string
	}{
		{"other media type", []string{"Content-Type", "text/plain", "Upload-Complete", "?1", "Upload-Offset", "3"}, 415, ""},
		{"no offset", []string{"Upload-Complete", "?1"}, 400, ""},
		{"negative offset", []string{"Upload-Complete", "?1", "Upload-Offset", "-3"}, 400, ""},
		{"no completeness", []string{"Upload-Offset", "3"}, 400, ""},
		{"odd completeness", []string{"Upload-Offset", "3", "Upload-Complete", "1"}, 400, ""},
		{"before the end", []string{"Upload-Complete", "?1", "Upload-Offset", "2"}, 409, "3"},
		{"after the end", []string{"Upload-Complete", "?1", "Upload-Offset", "4"}, 409, "3"},
		{"shorter than it is", []string{"Upload-Complete", "?0", "Upload-Offset", "3", "Upload-Length", "2"}, 400, "3"},
	} {
		if status, text, h := patch("xx", test.header...); status != test.status || h.Get("Upload-Offset") != test.offset {
			t.Errorf("%s: %d %q %v", test.name, status, text, h)
		}
	}
	if status, _, h := patch("l", "Upload-Complete", "?0", "Upload-Offset", "3", "Upload-Length", "5"); status != 204 || h.Get("Upload-Offset") != "4" || h.Get("Upload-Complete") != "?0" {
		t.Errorf("append: %d %v", status, h)
	}
	state("204 4?05")
	if s.Images.Has("a") {
		t.Error("visible before it is complete")
	}
	if status, _ := put(t, server.URL+"/images/a", strings.NewReader("x"), ""); status != 409 {
		t.Errorf("another upload of the name: %d", status)
	}
	if status, _, h := patch("o", "Upload-Complete", "?1", "Upload-Offset", "4", "Repr-Digest", digestOf("hello")); status != 201 || h.Get("Upload-Complete") != "?1" || h.Get("Location") != "/images/a" {
		t.Errorf("the rest: %d %v", status, h)
	}
	state("204 5?15/images/a")
	if status, _, _ := patch("x", "Upload-Complete", "?1", "Upload-Offset", "5"); status != 400 {
		t.Errorf("more than all: %d", status)
	}
	if _, body, _ := call(t, "GET", server.URL+"/images/a", ""); body != "hello" {
		t.Errorf("stored %q", body)
	}
	if status, _, _ := call(t, "DELETE", place, ""); status != 204 {
		t.Errorf("delete: %d", status)
	}
	state("404 ")
	if status, _, _ := call(t, "GET", place, ""); status != 405 {
		t.Errorf("get: %d", status)
	}
}

// TestUploadCreation begins with a part, or with nothing.
func TestUploadCreation(t *testing.T) {
	dir := t.TempDir()
	s, server := head(t, dir)
	checked(t, s, dir, images.Options{MaxSize: 10})
	url := server.URL + "/images/a"
	if status, _, h := call(t, "OPTIONS", url, ""); status != 204 || h.Get("Accept-Patch") != partialUpload || h.Get("Upload-Limit") != "max-size=10" {
		t.Errorf("options: %d %v", status, h)
	}
	if status, _, _ := call(t, "PUT", url, "hel", "Upload-Complete", "?0"); status != 400 {
		t.Errorf("part from a sender of another version: %d", status)
	}
	if status, _, h := call(t, "PUT", url, "hello hello", "Upload-Complete", "?1", interopHeader, "8"); status != 413 || h.Get("Upload-Limit") != "max-size=10" {
		t.Errorf("too long: %d %v", status, h)
	}
	status, _, h := call(t, "PUT", url, "hel", "Upload-Complete", "?0", interopHeader, "8", "Repr-Digest", digestOf("hello"))
	if status != 201 || h.Get("Upload-Complete") != "?0" || h.Get("Upload-Offset") != "3" || h.Get("Upload-Limit") != "max-size=10" {
		t.Fatalf("creation: %d %v", status, h)
	}
	place := server.URL + h.Get("Location")
	if status, text, h := call(t, "PATCH", place, "lO", "Content-Type", partialUpload, "Upload-Complete", "?1", "Upload-Offset", "3"); status != 400 || !strings.Contains(text, "nothing was stored") || h.Get("Upload-Complete") != "?1" {
		t.Errorf("other digest than announced: %d %q", status, text)
	}
	if status, _, _ := call(t, "HEAD", place, ""); status != 404 {
		t.Errorf("after that: %d", status)
	}
	_, _, h = call(t, "PUT", url, "", "Upload-Complete", "?0", interopHeader, "8")
	place = server.URL + h.Get("Location")
	if status, _, _ := call(t, "PATCH", place, strings.Repeat("x", 11), "Content-Type", partialUpload, "Upload-Complete", "?0", "Upload-Offset", "0"); status != 413 {
		t.Errorf("grows too long: %d", status)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "images", "*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestUploadTakenOver asks for the state while the head still waits for the
// former connection, which is dead without a word.
func TestUploadTakenOver(t *testing.T) {
	dir := t.TempDir()
	_, server := head(t, dir)
	c, in := dial(t, server.URL, begin+"Upload-Complete: ?1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n")
	place := server.URL + answer(t, in).Header.Get("Location")
	start := time.Now()
	if status, _, h := call(t, "HEAD", place, ""); status != 204 || h.Get("Upload-Complete") != "?0" || time.Since(start) > 5*time.Second {
		t.Errorf("state: %d %v after %v", status, h, time.Since(start))
	}
	if _, err := io.ReadAll(in); err != nil {
		t.Logf("the former connection: %v", err)
	}
	c.Close()
	if status, _, _ := call(t, "DELETE", place, ""); status != 204 {
		t.Errorf("delete: %d", status)
	}
	if status, _ := put(t, server.URL+"/images/a", strings.NewReader("x"), ""); status != 201 {
		t.Errorf("the name is not free: %d", status)
	}
}

// TestUploadAcks has the head tell how much has arrived, and that it is alive
// while it checks.
func TestUploadAcks(t *testing.T) {
	dir := t.TempDir()
	s, server := head(t, dir)
	release := make(chan struct{})
	checked(t, s, dir, images.Options{Verify: func(context.Context, string) error { <-release; return nil }})
	s.beat = 20 * time.Millisecond
	c, in := dial(t, server.URL, begin+"Upload-Complete: ?1\r\nContent-Length: 3000000\r\n\r\n")
	go c.Write(make([]byte, 3_000_000))
	offsets := map[string]int{}
	for offsets["3000000"] < 4 {
		resp := answer(t, in)
		if resp.StatusCode != 104 {
			t.Fatalf("answer %d", resp.StatusCode)
		}
		offsets[resp.Header.Get("Upload-Offset")]++
	}
	close(release)
	resp := answer(t, in)
	for resp.StatusCode == 104 {
		resp = answer(t, in)
	}
	if resp.StatusCode != 201 || resp.Header.Get("Location") != "/images/a" || len(offsets) < 4 {
		t.Errorf("%d %v, offsets %v", resp.StatusCode, resp.Header, offsets)
	}
}

// TestUploadRefused sends what the store's check does not like.
func TestUploadRefused(t *testing.T) {
	dir := t.TempDir()
	s, server := head(t, dir)
	checked(t, s, dir, images.Options{Verify: func(ctx context.Context, path string) error {
		if out, err := exec.CommandContext(ctx, "gzip", "-t", "-c", path).CombinedOutput(); err != nil {
			return errors.New(string(out))
		}
		return nil
	}})
	for _, header := range [][]string{nil, {"Upload-Complete", "?1", interopHeader, "8"}} {
		if status, text, _ := call(t, "PUT", server.URL+"/images/a.gz", "no image", header...); status != 422 || !strings.Contains(text, "refused") {
			t.Errorf("%v: %d %q", header, status, text)
		}
	}
	left, err := os.ReadDir(filepath.Join(dir, "images"))
	if len(left) > 0 || err != nil {
		t.Errorf("left: %v, %v", left, err)
	}
}
