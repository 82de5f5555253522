package main

import (
	"bytes"
	"errors"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/master"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/pkg/ndz/ndztest/packed"
)

// TestFrisbeeMaster has frisbee's own clients ask.
func TestFrisbeeMaster(t *testing.T) {
	head := newHead(t)
	dir := t.TempDir()
	stop := head.serve(dir, "--frisbee-master", ":64494", "--frisbee-upload")
	one, two := newNode(t, head, "one", mac1, "10.77.0.11/24"), newNode(t, head, "two", mac2, "10.88.0.12/24")
	image := packed.Disk(t, noise(6, 3<<20))
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
	fresh := packed.Disk(t, noise(7, 2<<20))
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

func isCode(err error, want wire.Code) bool {
	var c wire.Code
	return errors.As(err, &c) && c == want
}
