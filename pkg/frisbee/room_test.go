package frisbee

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/qemu/lab"
)

var group = netip.MustParseAddrPort("239.192.4.1:7777")

// patience is how long a transfer in a test may take.
const patience = 60 * time.Second

// file is one of random bytes.
func file(size int) []byte {
	var seed [32]byte
	seed[0] = byte(size)
	b := make([]byte, size)
	rand.NewChaCha8(seed).Read(b)
	return b
}

// verbose logs where a test that fails would be hard to explain.
func verbose(t testing.TB, who string) *slog.Logger {
	if os.Getenv("ORBIT_VERBOSE") == "" {
		return nil
	}
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})).With("who", who)
}

// running is a server in a lab, and what it has told.
type running struct {
	*Server
	err  error
	done chan struct{} // closed when it has ended
	stop func()

	mu     sync.Mutex
	events []Event
}

// end ends the server, which says nothing to anybody.
func (r *running) end() {
	r.stop()
	<-r.done
}

func (r *running) told() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Event(nil), r.events...)
}

// serve runs a server on the lab's server until the test ends.
func serve(t testing.TB, l *lab.Lab, data []byte, o ServerOptions) *running {
	t.Helper()
	o.File, o.Size, o.Interface = bytes.NewReader(data), int64(len(data)), lab.Interface
	if !o.Peer.IsValid() {
		o.Peer = group
	}
	o.Log = verbose(t, "server")
	r := &running{done: make(chan struct{})}
	o.Event = func(e Event) {
		r.mu.Lock()
		r.events = append(r.events, e)
		r.mu.Unlock()
	}
	err := l.Server.Do(func() (err error) {
		r.Server, err = NewServer(o)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	go func() {
		defer close(r.done)
		r.err = r.Run(ctx)
	}()
	t.Cleanup(r.end)
	return r
}

// sink is a client's file in memory.
type sink struct {
	*Client
	host *lab.Host
	mu   sync.Mutex
	got  []byte
	seen map[int32]int
	took time.Duration
	err  error
}

// client makes one that writes to memory.
func client(t testing.TB, h *lab.Host, size int, o ClientOptions) *sink {
	t.Helper()
	s := &sink{host: h, got: make([]byte, size), seen: map[int32]int{}}
	if !o.Peer.IsValid() {
		o.Peer = group
	}
	o.Interface = lab.Interface
	o.Log = verbose(t, h.Name)
	inner := o.Chunk
	o.Chunk = func(ctx context.Context, k int32, data []byte) error {
		if inner != nil {
			if err := inner(ctx, k, data); err != nil {
				return err
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.seen[k]++
		if off := int64(k) * wire.ChunkSize; off+int64(len(data)) > int64(len(s.got)) {
			return fmt.Errorf("chunk %d of %d bytes is outside of the file", k, len(data))
		}
		copy(s.got[int64(k)*wire.ChunkSize:], data)
		return nil
	}
	err := h.Do(func() (err error) {
		s.Client, err = NewClient(o)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func (s *sink) run(ctx context.Context) {
	start := time.Now()
	s.err = s.Run(ctx)
	s.took = time.Since(start)
}

// receiveAll runs clients to their end.
func receiveAll(t testing.TB, all ...*sink) {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	var w sync.WaitGroup
	for _, s := range all {
		w.Go(func() { s.run(ctx) })
	}
	w.Wait()
}

// check compares what a client has with the file.
func (s *sink) check(t testing.TB, data []byte) {
	t.Helper()
	if s.err != nil {
		t.Errorf("%s: %v; %+v", s.host.Name, s.err, s.Stats())
		return
	}
	if !bytes.Equal(s.got, data) {
		t.Errorf("%s: what was received is not the file", s.host.Name)
	}
	chunks := (len(data) + wire.ChunkSize - 1) / wire.ChunkSize
	for k := range chunks {
		if n := s.seen[int32(k)]; n != 1 {
			t.Errorf("%s: chunk %d was handed over %d times", s.host.Name, k, n)
		}
	}
}
