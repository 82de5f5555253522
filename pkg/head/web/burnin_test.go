package web

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/burnin"
)

func streamServer(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	(&Site{}).burnin(mux)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// A node's network test against the head.
func TestBurninNetwork(t *testing.T) {
	b, err := burnin.Run(t.Context(), burnin.Options{Tests: []string{api.NetworkTest}, Head: streamServer(t) + "/", For: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if r := b.Tests[0].Readings; !b.Passed || r.Bytes < 4<<20 {
		t.Errorf("%+v %+v", b.Tests[0], r)
	}
}

func TestBurninStream(t *testing.T) {
	url := streamServer(t) + burnin.StreamPath
	get, err := http.Get(url + "?seed=f1&bytes=1000001")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(get.Body)
	if _, differ := burnin.Compare(bytes.NewReader(body), 0xf1, 1000001); err != nil || differ != nil || len(body) != 1000001 || get.StatusCode != 200 {
		t.Errorf("%s: %d bytes, %v, %v", get.Status, len(body), err, differ)
	}
	flipped := bytes.Clone(body)
	flipped[700000] ^= 8
	for _, x := range []struct {
		query  string
		body   []byte
		status int
		words  string
	}{
		{"seed=f1&bytes=1000001", body, 200, `{"bytes":1000001}`},
		{"seed=f1&bytes=1000001", flipped, 422, "another one from byte 700000 on"},
		{"seed=f2&bytes=1000001", body, 422, "from byte 0 on"},
		{"seed=f1&bytes=1000001", body[:5000], 400, "only 5000 of 1000001 bytes came"},
		{"seed=&bytes=1", body, 400, "want seed"},
		{"seed=g&bytes=1", body, 400, "want seed"},
		{"seed=1&bytes=0", body, 400, "want seed"},
		{"seed=1&bytes=1073741825", body, 400, "bytes from 1 to 1073741824"},
		{"seed=1", nil, 400, "want seed"},
	} {
		r, err := http.Post(url+"?"+x.query, "", bytes.NewReader(x.body))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(r.Body)
		r.Body.Close()
		if r.StatusCode != x.status || !strings.Contains(string(text), x.words) {
			t.Errorf("%s with %d bytes: %s, %s, want %d, %s", x.query, len(x.body), r.Status, text, x.status, x.words)
		}
	}
}

// A room full of burn-ins takes no more of the head than it wants to give.
func TestBurninStreamsBounded(t *testing.T) {
	url := streamServer(t) + burnin.StreamPath
	var hold []io.Closer
	for i := range maxStreams {
		r, err := http.Get(fmt.Sprintf("%s?seed=%d&bytes=%d", url, i, burnin.MaxStream))
		if err != nil || r.StatusCode != 200 {
			t.Fatal(err, r)
		}
		hold = append(hold, r.Body)
	}
	r, err := http.Get(url + "?seed=1&bytes=1")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != 503 || r.Header.Get("Retry-After") == "" {
		t.Errorf("one more: %s", r.Status)
	}
	// One that finds the head busy waits.
	var wait sync.WaitGroup
	wait.Go(func() {
		b, err := burnin.Run(t.Context(), burnin.Options{Tests: []string{api.NetworkTest}, Head: strings.TrimSuffix(url, burnin.StreamPath), For: 4 * time.Second})
		if err != nil || !b.Passed || b.Tests[0].Readings.Bytes == 0 {
			t.Errorf("%+v, %v", b, err)
		}
	})
	for _, c := range hold {
		c.Close()
	}
	wait.Wait()
}
