package web

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/hardware"
)

// contains checks what a page has, and that nothing of a node's words is markup.
func contains(t *testing.T, url string, status int, want ...string) string {
	t.Helper()
	got, body, h := call(t, "GET", url, "")
	if got != status || !strings.HasPrefix(h.Get("Content-Type"), "text/html") || !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("%s: %d %v", url, got, h)
	}
	for _, part := range want {
		if !strings.Contains(body, part) {
			t.Errorf("%s: no %q in\n%s", url, part, body)
		}
	}
	if strings.Contains(body, "<script") || strings.Contains(body, "<b>") {
		t.Errorf("%s: what a node says is markup", url)
	}
	return body
}

func TestPages(t *testing.T) {
	dir := t.TempDir()
	s, server := keeper(t, dir, true)
	contains(t, server.URL+"/inventory", 200, "No node has said hello yet")
	greet(t, server, mac, "b1")
	greet(t, server, mac2, "b1")
	hostile := func(d *hardware.Document) {
		d.System.Product = `<script>alert(1)</script>`
		d.Disks[0].Model = `" onmouseover="x`
		d.Disks[0].Readings = &hardware.DiskReadings{Warnings: []string{"<b>hot</b>"}}
	}
	send(t, server, mac, machineOf(t, mac, "b1", hostile))
	greet(t, server, mac, "b2")
	send(t, server, mac, machineOf(t, mac, "b2", hostile, lostDIMM))

	body := contains(t, server.URL+"/inventory", 200, "2 nodes", "1 held", "1 with warnings", "node1-2", mac2, "no inventory yet",
		"&lt;script&gt;alert(1)&lt;/script&gt;", "memory.modules[A2]: gone (16 GiB)", "disks d1: &lt;b&gt;hot&lt;/b&gt;")
	if strings.Contains(body, `" onmouseover`) {
		t.Error("a node's word ends an attribute")
	}
	contains(t, server.URL+"/inventory?select=node.held", 200, "1 node ", "node1-2", `value="node.held"`, "/v1/inventory?select=node.held&amp;format=csv")
	contains(t, server.URL+"/inventory?select="+url.QueryEscape(`system.vendor=="x"`), 200, "No node is like that")
	contains(t, server.URL+"/inventory?select="+url.QueryEscape(`"><b>`), 400, "query not understood")
	if _, css, h := call(t, "GET", server.URL+"/inventory/style.css", ""); !strings.HasPrefix(h.Get("Content-Type"), "text/css") || !strings.Contains(css, "prefers-color-scheme: dark") {
		t.Errorf("style: %v", h)
	}

	page := server.URL + "/inventory/" + mac
	contains(t, page, 200, "Held: it gets no job", "memory.modules[A2]: gone", `name="version" value="2"`, "Accept the machine as it is now", "Since the boot before this one",
		"/v1/nodes/"+mac+"/inventory?at=1", "sw1 ge-0/0/1", `<span class="good">accepted`)
	contains(t, server.URL+"/inventory/node1-2", 200, "<h1>node1-2</h1>")
	contains(t, server.URL+"/inventory/"+mac2, 200, "no inventory of this node has come yet")
	for _, path := range []string{"52:54:00:00:00:77", "%3Cb%3E", "..%2f..%2fetc"} {
		if status, _, h := call(t, "GET", server.URL+"/inventory/"+path, ""); status != 404 || strings.HasPrefix(h.Get("Content-Type"), "text/html") {
			t.Errorf("%s: %d %v", path, status, h)
		}
	}

	// The button works from the page itself only.
	if status, _, _ := call(t, "POST", page+"/accept", "", "Origin", "http://elsewhere.example"); status != 403 {
		t.Errorf("accepted by another site: %d", status)
	}
	if status, _, _ := call(t, "POST", page+"/accept", "version=1", "Origin", server.URL, "Content-Type", "application/x-www-form-urlencoded"); status != 409 {
		t.Errorf("accepted what was looked at before: %d", status)
	}
	if why := s.Inventory.Differs(mac); why == "" {
		t.Error("the hold is gone")
	}
	if status, body, _ := call(t, "POST", page+"/accept", "version=2", "Origin", server.URL, "Content-Type", "application/x-www-form-urlencoded"); status != 200 || !strings.Contains(body, "<h1>node1-2</h1>") || strings.Contains(body, "Held") {
		t.Errorf("accept: %d %s", status, body)
	}
	for path, want := range map[string]int{"/inventory/" + mac2 + "/accept": 404, "/inventory/x/accept": 404} {
		if status, _, _ := call(t, "POST", server.URL+path, ""); status != want {
			t.Errorf("%s: %d", path, status)
		}
	}

	// A file that is broken is told of on the page, too.
	if err := os.WriteFile(filepath.Join(dir, "inventory", mac, "000002.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, server = keeper(t, dir, true)
	contains(t, server.URL+"/inventory", 200, "000002.json", "held")
	if body := contains(t, server.URL+"/inventory/"+mac, 200, "000002.json", "cannot be read at the head"); strings.Contains(body, "<button>") {
		t.Error("a button for what cannot be accepted")
	}
	_, bare := head(t, t.TempDir())
	if status, _, _ := call(t, "GET", bare.URL+"/inventory", ""); status != http.StatusOK {
		t.Errorf("a head without inventories: %d", status)
	}
}
