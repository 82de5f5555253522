package master

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// shelf is a Handler for the images of a directory.
type shelf struct {
	dir     string
	max     uint64
	unknown bool

	mu   sync.Mutex
	gets []wire.Get
	puts []wire.Put
}

func (s *shelf) Get(ctx context.Context, caller netip.Addr, m wire.Get) (wire.GetReply, error) {
	s.mu.Lock()
	s.gets = append(s.gets, m)
	s.mu.Unlock()
	switch m.ID {
	case "secret":
		return wire.GetReply{}, wire.CodeDenied
	case "broken":
		return wire.GetReply{}, errors.New("the disk is gone")
	case "slow":
		<-ctx.Done()
		return wire.GetReply{}, ctx.Err()
	case "image":
		return wire.GetReply{
			Method: wire.Multicast, Running: !m.Status, Server: caller.As4(), Addr: [4]byte{239, 192, 1, 2}, Port: 34180,
			Signature: wire.ModTimeSignature(5), Size: 1 << 33,
		}, nil
	}
	return wire.GetReply{}, wire.CodeUnknown
}

func (s *shelf) Put(_ context.Context, _ netip.Addr, m wire.Put) (Upload, error) {
	s.mu.Lock()
	s.puts = append(s.puts, m)
	s.mu.Unlock()
	if strings.ContainsAny(m.ID, "/") {
		return Upload{}, wire.CodeDenied
	}
	path := filepath.Join(s.dir, m.ID)
	u := Upload{Max: s.max, Unknown: s.unknown, Create: func(context.Context) (Writer, error) { return Create(path) }}
	return u, u.Stat(path)
}

// asked is the last request to get.
func (s *shelf) asked() wire.Get {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gets[len(s.gets)-1]
}

// start runs a server until the test ends.
func start(t *testing.T, s *Server) *Client {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		select {
		case err := <-ended:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("the server ends with %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("the server does not end")
		}
	})
	return &Client{Server: l.Addr().(*net.TCPAddr).AddrPort(), Timeout: 10 * time.Second}
}

func TestGet(t *testing.T) {
	h := &shelf{}
	c := start(t, &Server{Handler: h, Timeout: 500 * time.Millisecond})
	ctx := t.Context()
	want := Answer{
		GetReply: wire.GetReply{
			Method: wire.Multicast, Running: true, Server: loopback.As4(), Addr: [4]byte{239, 192, 1, 2}, Port: 34180,
			Signature: wire.ModTimeSignature(5), Size: 1 << 33,
		},
		Local: loopback,
	}
	equal := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	got, err := c.Get(ctx, wire.Get{ID: "image"})
	if diff := cmp.Diff(want, got, equal); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	want.Running = false
	got, err = c.Status(ctx, "image")
	if diff := cmp.Diff(want, got, equal); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if diff := cmp.Diff(wire.Get{ID: "image", Host: loopback.As4(), Methods: wire.AnyMethod, Status: true}, h.asked()); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	for id, code := range map[string]wire.Code{
		"secret": wire.CodeDenied, "broken": wire.CodeBusy, "slow": wire.CodeBusy, "other": wire.CodeUnknown, "": wire.CodeUnknown,
		strings.Repeat("x", wire.MaxID): wire.CodeUnknown,
	} {
		if _, err := c.Get(ctx, wire.Get{ID: id}); !errors.Is(err, code) {
			t.Errorf("get %q: %v, want %v", id, err, code)
		}
	}
	var long *wire.IDError
	if _, err := c.Get(ctx, wire.Get{ID: strings.Repeat("x", 257)}); !errors.As(err, &long) {
		t.Errorf("an id that is too long: %v", err)
	}
	_, err = c.Get(ctx, wire.Get{ID: "image", Host: [4]byte{10, 0, 0, 7}, Methods: wire.Unicast})
	if diff := cmp.Diff(wire.Get{ID: "image", Host: [4]byte{10, 0, 0, 7}, Methods: wire.Unicast}, h.asked()); diff != "" || err != nil {
		t.Errorf("for another: %v (-want +got):\n%s", err, diff)
	}
}

// TestPoll asks a server that is busy again.
func TestPoll(t *testing.T) {
	var tries atomic.Int64
	c := start(t, &Server{Handler: funcs{get: func() (wire.GetReply, error) {
		if tries.Add(1) < 3 {
			return wire.GetReply{}, wire.CodeBusy
		}
		return wire.GetReply{Port: 7}, nil
	}}})
	c.Poll = 10 * time.Millisecond
	if a, err := c.Get(t.Context(), wire.Get{ID: "x"}); err != nil || a.Port != 7 || tries.Load() != 3 {
		t.Errorf("%+v, %v after %d tries", a, err, tries.Load())
	}
	ctx, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer stop()
	tries.Store(-1 << 30)
	if _, err := c.Get(ctx, wire.Get{ID: "x"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a server that stays busy: %v", err)
	}
}

// funcs is a Handler of one function.
type funcs struct {
	get func() (wire.GetReply, error)
}

func (f funcs) Get(context.Context, netip.Addr, wire.Get) (wire.GetReply, error) { return f.get() }
func (f funcs) Put(context.Context, netip.Addr, wire.Put) (Upload, error) {
	return Upload{}, wire.CodeMissing
}

// TestHostile sends what is no request.
func TestHostile(t *testing.T) {
	c := start(t, &Server{Handler: &shelf{}, Timeout: 300 * time.Millisecond, Conns: 3})
	request, err := wire.Get{ID: "image"}.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	long := bytes.Clone(request)
	long[14], long[15] = 0xff, 0xff
	dial := func() net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp4", c.Server.String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	for name, b := range map[string][]byte{
		"nothing": nil, "a reply": wire.GetReply{}.Append(nil), "text": []byte("GET / HTTP/1.1\r\n\r\n"), "a long id": long, "half": request[:99],
	} {
		conn := dial()
		if _, err := conn.Write(b); err != nil {
			t.Fatal(err)
		}
		conn.(*net.TCPConn).CloseWrite() // the server may have closed it
		if got, _ := io.ReadAll(conn); len(got) > 0 {
			t.Errorf("%s is answered with %d bytes", name, len(got))
		}
	}
	// As many as it takes keep silent: it serves others when it has lost patience.
	for range 10 {
		dial()
	}
	conn := dial()
	for _, b := range request { // in pieces, which a real server would drop
		if _, err := conn.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	if reply, err := wire.ReadGetReply(conn); err != nil || reply.Port != 34180 {
		t.Errorf("%+v, %v", reply, err)
	}
}

// TestServerEnds ends a server with requests and uploads going on.
func TestServerEnds(t *testing.T) {
	dir := t.TempDir()
	t.Run("busy", func(t *testing.T) {
		c := start(t, &Server{Handler: &shelf{dir: dir}})
		conn := upload(t, c, wire.Put{ID: "image", Size: 100})
		conn.Write(make([]byte, 50))
		if _, err := c.putRequest(t.Context(), wire.Put{ID: "late", Size: 100}); err != nil {
			t.Fatal(err)
		}
		silent, err := net.Dial("tcp4", c.Server.String())
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
	})
	only(t, dir)
}
