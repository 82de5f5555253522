package master

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire/pcaptest"
)

// recorded answers with what a real server answered.
type recorded struct {
	mu   sync.Mutex
	get  wire.GetReply
	put  wire.PutReply
	code wire.Code
}

func (r *recorded) Get(context.Context, netip.Addr, wire.Get) (wire.GetReply, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.code != 0 {
		return wire.GetReply{}, r.code
	}
	return r.get, nil
}

func (r *recorded) Put(context.Context, netip.Addr, wire.Put) (Upload, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.code != 0 {
		return Upload{}, r.code
	}
	return Upload{
		Exists: r.put.Exists, Size: r.put.Size, Signature: r.put.Signature, Max: r.put.Max,
		Create: func(context.Context) (Writer, error) { return nowhere{io.Discard}, nil },
	}, nil
}

type nowhere struct{ io.Writer }

func (nowhere) Commit(time.Time) error { return nil }
func (nowhere) Abort() error           { return nil }

// TestReplay has the clients of a recorded session ask our server, whose handler
// knows what the real one did. The answers must be the same, byte for byte but
// for the address and the port to upload to.
func TestReplay(t *testing.T) {
	streams, err := pcaptest.Streams(pcaptest.Load(t, "mserver-get-put.pcap.gz"))
	if err != nil {
		t.Fatal(err)
	}
	h := &recorded{}
	c := start(t, &Server{Handler: h, Stall: 100 * time.Millisecond})
	answered := map[string]int{}
	for _, s := range streams {
		if s.Dst.Port() != wire.MasterPort {
			continue
		}
		var reply []byte
		for _, r := range streams {
			if r.Src == s.Dst && r.Dst == s.Src {
				reply = r.Data
			}
		}
		h.mu.Lock()
		const get, put = 288, 291
		from, to := 0, 0 // what differs
		kind := "get"
		switch len(reply) {
		case get:
			m, err := wire.ReadGetReply(bytes.NewReader(reply))
			h.get, h.code = m, m.Code
			if err != nil {
				kind = "refusal"
			}
		case put:
			m, _ := wire.ReadPutReply(bytes.NewReader(reply))
			h.put, h.code = m, m.Code
			kind = "put status"
			if m.Port != 0 {
				kind, from, to = "put", 10, 16
			}
		default:
			t.Fatalf("frame %d: a reply of %d bytes", s.Frame, len(reply))
		}
		h.mu.Unlock()
		conn, err := net.Dial("tcp4", c.Server.String())
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		for b := s.Data; len(b) > 0; b = b[min(100, len(b)):] {
			if _, err := conn.Write(b[:min(100, len(b))]); err != nil {
				t.Fatal(err)
			}
		}
		got, err := io.ReadAll(conn)
		conn.Close()
		if err != nil {
			t.Fatal(err)
		}
		if len(got) == len(reply) {
			copy(got[from:to], reply[from:to])
		}
		if diff := cmp.Diff(reply, got); diff != "" {
			t.Errorf("frame %d, %s (-want +got):\n%s", s.Frame, kind, diff)
		}
		answered[kind]++
	}
	if answered["get"] < 3 || answered["refusal"] < 1 || answered["put"] < 1 || answered["put status"] < 1 {
		t.Errorf("answered: %v", answered)
	}
}
