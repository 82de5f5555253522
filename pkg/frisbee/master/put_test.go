package master

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// only checks that a directory has these files, or will have when what failed is
// cleared away.
func only(t *testing.T, dir string, want ...string) {
	t.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for until := time.Now().Add(5 * time.Second); ; <-again.C {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range entries {
			got = append(got, e.Name())
		}
		diff := cmp.Diff(want, got)
		if diff == "" {
			return
		}
		if time.Now().After(until) {
			t.Errorf("files (-want +got):\n%s", diff)
			return
		}
	}
}

func TestPut(t *testing.T) {
	h := &shelf{dir: t.TempDir(), max: 1 << 20}
	c := start(t, &Server{Handler: h})
	ctx := t.Context()
	data := bytes.Repeat([]byte("0123456789abcdef"), 5000)
	modified := uint32(1_600_000_000)
	m := wire.Put{ID: "new", Size: uint64(len(data)), ModTime: modified}
	if err := c.Put(ctx, m, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(h.dir, "new"))
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes were uploaded, %v", len(got), err)
	}
	status, err := c.PutStatus(ctx, "new")
	want := wire.PutReply{Exists: true, Size: uint64(len(data)), Max: 1 << 20, Signature: wire.ModTimeSignature(modified)}
	if diff := cmp.Diff(want, status); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	// Another takes its place.
	m.Size, m.ModTime = 100, modified+1
	if err := c.Put(ctx, m, bytes.NewReader(data[:100])); err != nil {
		t.Fatal(err)
	}
	// More than was announced is not read from here.
	m.ModTime++
	if err := c.Put(ctx, m, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	// A source that ends early leaves what was there.
	m.ModTime++
	if err := c.Put(ctx, m, bytes.NewReader(data[:99])); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a source that ends early: %v", err)
	}
	only(t, h.dir, "new")
	for _, x := range []struct {
		name string
		m    wire.Put
		want wire.Code
	}{
		{"too big", wire.Put{ID: "x", Size: 1<<20 + 1}, wire.CodeTooBig},
		{"from the future", wire.Put{ID: "x", Size: 5, ModTime: uint32(time.Now().Add(time.Hour).Unix())}, wire.CodeModTime},
		{"of no size", wire.Put{ID: "x"}, wire.CodeInvalid},
		{"elsewhere", wire.Put{ID: "../x", Size: 5}, wire.CodeDenied},
	} {
		if err := c.Put(ctx, x.m, bytes.NewReader(data)); !errors.Is(err, x.want) {
			t.Errorf("%s: %v, want %v", x.name, err, x.want)
		}
	}
	only(t, h.dir, "new")
}

// polling asks again where an upload has not quite ended.
func polling(c *Client) *Client {
	p := *c
	p.Poll = 10 * time.Millisecond
	return &p
}

// upload asks to upload, and gives the connection for the file.
func upload(t *testing.T, c *Client, m wire.Put) net.Conn {
	patient := polling(c)
	t.Helper()
	reply, err := patient.putRequest(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp4", netip.AddrPortFrom(netip.AddrFrom4(reply.Addr), reply.Port).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// finish ends what is sent, and waits until the server has ended, too.
func finish(t *testing.T, conn net.Conn) {
	t.Helper()
	conn.(*net.TCPConn).CloseWrite() // the server may have closed it
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := io.Copy(io.Discard, conn); err != nil && n != 0 {
		t.Errorf("%d bytes came back, %v", n, err)
	}
}

// TestShortUpload has uploads that are not what was announced.
func TestShortUpload(t *testing.T) {
	h := &shelf{dir: t.TempDir()}
	c := start(t, &Server{Handler: h, Uploads: 1, Stall: 300 * time.Millisecond})
	if err := os.WriteFile(filepath.Join(h.dir, "image"), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	unchanged := func(t *testing.T) {
		t.Helper()
		// The one upload that there may be has ended when another may begin.
		conn := upload(t, c, wire.Put{ID: "other", Size: 1})
		conn.Write([]byte{1})
		finish(t, conn)
		if got, err := os.ReadFile(filepath.Join(h.dir, "image")); err != nil || string(got) != "old" {
			t.Errorf("the image is %q, %v", got, err)
		}
		only(t, h.dir, "image", "other")
	}
	t.Run("cut short", func(t *testing.T) {
		conn := upload(t, c, wire.Put{ID: "image", Size: 100})
		conn.Write(make([]byte, 99))
		finish(t, conn)
		unchanged(t)
	})
	t.Run("reset", func(t *testing.T) {
		conn := upload(t, c, wire.Put{ID: "image", Size: 100})
		conn.Write(make([]byte, 50))
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
		unchanged(t)
	})
	t.Run("stalled", func(t *testing.T) {
		conn := upload(t, c, wire.Put{ID: "image", Size: 100})
		conn.Write(make([]byte, 50))
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := conn.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("the server waits for ever")
		}
		unchanged(t)
	})
	t.Run("never begun", func(t *testing.T) {
		if _, err := polling(c).putRequest(t.Context(), wire.Put{ID: "image", Size: 100}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.putRequest(t.Context(), wire.Put{ID: "image", Size: 100}); !errors.Is(err, wire.CodeBusy) {
			t.Errorf("a second upload where one may be: %v", err)
		}
		unchanged(t)
	})
	t.Run("for another", func(t *testing.T) {
		conn := upload(t, c, wire.Put{ID: "image", Size: 3, Host: [4]byte{10, 0, 0, 7}})
		conn.Write([]byte("new"))
		finish(t, conn)
		unchanged(t)
	})
}

// TestUnknownSize uploads what does not say how long it is.
func TestUnknownSize(t *testing.T) {
	h := &shelf{dir: t.TempDir(), max: 1000, unknown: true}
	c := start(t, &Server{Handler: h})
	for _, n := range []int{1000, 1001} {
		conn := upload(t, c, wire.Put{ID: "image"})
		conn.Write(make([]byte, n))
		finish(t, conn)
		if info, err := os.Stat(filepath.Join(h.dir, "image")); err != nil || info.Size() != 1000 {
			t.Errorf("after %d bytes: %v, %v", n, info, err)
		}
	}
	only(t, h.dir, "image")
}
