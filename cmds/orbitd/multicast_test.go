package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/frisbee"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

const (
	headURL = "http://" + host + ":8080"
	roomURL = headURL + "/v1/multicast"
)

// noise is a file of random bytes.
func noise(seed byte, size int) []byte {
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

func (n *namespace) ask(image string) api.Room {
	n.t.Helper()
	status, body := n.call(http.MethodPost, roomURL, fmt.Sprintf(`{"image":%q}`, image))
	var room api.Room
	if err := json.Unmarshal([]byte(body), &room); status != http.StatusOK || err != nil {
		n.t.Fatalf("ask for the room of %s: %d %s", image, status, body)
	}
	return room
}

func (n *namespace) put(name string, data []byte) (status int, reply string) {
	n.t.Helper()
	return n.call(http.MethodPut, headURL+"/images/"+name, string(data))
}

// receive joins a room and gives the file that is sent there.
func (n *namespace) receive(peer netip.AddrPort, size int64, classic bool) ([]byte, error) {
	got := make([]byte, size)
	var mu sync.Mutex
	var c *frisbee.Client
	err := n.within(func() (err error) {
		c, err = frisbee.NewClient(frisbee.ClientOptions{
			Peer: peer, Interface: "eth0", Bytes: uint64(size), Classic: classic,
			Chunk: func(_ context.Context, k int32, data []byte) error {
				mu.Lock()
				defer mu.Unlock()
				copy(got[int64(k)*wire.ChunkSize:], data)
				return nil
			},
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithTimeout(n.t.Context(), 20*time.Second)
	defer stop()
	return got, c.Run(ctx)
}

func (n *namespace) sessions() (list []api.Session) {
	n.t.Helper()
	if err := json.Unmarshal([]byte(n.get(roomURL)), &list); err != nil {
		n.t.Fatal(err)
	}
	return list
}

// await asks until something is so.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited 30 s for: %s", what)
		}
	}
}

func writeImage(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "images", name), data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestMulticastSession has two nodes share a session, which ends by itself.
func TestMulticastSession(t *testing.T) {
	head := newHead(t)
	dir := t.TempDir()
	stop := head.serve(dir, "--multicast-idle", "4s", "--multicast-group", "239.200.1.0/24", "--multicast-ports", "9000-9009", "--multicast-rate", "400M")
	one, two := newNode(t, head, "one", mac1, "10.77.0.11/24"), newNode(t, head, "two", mac2, "10.77.0.12/24")
	if status, body := one.call(http.MethodPost, headURL+"/v1/nodes/"+mac1+"/hello", `{"mac":"`+mac1+`","address":"10.77.0.11"}`); status != http.StatusNoContent {
		t.Fatalf("hello: %d %s", status, body)
	}
	file := noise(1, 5<<20+321)
	writeImage(t, dir, "a.img", file)
	if list := one.sessions(); len(list) != 0 {
		t.Fatalf("sessions before anybody asked: %+v", list)
	}
	room := one.ask(headURL + "/images/a.img")
	if again := two.ask("a.img"); again != room {
		t.Errorf("two nodes got two rooms: %+v and %+v", room, again)
	}
	if !netip.MustParsePrefix("239.200.1.0/24").Contains(room.Peer.Addr()) || room.Peer.Port() < 9000 || room.Peer.Port() > 9009 ||
		room.Server != netip.MustParseAddr(host) || room.Size != int64(len(file)) || room.Image != "a.img" || room.ETag == "" {
		t.Errorf("room %+v", room)
	}
	var all sync.WaitGroup
	for _, n := range []*namespace{one, two} {
		all.Go(func() {
			got, err := n.receive(room.Peer, room.Size, false)
			if err != nil || !bytes.Equal(got, file) {
				t.Errorf("receive: %v, equal %v", err, bytes.Equal(got, file))
			}
		})
	}
	all.Wait()
	list := one.sessions()
	if len(list) != 1 || list[0].Joined != 2 || list[0].Clients != 0 || list[0].Interface != "br0" || list[0].Room != room {
		t.Errorf("sessions %+v", list)
	} else if r := list[0].Rate; r <= 0 || r > 400_000_000 {
		t.Errorf("it sends at %d bit/s, and may at 400000000", r)
	} else if n := list[0].Bytes; n < uint64(len(file)) || n > uint64(len(file))*17/10 {
		t.Errorf("%d bytes sent for a file of %d bytes that two nodes wanted at the same time", n, len(file))
	}
	if out, err := head.orbitd("multicast"); err != nil || !strings.Contains(out, "a.img") || !strings.Contains(out, "0 of 2") {
		t.Errorf("orbitd multicast: %v\n%s", err, out)
	}
	await(t, "the session ends", func() bool { return len(one.sessions()) == 0 })
	log := stop()
	for what, want := range map[string]int{
		`msg="node joins the multicast"`: 2, `msg="node leaves the multicast"`: 2, `msg="multicast session begins"`: 1, `msg="multicast session ends"`: 1,
		"node=" + mac1 + " address=10.77.0.11": 3, // and that it is up
	} {
		if got := strings.Count(log, what); got != want {
			t.Errorf("the log has %s %d times, want %d", what, got, want)
		}
	}
}

// TestMulticastReplaced has each version of an image have a session of its own.
func TestMulticastReplaced(t *testing.T) {
	head := newHead(t)
	head.serve(t.TempDir())
	one := newNode(t, head, "one", mac1, "10.77.0.11/24")
	before, after := noise(2, 2<<20), noise(3, 2<<20)
	if status, body := one.put("a.img", before); status != http.StatusCreated {
		t.Fatalf("put: %d %s", status, body)
	}
	old := one.ask("a.img")
	if status, body := one.put("a.img", after); status != http.StatusNoContent {
		t.Fatalf("put again: %d %s", status, body)
	}
	fresh := one.ask("a.img")
	if old.ETag == fresh.ETag || old.Peer.Addr() == fresh.Peer.Addr() || old.Peer.Port() == fresh.Peer.Port() {
		t.Errorf("one room for two versions: %+v and %+v", old, fresh)
	}
	for _, test := range []struct {
		room api.Room
		want []byte
	}{{old, before}, {fresh, after}} {
		got, err := one.receive(test.room.Peer, test.room.Size, false)
		if err != nil || !bytes.Equal(got, test.want) {
			t.Errorf("receive from %s: %v, equal %v", test.room.Peer, err, bytes.Equal(got, test.want))
		}
	}
}

func TestMulticastRefused(t *testing.T) {
	head := newHead(t)
	dir := t.TempDir()
	head.serve(dir, "--multicast-sessions", "1")
	one := newNode(t, head, "one", mac1, "10.77.0.11/24")
	writeImage(t, dir, "a.img", noise(4, 4096))
	writeImage(t, dir, "b.img", noise(5, 4096))
	writeImage(t, dir, "empty", nil)
	for _, test := range []struct {
		from      *namespace
		url, body string
		status    int
		words     string
	}{
		{one, roomURL, `{"image":"none"}`, 404, "none"},
		{one, roomURL, `{"image":"http://elsewhere/images/a.img"}`, 404, "at this head"},
		{one, roomURL, `{"image":"../state/leases.json"}`, 400, "image name"},
		{one, roomURL, `{"image":"a.img","root":"` + strings.Repeat("0", 64) + `"}`, 409, "another one"},
		{one, roomURL, `{"image":"empty"}`, 422, "0 bytes"},
		{one, roomURL, `{"image":`, 400, "bad request"},
		{head, "http://127.0.0.1:8080/v1/multicast", `{"image":"a.img"}`, 503, "interface lo has none"},
		{one, roomURL, `{"image":"a.img"}`, 200, "peer"},
		{one, roomURL, `{"image":"b.img"}`, 503, "1 multicast sessions already"},
		{one, roomURL, `{"image":"/images/a.img"}`, 200, "peer"},
	} {
		status, body := test.from.call(http.MethodPost, test.url, test.body)
		if status != test.status || !strings.Contains(body, test.words) {
			t.Errorf("%s: %d %s, want %d and %q", test.body, status, body, test.status, test.words)
		}
	}
}

func TestMulticastOff(t *testing.T) {
	head := newHead(t)
	dir := t.TempDir()
	head.serve(dir, "--no-multicast")
	one := newNode(t, head, "one", mac1, "10.77.0.11/24")
	writeImage(t, dir, "a.img", noise(4, 4096))
	if status, body := one.call(http.MethodPost, roomURL, `{"image":"a.img"}`); status != http.StatusServiceUnavailable || !strings.Contains(body, "no images by multicast") {
		t.Errorf("%d %s", status, body)
	}
	if list := one.sessions(); len(list) != 0 {
		t.Errorf("sessions %+v", list)
	}
}

func TestMulticastPortsInUse(t *testing.T) {
	head := newHead(t)
	dir := t.TempDir()
	head.serve(dir, "--multicast-ports", "67-68") // orbitd itself has the first one
	one := newNode(t, head, "one", mac1, "10.77.0.11/24")
	writeImage(t, dir, "a.img", noise(4, 4096))
	writeImage(t, dir, "b.img", noise(5, 4096))
	if room := one.ask("a.img"); room.Peer.Port() != 68 {
		t.Errorf("room at %s", room.Peer)
	}
	if status, body := one.call(http.MethodPost, roomURL, `{"image":"b.img"}`); status != http.StatusServiceUnavailable || !strings.Contains(body, "all ports are in use") {
		t.Errorf("%d %s", status, body)
	}
}

// TestSums fetches the digests of an image's chunks.
func TestSums(t *testing.T) {
	head := newHead(t)
	dir := t.TempDir()
	head.serve(dir)
	one := newNode(t, head, "one", mac1, "10.77.0.11/24")
	file := noise(8, 19<<20+5)
	writeImage(t, dir, "a.ndz", file)
	url := headURL + "/images/a.ndz" + frisbee.SumsSuffix
	text := one.get(url)
	if again := one.get(url); again != text {
		t.Error("other sums the second time")
	}
	sums, err := frisbee.ParseSums([]byte(text), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	for k := int32(0); int(k) <= len(file)/wire.ChunkSize; k++ {
		if off := int(k) * wire.ChunkSize; !sums.Check(k, file[off:min(off+wire.ChunkSize, len(file))]) {
			t.Errorf("chunk %d does not match", k)
		}
	}
	if status, body := one.call(http.MethodGet, headURL+"/images/none.ndz.sums", ""); status != http.StatusNotFound {
		t.Errorf("sums of no image: %d %s", status, body)
	}
}

func TestMulticastFlags(t *testing.T) {
	for _, test := range []struct{ args, words string }{
		{"--multicast-group 10.0.0.0/8", "not within 224.0.0.0/4"},
		{"--multicast-group 239.0.0.0/24", "switches send everywhere"},
		{"--multicast-group x", "not a prefix"},
		{"--multicast-ports 9-8", "not FIRST-LAST"},
		{"--multicast-rate -1", "give bits in a second"},
		{"--multicast-rate 400MB", "give bits in a second"},
		{"--multicast-share 0", "--multicast-share"},
		{"--multicast-ttl 0", "--multicast-ttl"},
		{"--multicast-ttl 256", "ttl 256"},
		{"--multicast-sessions -1", "one at least"},
		{"--frisbee-master x", "not an IPv4"},
		{"--frisbee-master [::1]:1", "not an IPv4"},
		{"--frisbee-upload", "is for --frisbee-master"},
		{"--no-multicast --frisbee-master :1", "excludes"},
	} {
		var out strings.Builder
		_, _, err := serveConfig(&out, strings.Fields("--interface x --dir x "+test.args))
		if err == nil || !strings.Contains(err.Error(), test.words) {
			t.Errorf("%s: %v, want %q", test.args, err, test.words)
		}
	}
	var out strings.Builder
	c, _, err := serveConfig(&out, strings.Fields("--interface x --dir x --multicast-group 239.1.2.3 --multicast-ports 7000 --multicast-rate 1.5G --frisbee-master 10.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(c.Multicast.Groups, c.Multicast.First, c.Multicast.Last, c.Multicast.MaxRate, c.Multicast.Share, c.Frisbee)
	if diff := cmp.Diff("239.1.2.3/32 7000 7000 1500000000 0.9 10.0.0.1:64494", got); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
}

func command(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w: %s", name, args, err, out)
	}
	return nil
}
