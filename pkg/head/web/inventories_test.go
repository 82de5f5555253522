package web

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/hardware"
	inventories "github.com/orbit-pxe/orbit/pkg/head/hardware"
	"github.com/orbit-pxe/orbit/pkg/head/node"
)

func TestSelect(t *testing.T) {
	s, server := keeper(t, t.TempDir(), false)
	for i := 1; i <= 4; i++ {
		greet(t, server, fmt.Sprintf("52:54:00:00:00:%02x", i), "b1")
	}
	send(t, server, mac, machineOf(t, mac, "b1"))
	send(t, server, mac2, machineOf(t, mac2, "b1", func(d *hardware.Document) {
		d.Disks, d.GPUs = d.Disks[1:], []hardware.GPU{{ID: "0000:01:00.0", Vendor: "10de", Device: "2204"}}
		d.Disks[0].Readings = &hardware.DiskReadings{Healthy: ptr(false)}
	}))
	call(t, "PUT", server.URL+"/v1/nodes/52:54:00:00:00:04/job", `{"kind":"shell"}`)
	s.Domain = "grid.example"
	for text, want := range map[string][]string{
		"":                                      {"1", "2", "3", "4"},
		`disks.size>=1TB && nics.driver=="ice"`: {"1"},
		`disks[size>=1TB && !rotational]`:       {"1"},
		`count(disks)==1`:                       {"2"},
		`gpus`:                                  {"2"},
		`!system`:                               {"3", "4"},
		`node.address=="10.0.0.13"`:             {"3"},
		`node.job.state=="assigned"`:            {"4"},
		`node.name=~"^node1-"`:                  {"1"},
		`node.disks.bus=="usb"`:                 {"1", "2", "3", "4"},
		`disks.size>100PB`:                      {},
	} {
		got := []string{}
		for _, n := range fetch[[]api.Node](t, server.URL+"/v1/nodes?select="+url.QueryEscape(text)) {
			got = append(got, n.ID[16:])
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("nodes of %s (-want +got):\n%s", text, diff)
		}
		var listed []string
		for _, m := range fetch[[]machine](t, server.URL+"/v1/inventory?select="+url.QueryEscape(text)) {
			listed = append(listed, m.Node[16:])
		}
		if strings.Join(listed, "") != strings.Join(want, "") {
			t.Errorf("inventories of %s: %v, want %v", text, listed, want)
		}
	}
	for _, path := range []string{"/v1/nodes?select=disks.sise", "/v1/inventory?select=%26%26", "/v1/inventory?columns=a..b", "/v1/inventory?columns=colour", "/v1/inventory?format=xml"} {
		if status, body, _ := call(t, "GET", server.URL+path, ""); status != 400 {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	all := fetch[[]machine](t, server.URL+"/v1/inventory")
	if all[0].Name != "node1-2" || all[0].Version != 1 || all[0].Document["id"] != "u-"+mac || all[0].Document["node"] != nil ||
		len(all[1].Warnings) != 1 || all[2].Document != nil || all[2].Version != 0 {
		t.Errorf("list: %+v", all)
	}
	rows := fetch[[]map[string][]any](t, server.URL+"/v1/inventory?columns=node.id,disks.size,count(disks)&select=system")
	want := []map[string][]any{
		{"node.id": {mac}, "disks.size": {float64(1 << 40), 480e9}, "count(disks)": {2.0}},
		{"node.id": {mac2}, "disks.size": {480e9}, "count(disks)": {1.0}},
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
}

func TestCSV(t *testing.T) {
	_, server := keeper(t, t.TempDir(), false)
	greet(t, server, mac, "b1")
	greet(t, server, mac2, "b1")
	send(t, server, mac, machineOf(t, mac, "b1"))
	status, body, h := call(t, "GET", server.URL+"/v1/inventory?format=csv&columns=node.id,disks.model,disks.size,system.serial", "")
	want := "node.id,disks.model,disks.size,system.serial\r\n" +
		mac + `,"He said ""8"", twice",1099511627776;480000000000,"'=HYPERLINK(""x"")"` + "\r\n" +
		mac2 + ",,,\r\n"
	if status != 200 || body != want || !strings.HasPrefix(h.Get("Content-Type"), "text/csv") {
		t.Errorf("csv: %d %v\n%s\nwant\n%s", status, h, body, want)
	}
	_, body, _ = call(t, "GET", server.URL+"/v1/inventory?format=csv", "")
	rows, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	if err != nil || len(rows) != 3 || len(rows[1]) != len(rows[0]) || rows[1][0] != mac {
		t.Errorf("default columns: %v, %v", rows, err)
	}
	for text, want := range map[string]string{
		"": "", "-5": "-5", "-5.2": "-5.2", "=1": "'=1", "+x": "'+x", "@x": "'@x", "-x": "'-x", "\tx": "'\tx", "a=b": "a=b", "-1;-2": "'-1;-2",
	} {
		if got := cell(text); got != want {
			t.Errorf("cell %q: %q, want %q", text, got, want)
		}
	}
}

func TestSchema(t *testing.T) {
	_, server := head(t, t.TempDir())
	status, body, h := call(t, "GET", server.URL+"/schema/inventory.json", "")
	if status != 200 || !json.Valid([]byte(body)) || !strings.Contains(body, hardware.Schema) || h.Get("Content-Type") != "application/schema+json" {
		t.Errorf("schema: %d %v %.200s", status, h, body)
	}
}

// BenchmarkList is the page of a testbed of 400 servers.
func BenchmarkList(b *testing.B) {
	text, err := os.ReadFile("../../hardware/testdata/server.json")
	if err != nil {
		b.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	dir := b.TempDir()
	nodes, err := node.Open(filepath.Join(dir, "nodes"), log)
	if err != nil {
		b.Fatal(err)
	}
	store, err := inventories.Open(filepath.Join(dir, "inventory"), inventories.Options{Log: log})
	if err != nil {
		b.Fatal(err)
	}
	for i := range 400 {
		id := fmt.Sprintf("52:54:00:00:%02x:%02x", i>>8, i&255)
		nodes.Hello(id, api.Hello{MAC: id}, time.Now())
		if _, err := store.Put(id, text, time.Now()); err != nil {
			b.Fatal(err)
		}
	}
	handler := (&Site{Nodes: nodes, Inventory: store, Names: inventories.SystemNames(log), Log: log}).Handler()
	for name, path := range map[string]string{
		"page": "/inventory", "select": "/v1/nodes?select=" + url.QueryEscape(`disks.size>=1TB && nics.driver=="ice"`),
		"csv": "/v1/inventory?format=csv", "json": "/v1/inventory",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
				if w.Code != 200 {
					b.Fatal(w.Body)
				}
				b.SetBytes(int64(w.Body.Len()))
			}
		})
	}
}

// What a node says of itself does not make it another one.
func TestFind(t *testing.T) {
	s, _ := keeper(t, t.TempDir(), true)
	s.HostNames = map[string]string{mac2: "S9"}
	s.Nodes.Hello(mac2, api.Hello{MACs: []string{mac2}, Serial: "525400000099"}, time.Now())
	s.Nodes.Hello(mac, api.Hello{MACs: []string{mac, mac2}, Serial: "S9"}, time.Now())
	for name, want := range map[string]string{mac: mac, mac2: mac2, "S9": mac2, "525400000099": mac2, "": "", "x": ""} {
		if n, ok := s.find(name); n.ID != want || ok != (want != "") {
			t.Errorf("%q is %q, want %q", name, n.ID, want)
		}
	}
}

func TestCell(t *testing.T) {
	for text, want := range map[string]string{"": "", "a=b": "a=b", "=a": "'=a", "-5.2": "-5.2", "-5;=cmd|x;2": "'-5;'=cmd|x;2", "-1;-2": "'-1;-2", "a;": "a;", "\n=1": "'\n=1", "@x": "'@x"} {
		if got := cell(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
