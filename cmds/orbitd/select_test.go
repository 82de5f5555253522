package main

import (
	"net/http"
	"strings"
	"testing"
)

// TestSelect names nodes by what they are made of, and sees which are held.
func TestSelect(t *testing.T) {
	head := newHead(t)
	head.serve(t.TempDir(), "--on-change", "hold", "--reserve", mac2+"=10.77.0.12,rack1-2")
	one, two := newNode(t, head, "one", mac1, "10.77.0.11/24"), newNode(t, head, "two", mac2, "10.77.0.12/24")
	say := func(n *namespace, mac, what, body string, want int) string {
		t.Helper()
		status, reply := n.call(http.MethodPost, headURL+"/v1/nodes/"+mac+"/"+what, body)
		if status != want {
			t.Fatalf("%s %s: %d %s", mac, what, status, reply)
		}
		return reply
	}
	boot := func(n *namespace, mac, boot, disks string, want int) {
		t.Helper()
		say(n, mac, "inventory", `{"schema":"orbit-inventory/1","id":"x","disks":[`+disks+`],"readings":{"time":"2026-11-24T10:00:00Z","took":0.1,"boot":"`+boot+`"}}`, 204)
		say(n, mac, "hello", `{"mac":"`+mac+`","serial":"S`+mac[len(mac)-1:]+`","boot":"`+boot+`"}`, want)
	}
	const small, large = `{"id":"s","name":"sda","size":500107862016,"rotational":true}`, `{"id":"l","name":"sdb","size":4000787030016}`
	say(one, mac1, "hello", `{"mac":"`+mac1+`","serial":"S1","boot":"a"}`, 204)
	say(two, mac2, "hello", `{"mac":"`+mac2+`","serial":"S2","boot":"b"}`, 204)
	boot(one, mac1, "a", small, 204)
	boot(two, mac2, "b", small+","+large, 204)

	orbitd := func(args ...string) (string, bool) {
		out, err := head.orbitd(append(args, "--head", headURL)...)
		return out, err == nil
	}
	for _, test := range []struct {
		args       []string
		ok         bool
		has, lacks string
	}{
		{[]string{"nodes", "--select", "disks[size>=1TB && !rotational]"}, true, mac2, mac1},
		{[]string{"nodes", "--select", "count(disks)==1", "--json"}, true, mac1, mac2},
		{[]string{"nodes", "--select", "disks.size>=100TB"}, false, "--select holds for no node", mac1},
		{[]string{"nodes", "--select", "disk"}, false, "there is no disk here", mac1},
		{[]string{"assign", "--select", `disks.size>=1TB`, "--job", "shell"}, true, mac2 + " shell job", mac1},
		{[]string{"assign", mac1, "--select", "disks", "--job", "shell"}, false, "assign needs one NODE, or all, or --select", "assigned"},
		{[]string{"assign", "--select", " ", "--job", "shell"}, false, "query not understood at its end", "assigned"},
		{[]string{"assign", "--select", "", "--job", "shell"}, false, "assign needs one NODE", "assigned"},
		{[]string{"clear", "--select", `node.job.kind=="shell"`}, true, "", mac1},
		{[]string{"clear", "--select", `node.job.kind=="shell"`}, false, "--select holds for no node", ""},
		{[]string{"assign", "rack1-2", "--job", "boot"}, true, mac2 + " boot job", ""},
		{[]string{"assign", "S1", "--job", "boot"}, true, mac1 + " boot job", ""},
	} {
		out, ok := orbitd(test.args...)
		if ok != test.ok || !strings.Contains(out, test.has) || test.lacks != "" && strings.Contains(out, test.lacks) {
			t.Errorf("%q: %v, want %v, %q and not %q in\n%s", test.args, ok, test.ok, test.has, test.lacks, out)
		}
	}

	boot(one, mac1, "c", small, 200)
	boot(two, mac2, "d", small, 204) // without its large disk, and so without its job
	out, _ := orbitd("nodes", "--select", "node.held")
	if strings.Contains(out, mac1) || !strings.Contains(out, " held ") || !strings.Contains(out, "disks[l]: gone") {
		t.Errorf("nodes that are held:\n%s", out)
	}
	if status, reply := head.call(http.MethodPost, headURL+"/v1/nodes/"+mac2+"/inventory/accept", ""); status != 200 {
		t.Fatalf("accept: %d %s", status, reply)
	}
	if out, _ := orbitd("nodes"); strings.Contains(out, "held") || !strings.Contains(out, mac2) {
		t.Errorf("after that:\n%s", out)
	}
}
