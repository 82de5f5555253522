package main

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/ndz/ndztest/packed"
)

// orbitOf is the Orbit image of a disk.
func orbitOf(t *testing.T, disk []byte) []byte {
	t.Helper()
	p, err := image.NewPacker(1, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	x := image.Index{Size: int64(len(disk)), Sector: 512, Used: extent.NewSet(extent.Range{End: int64(len(disk))})}
	var out bytes.Buffer
	w, err := image.NewWriter(&out, x)
	if err != nil {
		t.Fatal(err)
	}
	for i := range x.Spans() {
		r := x.SpanRange(i)
		if err := w.Append(p.Pack(nil, disk[r.Off:r.End])); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// imagenode builds the program.
func imagenode(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds imagenode")
	}
	program := filepath.Join(t.TempDir(), "imagenode")
	if out, err := exec.Command("go", "build", "-o", program, "../imagenode").CombinedOutput(); err != nil {
		t.Fatalf("build imagenode: %v\n%s", err, out)
	}
	return program
}

// TestImagenodeWithoutMulticast has a node listen where nothing is sent. That it
// goes by HTTP is in the head's log once, and in its table.
func TestImagenodeWithoutMulticast(t *testing.T) {
	program := imagenode(t)
	head := newHead(t)
	dir := t.TempDir()
	stop := head.serve(dir)
	one := newNode(t, head, "one", mac1, "10.77.0.11/24")
	disk := noise(10, 4<<20)
	writeImage(t, dir, "a.img.zst", orbitOf(t, disk))
	target := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(target, make([]byte, len(disk)), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := head.orbitd("assign", mac1, "--image", "a.img.zst", "--disk", target, "--multicast"); err != nil {
		t.Fatalf("assign: %v\n%s", err, out)
	}
	cmd := exec.Command(program, "--json", "--multicast", "239.192.99.1:20999%eth0", headURL+"/images/a.img.zst", target)
	var out, words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &words
	err := one.within(cmd.Run)
	if got, rerr := os.ReadFile(target); err != nil || rerr != nil || !bytes.Equal(got, disk) {
		t.Fatalf("imagenode: %v, disk written: %v\n%s", err, bytes.Equal(got, disk), words.String())
	}
	events, _, _ := strings.Cut(out.String(), `{"receipt":`)
	for range 2 { // an agent that did not hear that they arrived sends them again
		if status, body := one.call("POST", headURL+"/v1/nodes/"+mac1+"/events", events); status != 204 {
			t.Fatalf("events: %d %s", status, body)
		}
	}
	if out, err := head.orbitd("nodes"); err != nil || !strings.Contains(out, "(multicast does not arrive)") {
		t.Errorf("nodes: %v\n%s", err, out)
	}
	log := stop()
	if got := strings.Count(log, `level=WARN msg="node reports" node=`+mac1+` step=fetch state=note`); got != 1 || !strings.Contains(log, "multicast does not arrive") {
		t.Errorf("%d warnings in the log, want 1", got)
	}
}

// TestImagenodesShareSession has two nodes get the job, ask for the room as the
// agent does, and write the image with the real program.
func TestImagenodesShareSession(t *testing.T) {
	program := imagenode(t)
	head := newHead(t)
	dir := t.TempDir()
	head.serve(dir)
	nodes := map[string]*namespace{
		mac1: newNode(t, head, "one", mac1, "10.77.0.11/24"), mac2: newNode(t, head, "two", mac2, "10.77.0.12/24"),
	}
	disk := make([]byte, 8<<20)
	rand.NewChaCha8([32]byte{9}).Read(disk[1<<20 : 6<<20])
	for name, file := range map[string][]byte{"a.img.zst": orbitOf(t, disk), "a.ndz": packed.Disk(t, disk)} {
		t.Run(name, func(t *testing.T) {
			if status, body := nodes[mac1].put(name, file); status != 201 {
				t.Fatalf("put: %d %s", status, body)
			}
			var all sync.WaitGroup
			for mac, n := range nodes {
				target := filepath.Join(t.TempDir(), "disk")
				if err := os.WriteFile(target, make([]byte, 8<<20), 0o644); err != nil {
					t.Fatal(err)
				}
				if out, err := head.orbitd("assign", mac, "--image", name, "--disk", target, "--multicast"); err != nil {
					t.Fatalf("assign: %v\n%s", err, out)
				}
				var job api.Job
				if err := json.Unmarshal([]byte(n.get(headURL+"/v1/nodes/"+mac+"/job")), &job); err != nil || !job.Multicast || job.SHA256 != "" {
					t.Fatalf("job %+v, %v", job, err)
				}
				room := n.ask(job.Image)
				all.Go(func() {
					cmd := exec.Command(program, "--json", "--multicast", room.Peer.String()+"%eth0", job.Image, job.Disk)
					var out, words bytes.Buffer
					cmd.Stdout, cmd.Stderr = &out, &words
					err := n.within(cmd.Run)
					if got, rerr := os.ReadFile(target); err != nil || rerr != nil || !bytes.Equal(got, disk) {
						t.Errorf("imagenode: %v, disk written: %v\n%s%s", err, bytes.Equal(got, disk), words.String(), out.String())
					}
					if strings.Contains(out.String(), `"warn":true`) {
						t.Errorf("imagenode warns:\n%s", out.String())
					}
				})
			}
			all.Wait()
			for _, s := range nodes[mac1].sessions() {
				if s.Image == name && (s.Joined != 2 || s.Bytes < 5<<20) {
					t.Errorf("session %+v", s)
				}
			}
			await(t, "both left", func() bool {
				for _, s := range nodes[mac1].sessions() {
					if s.Clients > 0 {
						return false
					}
				}
				return true
			})
		})
	}
}
