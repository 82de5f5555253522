//go:build !node

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/hardware"
)

// trying runs orbit burnin --here for a second, and reads the result.
func trying(t *testing.T, args ...string) (out, errs string, status int, b *hardware.Burnin) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "run", "burnin.json")
	out, errs, status = orbit(t, append([]string{"burnin", "--here", "--for", "2s", "--result", file}, args...)...)
	text, err := os.ReadFile(file)
	if err != nil {
		return out, errs, status, nil
	}
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	return out, errs, status, b
}

func TestBurninHere(t *testing.T) {
	out, errs, status, b := trying(t, "--memory", "0.01", "--cpu")
	if status != 0 || b == nil || !b.Passed || len(b.Tests) != 2 || b.Tests[0].ID != "memory" || b.Tests[1].ID != "cpu" {
		t.Fatalf("status %d, %+v\n%s%s", status, b, out, errs)
	}
	if !strings.Contains(out, "\nmemory  passed  ") || !strings.Contains(out, "\ncpu     passed  ") {
		t.Errorf("printed:\n%s", out)
	}
	out, errs, status, b = trying(t, "--cpu", "--json")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var first api.Event
	var last struct{ Receipt *hardware.Burnin }
	err := json.Unmarshal([]byte(lines[0]), &first)
	err2 := json.Unmarshal([]byte(lines[len(lines)-1]), &last)
	if status != 0 || err != nil || err2 != nil || first.Step != api.BurninStep || last.Receipt == nil || !last.Receipt.Passed || len(b.Tests) != 1 {
		t.Errorf("status %d, %v, %v\n%s%s", status, err, err2, out, errs)
	}
}

func TestBurninFault(t *testing.T) {
	out, errs, status, b := trying(t, "--network", "--head", "http://127.0.0.1:1")
	if status != 1 || b == nil || b.Passed || !strings.Contains(errs, "burnin: network: ") || !strings.Contains(errs, "connection refused") || !strings.Contains(out, "network  FAILED") {
		t.Errorf("status %d, %+v\n%s%s", status, b, out, errs)
	}
}

func TestBurninUsage(t *testing.T) {
	for _, x := range []struct {
		args   string
		status int
		words  string
	}{
		{"", 2, "want --here, or NODE"},
		{"--here node1", 2, "--here is for this machine"},
		{"--here --all", 2, "--here is for this machine"},
		{"--here --for 1", 2, `for "1"`},
		{"--here --memory 1", 2, "up to 0.95"},
		{"--here --memory 0", 2, "more than 0"},
		{"--here --memory x", 2, "--memory"},
		{"--here --cpu --destructive all", 2, "does not test disks"},
		{"--here --disk --destructive serial=none-such", 3, "no disk matches"},
		{"--here --network --head x", 3, "not an http"},
		{"--here --network", 3, "say which"},
		{"--here --cpu --dry-run", 0, "for 10 min 00 s: "},
		{"--all --select x", 2, "not several"},
		{"--select ((", 2, "--select"},
		{"--all --dry-run", 2, "is for --here"},
		{"--all --head http://127.0.0.1:1", 1, "ask head"},
		{"--help", 0, "ALL THAT IS ON IT IS LOST"},
	} {
		out, errs, status := orbit(t, append([]string{"burnin"}, strings.Fields(x.args)...)...)
		if status != x.status || !strings.Contains(out+errs, x.words) {
			t.Errorf("%s: status %d, want %d, %q in\n%s%s", x.args, status, x.status, x.words, out, errs)
		}
	}
}

// A head gives the nodes the job, and whoever waits gets to see how it ended.
func TestBurninNodes(t *testing.T) {
	head := stockedHead(t)
	post := func(id, what, body string) error {
		resp, err := http.Post(head+"/v1/nodes/"+id+"/"+what, "application/json", strings.NewReader(body))
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusNoContent {
			return fmt.Errorf("%s %s: %s", id, what, resp.Status)
		}
		return nil
	}
	jobOf := func(id string) (api.Node, error) {
		resp, err := http.Get(head + "/v1/nodes/" + id)
		if err != nil {
			return api.Node{}, err
		}
		defer resp.Body.Close()
		var n api.Node
		return n, json.NewDecoder(resp.Body).Decode(&n)
	}
	out, errs, status := orbit(t, "burnin", "--head", head, "--for", "1h", "--memory", "0.5", "--disk", "--destructive", "first", "--then", "poweroff", nodeC)
	n, err := jobOf(nodeC)
	if want := `{"for":"1h","tests":["memory","disk"],"memory":0.5,"destructive":"first"}`; status != 0 || err != nil || n.Job == nil || text(t, n.Job.Burnin) != want || n.Job.Then != api.Poweroff {
		t.Errorf("status %d %s%s, %v, job %s", status, out, errs, err, text(t, n.Job))
	}

	ended := make(chan error, 1)
	go func() { ended <- endBurnins(post, jobOf) }()
	out, errs, status = orbit(t, "burnin", "--head", head, "--for", "1s", "--cpu", "--wait", nodeA, nodeB)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if status != 1 || !strings.Contains(errs, "1 of 2 nodes failed") {
		t.Errorf("status %d: %s", status, errs)
	}
	for _, want := range []string{nodeA + " passed", nodeB + " FAILED: cpu: cpu 1", nodeA + "  cpu   passed", nodeB + "  cpu   FAILED: cpu 1 computed"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// endBurnins is two nodes that do their jobs.
func endBurnins(post func(id, what, body string) error, jobOf func(string) (api.Node, error)) error {
	for id, fault := range map[string]string{nodeA: "", nodeB: "cpu 1 computed 2 of 64 kinds of work wrong"} {
		var n api.Node
		for end := time.Now().Add(20 * time.Second); n.Job == nil; time.Sleep(20 * time.Millisecond) {
			var err error
			if n, err = jobOf(id); err != nil || time.Now().After(end) {
				return fmt.Errorf("node %s has no job (%v)", id, err)
			}
		}
		b := hardware.Burnin{Passed: fault == "", Tests: []hardware.BurninTest{{ID: "cpu", Passed: fault == "", Error: fault, Readings: &hardware.BurninTestReadings{Bytes: 5 << 30, Rate: 1 << 30}}}}
		d := hardware.Document{Schema: hardware.Schema, ID: id, Burnin: &b, Readings: &hardware.Taken{Time: time.Now(), Boot: "three"}}
		doc, err := json.Marshal(d)
		if err != nil {
			return err
		}
		if err := post(id, "inventory", string(doc)); err != nil {
			return err
		}
		failure := ""
		if fault != "" {
			failure = "cpu: " + fault
		}
		if err := post(id, "result", fmt.Sprintf(`{"job":%q,"ok":%v,"error":%q}`, n.Job.ID, b.Passed, failure)); err != nil {
			return err
		}
	}
	return nil
}
