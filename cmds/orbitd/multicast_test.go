package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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
	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/frisbee"
	"github.com/orbit-pxe/orbit/pkg/frisbee/master"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/pkg/ndz"
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

// ndzOf is an .ndz image of a disk.
func ndzOf(t *testing.T, disk []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	used := extent.NewSet(extent.Range{End: int64(len(disk))})
	if _, err := ndz.Write(t.Context(), &out, bytes.NewReader(disk), int64(len(disk)), used, ndz.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
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

// TestFrisbeeMaster has frisbee's own clients ask.
func TestFrisbeeMaster(t *testing.T) {
	head := newHead(t)
	dir := t.TempDir()
	stop := head.serve(dir, "--frisbee-master", ":64494", "--frisbee-upload")
	one, two := newNode(t, head, "one", mac1, "10.77.0.11/24"), newNode(t, head, "two", mac2, "10.88.0.12/24")
	image := ndzOf(t, noise(6, 3<<20))
	writeImage(t, dir, "debian.ndz", image)
	c := &master.Client{Server: netip.AddrPortFrom(netip.MustParseAddr(host), 0), Dial: one.dial}
	ctx := t.Context()

	before, err := c.Status(ctx, "testbed/debian")
	if err != nil || before.Running || before.Method != wire.Multicast || before.Size != uint64(len(image)) {
		t.Errorf("status before: %+v, %v", before, err)
	}
	a, err := c.Get(ctx, wire.Get{ID: "testbed/debian"})
	if err != nil || !a.Running || a.Method != wire.Multicast || netip.AddrFrom4(a.Server) != netip.MustParseAddr(host) || a.Size != uint64(len(image)) {
		t.Fatalf("get: %+v, %v", a, err)
	}
	peer := netip.AddrPortFrom(netip.AddrFrom4(a.Addr), a.Port)
	if room := one.ask("debian.ndz"); room.Peer != peer {
		t.Errorf("frisbee's client is sent to %s, Orbit's to %s", peer, room.Peer)
	}
	got, err := one.receive(peer, int64(a.Size), true)
	if err != nil || !bytes.Equal(got, image) {
		t.Errorf("receive: %v, equal %v", err, bytes.Equal(got, image))
	}
	if after, err := c.Status(ctx, "debian.ndz"); err != nil || !after.Running || after.Port != a.Port {
		t.Errorf("status after: %+v, %v", after, err)
	}
	strange := [4]byte{10, 88, 0, 12}
	for _, test := range []struct {
		m    wire.Get
		want wire.Code
	}{
		{wire.Get{ID: "none"}, wire.CodeUnknown},
		{wire.Get{ID: ""}, wire.CodeUnknown},
		{wire.Get{ID: "../state/leases.json"}, wire.CodeUnknown},
		{wire.Get{ID: "debian", Methods: wire.Unicast}, wire.CodeMethod},
		{wire.Get{ID: "debian", Host: strange}, wire.CodeHost},
	} {
		if _, err := c.Get(ctx, test.m); !isCode(err, test.want) {
			t.Errorf("get %+v: %v, want %v", test.m, err, test.want)
		}
	}
	head.must(func() error { return command("ip", "route", "add", "10.88.0.0/24", "dev", "br0") })
	two.must(func() error { return command("ip", "route", "add", "10.77.0.0/24", "dev", "eth0") })
	far := &master.Client{Server: c.Server, Dial: two.dial}
	if _, err := far.Get(ctx, wire.Get{ID: "debian"}); !isCode(err, wire.CodeDenied) {
		t.Errorf("get from another network: %v", err)
	}

	// Uploads.
	fresh := ndzOf(t, noise(7, 2<<20))
	at := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	if err := c.Put(ctx, wire.Put{ID: "testbed/new", Size: uint64(len(fresh)), ModTime: uint32(at.Unix())}, bytes.NewReader(fresh)); err != nil {
		t.Errorf("put: %v", err)
	}
	if body := one.get(headURL + "/images/new.ndz"); body != string(fresh) {
		t.Errorf("%d bytes of the upload, want %d", len(body), len(fresh))
	}
	if err := c.Put(ctx, wire.Put{ID: "testbed/new", Size: 1}, strings.NewReader("x")); !isCode(err, wire.CodeDenied) {
		t.Errorf("put over another image: %v", err)
	}
	fresh[len(fresh)/2] ^= 1
	if err := c.Put(ctx, wire.Put{ID: "damaged", Size: uint64(len(fresh))}, bytes.NewReader(fresh)); err == nil {
		t.Error("a damaged image was taken")
	}
	if _, err := far.PutStatus(ctx, "new"); !isCode(err, wire.CodeDenied) {
		t.Errorf("put from another network: %v", err)
	}
	log := stop()
	if !strings.Contains(log, "damaged.ndz is refused") || strings.Contains(log, "level=ERROR") {
		t.Errorf("log:\n%s", log)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "images", ".upload-*")); err != nil || len(left) > 0 {
		t.Errorf("left of uploads: %v, %v", left, err)
	}
}

func TestFrisbeeMasterTakesNothing(t *testing.T) {
	head := newHead(t)
	head.serve(t.TempDir(), "--frisbee-master", host)
	one := newNode(t, head, "one", mac1, "10.77.0.11/24")
	c := &master.Client{Server: netip.AddrPortFrom(netip.MustParseAddr(host), wire.MasterPort), Dial: one.dial}
	if err := c.Put(t.Context(), wire.Put{ID: "new", Size: 1 << 20}, bytes.NewReader(noise(1, 1<<20))); !isCode(err, wire.CodeDenied) {
		t.Errorf("put: %v", err)
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
		{"--multicast-rate -1", "not a rate"},
		{"--multicast-rate 400MB", "not a rate"},
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

func isCode(err error, want wire.Code) bool {
	var c wire.Code
	return errors.As(err, &c) && c == want
}

func command(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w: %s", name, args, err, out)
	}
	return nil
}
