package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/head/client"
	inventories "github.com/orbit-pxe/orbit/pkg/head/hardware"
	"github.com/orbit-pxe/orbit/pkg/head/images"
	"github.com/orbit-pxe/orbit/pkg/head/node"
	"github.com/orbit-pxe/orbit/pkg/head/web"
)

const (
	nodeA = "52:54:00:00:00:0a"
	nodeB = "52:54:00:00:00:0b"
	nodeC = "52:54:00:00:00:0c"
)

// stockedHead is a head that holds nodes which change. It knows three: the
// server of pkg/hardware/testdata, a small machine that lost a module since its
// first boot, and one that has not said what it is made of.
func stockedHead(t *testing.T) string {
	t.Helper()
	dir, log := t.TempDir(), slog.New(slog.DiscardHandler)
	nodes, err := node.Open(filepath.Join(dir, "nodes"), log)
	if err != nil {
		t.Fatal(err)
	}
	store, err := images.Open(filepath.Join(dir, "images"))
	if err != nil {
		t.Fatal(err)
	}
	policy := inventories.Policy{Hold: true, Ignore: inventories.DefaultIgnore(), Report: inventories.DefaultReport()}
	stock, err := inventories.Open(filepath.Join(dir, "inventory"), inventories.Options{Policy: policy, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	site := &web.Site{Nodes: nodes, Images: store, Inventory: stock, HostNames: map[string]string{nodeA: "rack1-1"}, Log: log}
	server := httptest.NewServer(site.Handler())
	t.Cleanup(server.Close)

	full, err := os.ReadFile("../../pkg/hardware/testdata/server.json")
	if err != nil {
		t.Fatal(err)
	}
	post := func(id, what, body string) {
		t.Helper()
		resp, err := http.Post(server.URL+"/v1/nodes/"+id+"/"+what, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusNoContent {
			t.Fatalf("%s %s: %s", id, what, resp.Status)
		}
	}
	const small = `{"schema":"orbit-inventory/1","id":"S2","system":{"vendor":"Acme","product":"Anvil","serial":"S2"},` +
		`"memory":{"total":%d,"modules":[{"id":"A1","size":1073741824}%s]},"readings":{"time":"2026-11-24T10:00:00Z","took":0.1,"boot":"%s"}}`
	for _, id := range []string{nodeA, nodeB, nodeC} {
		post(id, "hello", fmt.Sprintf(`{"mac":%q,"address":"10.0.0.%d","serial":"S-%[1]s"}`, id, len(id)))
	}
	post(nodeA, "inventory", string(full))
	post(nodeB, "inventory", fmt.Sprintf(small, 2<<30, `,{"id":"A2","size":1073741824,"type":"DDR4"}`, "one"))
	post(nodeB, "hello", fmt.Sprintf(`{"mac":%q}`, nodeB))
	post(nodeB, "inventory", fmt.Sprintf(small, 1<<30, "", "two"))
	return server.URL
}

// take runs orbit inventory.
func take(t *testing.T, url string, args ...string) (stdout, stderr string, exitCode int) {
	t.Helper()
	var out, errs bytes.Buffer
	err := run(t.Context(), &out, &errs, append([]string{"inventory", "--head", url}, args...))
	exitCode = code(&errs, err)
	return out.String(), errs.String(), exitCode
}

func TestInventory(t *testing.T) {
	url := stockedHead(t)
	for _, test := range []struct {
		args string // words between blanks
		code int
		want []string // of it all, in order
		not  string
	}{
		{"rack1-1", 0, []string{"Node       " + nodeA + ", rack1-1, 10.0.0.17\n           version 1, ", "Warnings   ", "System     Dell Inc. PowerEdge R640", "nvme0n1", "Taken "}, "HELD"},
		{nodeB, 0, []string{nodeB, "version 2, since ", "HELD       its hardware is not what was accepted: memory.modules[A2]: gone", "Acme Anvil"}, "Warning"},
		{":0b", 0, []string{"HELD"}, ""},
		{nodeC, 1, []string{"no inventory of " + nodeC + " has come yet"}, ""},
		{"52:54:00:00:00:99", 1, []string{"node 52:54:00:00:00:99 has not reported yet"}, ""},
		{"nobody", 1, []string{`node "nobody": none has this MAC address, serial number or name`}, ""},

		{"", 0, []string{"NODE ", " MACHINE ", " MEMORY ", nodeA, " rack1-1 ", "Dell Inc. PowerEdge R640", "192 GiB", "2.2 TiB sas, 1.7 TiB nvme", " ago ", "B5RNN2X", "Intel Xeon Gold 6230", "2 x i40e", "USRP B200, USRP X300",
			nodeB, "Acme Anvil", "1.0 GiB", "held: its hardware", nodeC, "no inventory has come yet"}, ""},
		{"all", 0, []string{nodeA, nodeB, nodeC}, "Processors"},
		{"all " + nodeA, 2, []string{"not several of them"}, ""},
		{nodeC + " --json", 1, []string{"no inventory of " + nodeC + " has come yet"}, "["},
		{"--all", 0, []string{nodeA, nodeB, nodeC}, ""},
		{nodeA + " " + nodeB, 0, []string{nodeA, nodeB}, nodeC},
		{"--select disks[size>=1TB&&!rotational]", 0, []string{nodeA}, nodeB},
		{`--select node.held=~"gone"`, 0, []string{nodeB}, nodeA},
		{"--select !memory", 0, []string{nodeC}, nodeA},
		{"--select disks.size>9000TB", 1, []string{"--select holds for no node"}, ""},
		{"--select disk", 1, []string{"head refuses: query not understood", "there is no disk here"}, ""},
		{"--select disks.size>", 2, []string{"--select: query not understood at its end: expected a value"}, ""},

		{"--history " + nodeB, 0, []string{"version 2, ", "  memory.modules[A2]: gone (DDR4, 1.0 GiB)\n", "  memory.total: 2.0 GiB -> 1.0 GiB\n", "version 1, ", ", accepted "}, nodeB},
		{"--history --all", 1, []string{nodeA + "\nversion 1, ", nodeB + "\nversion 2, ", "inventory: " + nodeC + ": head refuses: no inventory of this node has come yet"}, ""},
		{"--diff " + nodeB, 1, []string{"memory.modules[A2]: gone (DDR4, 1.0 GiB)\n", "memory.total: 2.0 GiB -> 1.0 GiB\n"}, nodeB},
		{"--diff " + nodeB + " --from 2 --at 1", 1, []string{"memory.modules[A2]: new (DDR4, 1.0 GiB)\n"}, nodeB},
		{"--diff " + nodeB + " --from 7", 2, []string{"no such version"}, ""},
		{"--diff " + nodeA, 0, nil, "memory"},
		{"--diff " + nodeA + " " + nodeB, 1, []string{nodeB + "  memory.modules[A2]: gone"}, nodeA},
		{"--diff --all", 2, []string{nodeB + "  memory.modules[A2]: gone", nodeC + ": head refuses"}, ""},
		{"--at 1 " + nodeB, 0, []string{"version 1\n", "2.0 GiB", "A2"}, ""},
		{"--at accepted " + nodeA + " " + nodeB, 0, []string{nodeA + ", version 1\n", "\n\n", nodeB + ", version 1\n"}, ""},
		{"--at soon " + nodeB, 1, []string{"no such version"}, ""},

		{"--diff --history", 2, []string{"--history and --diff exclude each other"}, ""},
		{"--accept", 2, []string{"--accept needs a NODE, --select or --all"}, ""},
		{"--all " + nodeA, 2, []string{"not several of them"}, ""},
		{"--at 1 --history " + nodeA, 2, []string{"--at does not go with --history"}, ""},
		{"--from 1 " + nodeA, 2, []string{"--from is for --diff"}, ""},
		{"--json --csv default", 2, []string{"exclude each other"}, ""},
		{"--bogus", 2, []string{"not defined"}, ""},
		{"--help", 0, []string{"usage: orbit inventory [flags] [NODE...]", "Exit codes:", "-accept"}, ""},
	} {
		out, errs, got := take(t, url, strings.Fields(test.args)...)
		rest, ok := out+errs, got == test.code && (test.not == "" || !strings.Contains(out+errs, test.not))
		for _, want := range test.want {
			var found bool
			_, rest, found = strings.Cut(rest, want)
			ok = ok && found
		}
		if !ok || test.want == nil && out+errs != "" {
			t.Errorf("orbit inventory %s: code %d, want %d, %q and not %q in\n%s%s", test.args, got, test.code, test.want, test.not, out, errs)
		}
	}
	if _, errs, got := take(t, "http://127.0.0.1:9", "--all"); got != 1 || !strings.Contains(errs, "is orbitd serve running") {
		t.Errorf("without a head: code %d, %s", got, errs)
	}
}

func TestInventoryAccept(t *testing.T) {
	url := stockedHead(t)
	if out, errs, got := take(t, url, "--accept", "--select", "node.held"); got != 0 || out != nodeB+" is to be as it is now (version 2)\n" {
		t.Errorf("code %d\n%s%s", got, out, errs)
	}
	if out, _, got := take(t, url, nodeB); got != 0 || strings.Contains(out, "HELD") {
		t.Errorf("after that: code %d\n%s", got, out)
	}
	if _, errs, got := take(t, url, "--accept", nodeC); got != 1 || !strings.Contains(errs, "no inventory of this node has come yet") {
		t.Errorf("without an inventory: code %d, %s", got, errs)
	}
}

func TestInventoryJSON(t *testing.T) {
	url := stockedHead(t)
	get := func(into any, args ...string) {
		t.Helper()
		out, errs, got := take(t, url, append(args, "--json")...)
		if err := json.Unmarshal([]byte(out), into); err != nil || got > 1 {
			t.Fatalf("%q: %v, code %d\n%s%s", args, err, got, out, errs)
		}
	}
	var d, old map[string]any
	var list []client.Machine
	var past []client.Entry
	var changed []struct {
		Node string
		client.Comparison
	}
	get(&d, "rack1-1")
	get(&old, nodeB, "--at", "1")
	get(&list, "--all")
	get(&past, nodeB, "--history")
	get(&changed, nodeB, "--diff")
	got := []any{d["id"], old["id"], len(list), list[0].Name, list[1].Held != "", list[2].Version, len(past), past[0].Number, changed[0].Node, len(changed[0].Changes), changed[0].To.Number}
	want := []any{"4c4c4544-0042-3510-8052-b4c04f4e4e32", "S2", 3, "rack1-1", true, 0, 2, 2, nodeB, 2, 2}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestInventoryCSV(t *testing.T) {
	url := stockedHead(t)
	read := func(args ...string) [][]string {
		t.Helper()
		out, errs, got := take(t, url, args...)
		rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
		if err != nil || got != 0 {
			t.Fatalf("%q: %v, code %d\n%s%s", args, err, got, out, errs)
		}
		return rows
	}
	want := [][]string{{"node.id", "system.serial", "count(disks)", "disks[rotational].size"}, {nodeA, "B5RNN2X", "3", "2400476553216"}, {nodeB, "S2", "0", ""}}
	if diff := cmp.Diff(want, read("--csv", "node.id,system.serial,count(disks),disks[rotational].size", "--select", "system")); diff != "" {
		t.Error(diff)
	}
	if rows := read("--csv", "default", nodeA); len(rows) != 2 || len(rows[0]) < 10 {
		t.Errorf("%q", rows)
	}
	// More nodes than one query has room for.
	names := []string{"--csv", "node.id"}
	for i := range 150 {
		names = append(names, fmt.Sprintf("52:54:00:00:01:%02x", i))
	}
	if diff := cmp.Diff([][]string{{"node.id"}, {nodeA}, {nodeC}}, read(append(names, nodeA, nodeC)...)); diff != "" {
		t.Error(diff)
	}
	if _, errs, got := take(t, url, "--csv", "disk.size"); got != 1 || !strings.Contains(errs, "there is no disk here") {
		t.Errorf("code %d, %s", got, errs)
	}
}

// JSON of several nodes is one list that tells which they are.
func TestInventoryJSONOfSeveral(t *testing.T) {
	url := stockedHead(t)
	for _, args := range []string{"--history", "--at 1"} {
		out, errs, got := take(t, url, append(strings.Fields(args), nodeA, nodeB, "--json")...)
		var list []struct {
			Node     string
			History  []client.Entry
			Document map[string]any
		}
		if err := json.Unmarshal([]byte(out), &list); err != nil || got != 0 || len(list) != 2 || list[1].Node != nodeB || len(list[1].History) != 2 && list[1].Document["id"] != "S2" {
			t.Errorf("%s: %v, code %d\n%s%s", args, err, got, out, errs)
		}
	}
}

// A node that says odd things spoils the list of no other.
func TestInventoryOfLiars(t *testing.T) {
	url := stockedHead(t)
	for _, text := range []string{`"disks":7,"system":{"product":"Anvil"}`, `"readings":{"time":"soon"}`} {
		resp, err := http.Post(url+"/v1/nodes/"+nodeC+"/inventory", "application/json", strings.NewReader(`{"schema":"orbit-inventory/1",`+text+`}`))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusNoContent {
			t.Fatal(resp.Status)
		}
		if out, errs, got := take(t, url); got != 0 || !strings.Contains(out, nodeC) || !strings.Contains(out, "PowerEdge R640") {
			t.Errorf("%s: code %d\n%s%s", text, got, out, errs)
		}
	}
}
