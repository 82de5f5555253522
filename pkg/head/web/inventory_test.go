package web

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/hardware"
	inventories "github.com/orbit-pxe/orbit/pkg/head/hardware"
)

const mac2 = "52:54:00:00:00:02"

// keeper is a head that keeps inventories in dir, as head.Listen makes it.
func keeper(t *testing.T, dir string, hold bool) (*Site, *httptest.Server) {
	t.Helper()
	s, server := head(t, dir)
	store, err := inventories.Open(filepath.Join(dir, "inventory"), inventories.Options{
		Policy: inventories.Policy{Hold: hold, Ignore: inventories.DefaultIgnore(), Report: inventories.DefaultReport()},
		Log:    slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Inventory = store
	s.HostNames = map[string]string{mac: "node1-2"}
	s.Nodes.Guard(func(id string, h api.Hello, up time.Time) string { return store.Gate(id, h.Boot, up, time.Now()) })
	return s, server
}

func ptr[T any](v T) *T { return &v }

// machineOf is what the node of a MAC address says it is made of in a boot.
func machineOf(t testing.TB, mac, boot string, changes ...func(*hardware.Document)) string {
	t.Helper()
	d := hardware.Document{
		Schema: hardware.Schema, ID: "u-" + mac,
		System: &hardware.System{Vendor: "Dell Inc.", Product: "PowerEdge R430", Serial: "=HYPERLINK(\"x\")"},
		BMC:    &hardware.BMC{Address: "10.0.0.99"},
		Memory: &hardware.Memory{Total: 32 << 30, Modules: []hardware.DIMM{{ID: "A1", Size: 16 << 30}, {ID: "A2", Size: 16 << 30}}},
		Disks:  []hardware.Disk{{ID: "d1", Name: "sda", Size: 1 << 40, Model: "He said \"8\", twice"}, {ID: "d2", Name: "sdb", Size: 480e9}},
		NICs: []hardware.NIC{{ID: mac, Name: "eth0", MAC: mac, Driver: "igb", Neighbour: &hardware.Neighbour{Switch: "sw1", Address: "10.9.9.9", Port: "ge-0/0/1"}},
			{ID: "52:54:00:00:0f:ff", Name: "eth1", MAC: "52:54:00:00:0f:ff", Driver: "ice"}},
		Readings: &hardware.Taken{Boot: boot},
	}
	for _, c := range changes {
		c(&d)
	}
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func lostDIMM(d *hardware.Document) { d.Memory.Modules = d.Memory.Modules[:1] }

func greet(t *testing.T, server *httptest.Server, mac, boot string) (int, string) {
	t.Helper()
	text, err := json.Marshal(api.Hello{MAC: mac, MACs: []string{mac, "52:54:00:00:0f:" + mac[15:]}, Address: "10.0.0.1" + mac[16:], Boot: boot, Serial: "S" + mac[16:],
		Disks: []api.Disk{{Path: "/dev/sda", Size: 1 << 40, Bus: "usb"}, {Path: "/dev/nvme0n1", Size: 1 << 40}}})
	if err != nil {
		t.Fatal(err)
	}
	status, body, _ := call(t, "POST", server.URL+"/v1/nodes/"+mac+"/hello", string(text))
	return status, body
}

func send(t *testing.T, server *httptest.Server, mac, document string) {
	t.Helper()
	if status, body, _ := call(t, "POST", server.URL+"/v1/nodes/"+mac+"/inventory", document, "Content-Type", "application/json"); status != 204 {
		t.Fatalf("inventory of %s: %d %s", mac, status, body)
	}
}

// fetch gets JSON.
func fetch[T any](t *testing.T, url string) (value T) {
	t.Helper()
	status, body, _ := call(t, "GET", url, "")
	if err := json.Unmarshal([]byte(body), &value); err != nil || status != 200 {
		t.Fatalf("%s: %d %s (%v)", url, status, body, err)
	}
	return value
}

func TestInventory(t *testing.T) {
	dir := t.TempDir()
	_, server := keeper(t, dir, false)
	at := server.URL + "/v1/nodes/" + mac + "/inventory"
	if status, body, _ := call(t, "GET", at, ""); status != 404 || !strings.Contains(body, "no such node") {
		t.Errorf("of a node that nobody knows: %d %s", status, body)
	}
	greet(t, server, mac, "b1")
	if status, body, _ := call(t, "GET", at, ""); status != 404 || !strings.Contains(body, "no inventory") {
		t.Errorf("before it came: %d %s", status, body)
	}
	for want, text := range map[int]string{400: `{"schema":"x/1"}`, 413: strings.Repeat(" ", maxBody+1), 409: `{"schema":"orbit-inventory/1","only":["nics"]}`} {
		if status, body, _ := call(t, "POST", at, text); status != want {
			t.Errorf("%.40s: %d %s, want %d", text, status, body, want)
		}
	}
	if status, _, _ := call(t, "POST", at, machineOf(t, mac, "b1"), "Content-Type", "text/plain"); status != 415 {
		t.Errorf("as text: %d", status)
	}
	send(t, server, "52:54:00:00:0f:01", strings.Replace(machineOf(t, mac, "b1"), `"system":`, `"novel":[1,{"a":null}],"system":`, 1)) // by another interface
	send(t, server, mac, machineOf(t, mac, "b2", lostDIMM))

	for _, restarted := range []bool{false, true} {
		if restarted {
			_, server = keeper(t, dir, false)
			at = server.URL + "/v1/nodes/525400000001/inventory"
		}
		status, body, h := call(t, "GET", at, "")
		if status != 200 || h.Get(versionHeader) != "2" || strings.Contains(body, "A2") || h.Get("Last-Modified") == "" {
			t.Errorf("latest: %d %v %s", status, h, body)
		}
		status, body, h = call(t, "GET", at+"?at=1", "")
		if status != 200 || h.Get(versionHeader) != "1" || !strings.Contains(body, "A2") || !strings.Contains(strings.Join(strings.Fields(body), ""), `"novel":[1,{"a":null}]`) {
			t.Errorf("first: %d %v %s", status, h, body)
		}
		for _, word := range []string{"7", "soon", "../1"} {
			if status, _, _ := call(t, "GET", at+"?at="+word, ""); status != 404 {
				t.Errorf("at %s: %d", word, status)
			}
		}
		list := fetch[[]entry](t, at+"/history")
		if len(list) != 2 || list[0].Number != 2 || !cmp.Equal(list[0].Text, []string{"memory.modules[A2]: gone (16 GiB)", "novel: was 1 {\"a\":null}, is not known now"}) || list[1].Document != nil {
			t.Errorf("history: %+v", list)
		}
		if list := fetch[[]entry](t, at+"/history?most=1"); len(list) != 1 {
			t.Errorf("last of the history: %+v", list)
		}
		d := fetch[comparison](t, at+"/diff?from=2&to=1")
		if d.From.Number != 2 || d.To.Number != 1 || len(d.Changes) != 2 || d.Text[0] != "memory.modules[A2]: new (16 GiB)" {
			t.Errorf("difference: %+v", d)
		}
		if d := fetch[comparison](t, at+"/diff?to=1"); len(d.Changes) != 0 || d.Changes == nil || d.Text == nil {
			t.Errorf("difference of the first: %+v", d)
		}
	}
	if status, _, _ := call(t, "GET", at+"/history?most=x", ""); status != 400 {
		t.Errorf("most=x: %d", status)
	}
	none, bare := head(t, t.TempDir())
	none.Nodes.Hello(mac, api.Hello{}, time.Now())
	for _, path := range []string{"/v1/inventory", "/v1/nodes/" + mac + "/inventory"} {
		if status, body, _ := call(t, "GET", bare.URL+path, ""); status != 404 || !strings.Contains(body, "keeps no inventories") {
			t.Errorf("%s of a head without: %d %s", path, status, body)
		}
	}
}

// With a policy to hold, a job waits for the inventory of the boot, and for
// somebody to accept what has changed.
func TestHold(t *testing.T) {
	dir := t.TempDir()
	s, server := keeper(t, dir, true)
	order := func() {
		t.Helper()
		if status, body, _ := call(t, "PUT", server.URL+"/v1/nodes/"+mac+"/job", `{"kind":"shell"}`); status != 200 {
			t.Fatalf("assign: %d %s", status, body)
		}
	}
	poll := func() <-chan int {
		got := make(chan int, 1)
		go func() {
			resp, err := http.Get(server.URL + "/v1/nodes/" + mac + "/job?wait=30s")
			if err != nil {
				got <- 0
				return
			}
			resp.Body.Close()
			got <- resp.StatusCode
		}()
		return got
	}
	held := func() string { t.Helper(); return fetch[api.Node](t, server.URL+"/v1/nodes/"+mac).Held }

	order()
	if status, body := greet(t, server, mac, "b1"); status != 204 {
		t.Fatalf("hello before the inventory: %d %s", status, body)
	}
	if why := held(); !strings.Contains(why, "waiting for the inventory") {
		t.Errorf("held because of %q", why)
	}
	send(t, server, mac2, machineOf(t, mac2, "b1")) // it comes first where the first hello is lost
	call(t, "PUT", server.URL+"/v1/nodes/"+mac2+"/job", `{"kind":"shell"}`)
	if status, body := greet(t, server, mac2, "b1"); status != 200 {
		t.Errorf("hello after the inventory: %d %s", status, body)
	}
	got := poll()
	send(t, server, mac, machineOf(t, mac, "b1"))
	if status := <-got; status != 200 {
		t.Errorf("after the inventory: %d", status)
	}
	if why := held(); why != "" {
		t.Errorf("then held: %q", why)
	}

	// The next boot lacks a DIMM.
	order()
	greet(t, server, mac, "b2")
	send(t, server, mac, machineOf(t, mac, "b2", lostDIMM))
	if status, body, _ := call(t, "GET", server.URL+"/v1/nodes/"+mac+"/job?wait=0s", ""); status != 204 {
		t.Errorf("with a DIMM less: %d %s", status, body)
	}
	if why := held(); !strings.Contains(why, "memory.modules[A2]: gone") {
		t.Errorf("held because of %q", why)
	}
	s, server = keeper(t, dir, true) // restarted
	if status, body := greet(t, server, mac, "b2"); status != 204 {
		t.Errorf("after a restart: %d %s", status, body)
	}
	got = poll()
	accept := server.URL + "/v1/nodes/" + mac + "/inventory/accept"
	if status, body, _ := call(t, "POST", accept, "", "Origin", "http://evil.example"); status != 403 {
		t.Errorf("accepted by another site's page: %d %s", status, body)
	}
	// A page can send what has no type at all.
	for what, body := range map[string]string{"inventory": machineOf(t, mac, "b9"), "result": `{"ok":true}`, "hello": "{}"} {
		if status, body, _ := call(t, "POST", server.URL+"/v1/nodes/"+mac+"/"+what, body, "Sec-Fetch-Site", "cross-site"); status != 403 {
			t.Errorf("%s by another site's page: %d %s", what, status, body)
		}
	}
	if status, body, _ := call(t, "POST", accept+"?version=1", ""); status != 409 || !strings.Contains(body, "meanwhile") {
		t.Errorf("accept of what was: %d %s", status, body)
	}
	if status, _, _ := call(t, "POST", accept+"?version=x", ""); status != 400 {
		t.Errorf("accept of no number: %d", status)
	}
	call(t, "DELETE", server.URL+"/v1/nodes/"+mac+"/job", "")
	for _, n := range append(fetch[[]api.Node](t, server.URL+"/v1/nodes?select=node.held"), fetch[[]api.Node](t, server.URL+"/v1/nodes")[0], fetch[api.Node](t, server.URL+"/v1/nodes/"+mac)) {
		if !strings.Contains(n.Held, "memory.modules[A2]: gone") {
			t.Errorf("without a job: %+v", n)
		}
	}
	order()
	if status, body, _ := call(t, "POST", accept+"?version=2", "", "Origin", server.URL); status != 200 || !strings.Contains(body, `"number": 2`) {
		t.Errorf("accept: %d %s", status, body)
	}
	if status := <-got; status != 200 {
		t.Errorf("after that: %d", status)
	}
	if status, _, _ := call(t, "POST", server.URL+"/v1/nodes/52:54:00:00:00:77/inventory/accept", ""); status != 404 {
		t.Errorf("accept of an unknown node: %d", status)
	}
	if n := s.Inventory.Differs(mac); n != "" {
		t.Errorf("differs: %s", n)
	}

	// A node that sends none is held for all time, and one can see why.
	order()
	greet(t, server, mac, "b3")
	if got := fetch[[]api.Node](t, server.URL+"/v1/nodes?select="+url.QueryEscape(`node.held =~ "waiting"`)); len(got) != 1 {
		t.Errorf("held nodes: %+v", got)
	}
	_, server = keeper(t, dir, false) // started anew, to report only
	if why := held(); why != "" {
		t.Errorf("held by an earlier head: %q", why)
	}
}

func TestManyNodesSendAtOnce(t *testing.T) {
	_, server := keeper(t, t.TempDir(), true)
	var wait sync.WaitGroup
	for i := range 20 {
		mac := fmt.Sprintf("52:54:00:00:01:%02x", i)
		wait.Go(func() {
			post := func(path, body string) int {
				resp, err := http.Post(server.URL+"/v1/nodes/"+mac+path, "application/json", strings.NewReader(body))
				if err != nil {
					t.Error(err)
					return 0
				}
				resp.Body.Close()
				return resp.StatusCode
			}
			req, err := http.NewRequest("PUT", server.URL+"/v1/nodes/"+mac+"/job", strings.NewReader(`{"kind":"shell"}`))
			if err != nil {
				t.Error(err)
				return
			}
			if resp, err := http.DefaultClient.Do(req); err != nil || resp.StatusCode != 200 {
				t.Error(err, resp)
			}
			if status := post("/hello", `{"mac":"`+mac+`","boot":"b"}`); status != 204 {
				t.Errorf("hello: %d", status)
			}
			poll := make(chan int, 1)
			go func() {
				resp, err := http.Get(server.URL + "/v1/nodes/" + mac + "/job?wait=60s")
				if err != nil {
					poll <- 0
					return
				}
				resp.Body.Close()
				poll <- resp.StatusCode
			}()
			if status := post("/inventory", machineOf(t, mac, "b")); status != 204 {
				t.Errorf("inventory: %d", status)
			}
			http.Get(server.URL + "/v1/inventory?format=csv")
			if status := <-poll; status != 200 {
				t.Errorf("%s: job %d", mac, status)
			}
		})
	}
	wait.Wait()
}
