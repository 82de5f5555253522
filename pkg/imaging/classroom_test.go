package imaging

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/frisbee"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/qemu/lab"
)

var roomPeer = netip.MustParseAddrPort("239.192.5.1:7788")

// classroom is a network of one node, a server of multicast, and one of HTTP that
// counts. The node's sockets for multicast are in the lab, the rest is here.
type classroom struct {
	t      testing.TB
	lab    *lab.Lab
	url    string
	served atomic.Int64 // bytes by HTTP
	opened atomic.Int64 // sockets of clients
	client atomic.Pointer[frisbee.Client]
	tune   func(*frisbee.ClientOptions)
	blocks wire.Geometry // of the server

	mu    sync.Mutex
	notes []string
}

func newClassroom(t testing.TB, file []byte, o lab.Options) *classroom {
	t.Helper()
	o.Nodes = 1
	c := &classroom{t: t, lab: lab.ForTest(t, o)}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"one"`)
		http.ServeContent(&weighed{w, &c.served}, r, "", time.Unix(1e9, 0), bytes.NewReader(file))
	}))
	t.Cleanup(web.Close)
	c.url = web.URL + "/image"
	return c
}

// weighed counts what it serves.
type weighed struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (w *weighed) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.n.Add(int64(n))
	return n, err
}

// room is the session as the node joins it.
func (c *classroom) room() *Room {
	return &Room{Peer: roomPeer, Interface: lab.Interface, open: func(o frisbee.ClientOptions) (client *frisbee.Client, err error) {
		c.opened.Add(1)
		o.NoData, o.Quiet, o.GiveUp = 2*time.Second, time.Second, 3*time.Second
		if c.tune != nil {
			c.tune(&o)
		}
		err = c.lab.Nodes[0].Do(func() (err error) {
			client, err = frisbee.NewClient(o)
			return err
		})
		c.client.Store(client)
		return client, err
	}}
}

// serve sends a file to the room until the test ends, or stop is called.
func (c *classroom) serve(file io.ReaderAt, size int64, rate int64) (s *frisbee.Server, stop func()) {
	c.t.Helper()
	err := c.lab.Server.Do(func() (err error) {
		s, err = frisbee.NewServer(frisbee.ServerOptions{File: file, Size: size, Peer: roomPeer, Interface: lab.Interface, Rate: rate, Geometry: c.blocks})
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx)
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	c.t.Cleanup(stop)
	return s, stop
}

// write writes the image to a disk.
func (c *classroom) write(o WriteOptions) *Receipt {
	c.t.Helper()
	c.served.Store(0)
	c.opened.Store(0)
	c.notes = nil
	o.Events = func(e api.Event) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if e.State == api.Note {
			c.notes = append(c.notes, e.Message)
		}
	}
	if o.Source == "" {
		o.Source, o.Room = c.url, c.room()
	}
	r, err := Write(c.t.Context(), o)
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

// said counts the notes with a text.
func (c *classroom) said(text string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, s := range c.notes {
		if strings.Contains(s, text) {
			n++
		}
	}
	return n
}

// roomDisk is a disk whose image has many frames across the bounds of chunks.
func roomDisk(t testing.TB, size int) (disk []byte, used extent.Set, file []byte) {
	t.Helper()
	disk, used = usedDisk(t, size, 512, 5)
	return disk, used, orbitImage(t, disk, used, 512)
}
