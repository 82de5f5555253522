package receive

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/internal/sim"
	"github.com/orbit-pxe/orbit/pkg/frisbee/queue"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// node is a client on the simulated network, with a consumer that takes perChunk
// for each chunk.
type node struct {
	t        *testing.T
	net      *sim.Net
	id       int
	c        *Client
	geometry wire.Geometry
	file     []byte
	start    time.Duration
	perChunk time.Duration
	consumes bool
	got      map[int32]bool
	finished time.Duration
	dead     bool
	sent     int
	seen     []int32                 // chunks in the order they were complete
	wants    func(int32) bool        // nil for all
	watch    func(now time.Duration) // called after each event
}

func (n *node) Packet(now time.Duration, d []byte) {
	p, err := wire.Parse(d, n.geometry)
	if err != nil {
		n.t.Errorf("client %d: %v", n.id, err)
		return
	}
	now -= n.start
	switch p.Kind {
	case wire.KindBlock:
		b, _ := p.Block()
		n.c.Block(now, b)
	case wire.KindRequest:
		r, _ := p.Request()
		n.c.Request(now, r)
	case wire.KindCoded:
		m, _ := p.Coded()
		n.c.Coded(now, &m)
	case wire.KindPartial:
		r, _ := p.Partial()
		n.c.Partial(now, &r)
	}
	n.after(now)
}

func (n *node) Wake(now time.Duration) {
	n.c.Tick(now - n.start)
	n.after(now - n.start)
}

func (n *node) after(now time.Duration) {
	for m, ok := n.c.Send(); ok; m, ok = n.c.Send() {
		n.sent++
		n.net.Multicast(n.id, m.Append(nil, n.geometry, [4]byte{}))
	}
	n.consume(now)
	if n.c.Done() && n.finished == 0 {
		n.finished = now
	}
	if n.watch != nil {
		n.watch(now)
	}
	n.net.WakeAt(n.id, n.start+now+max(n.c.Wait(now), 10*time.Microsecond))
}

func (n *node) consume(now time.Duration) {
	if n.consumes {
		return
	}
	ch, ok := n.c.Chunk()
	if !ok {
		return
	}
	off := int(ch.Index) * wire.ChunkSize
	if want := n.file[off:min(off+wire.ChunkSize, len(n.file))]; !bytes.Equal(ch.Data, want) {
		n.t.Errorf("client %d: chunk %d is not what was sent", n.id, ch.Index)
	}
	if n.got[ch.Index] {
		n.t.Errorf("client %d: chunk %d came twice", n.id, ch.Index)
	}
	n.got[ch.Index] = true
	n.seen = append(n.seen, ch.Index)
	if n.perChunk == 0 {
		n.c.Release(now, ch)
		n.consume(now)
		return
	}
	n.consumes = true
	n.net.At(n.start+now+n.perChunk, func() {
		n.consumes = false
		at := n.net.Now() - n.start
		n.c.Release(at, ch)
		n.after(at)
	})
}

// room is a server and its clients.
type room struct {
	seed    uint64
	chunks  float64
	clients int
	rx      sim.Link // of each client
	server  sim.Link // what the server sends takes this first
	o       Options
	burst   int // of the server, 2 ms each; 16
	each    func(i int, n *node, rx *sim.Link)
	kill    map[int]time.Duration
	prepare func(*sim.Net)
	limit   time.Duration
	coded   bool // the server is ours
}

type result struct {
	ratio    float64 // blocks sent by blocks of the file
	last     time.Duration
	requests int
	nodes    []*node
	sent     int
}

func (r room) run(t *testing.T) result {
	t.Helper()
	net := sim.NewNet(r.seed)
	file := make([]byte, int(r.chunks*wire.ChunkSize))
	src := rand.NewChaCha8([32]byte{byte(r.seed), 1})
	src.Read(file)
	r.o.Bytes = uint64(len(file))
	layout, err := wire.NewLayout(r.o.Geometry, r.o.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if r.burst == 0 {
		r.burst = 16
	}
	srv := &sim.Server{Net: net, Layout: layout, File: file, Burst: r.burst, Interval: 2 * time.Millisecond}
	if r.coded {
		srv.Queue = queue.New(layout, 0)
		srv.Mixer = queue.NewMixer(layout.Geometry, net.Rand)
		r.o.Coded = true
	}
	rx := r.rx
	srv.Start(sim.Link{Loss: rx.Loss, Burst: rx.Burst, Delay: rx.Delay, Jitter: rx.Jitter}, r.server)
	if r.prepare != nil {
		r.prepare(net)
	}
	res := result{}
	left := 0
	for i := range r.clients {
		n := &node{t: t, net: net, geometry: r.o.Geometry, file: file, got: map[int32]bool{}}
		o, rx := r.o, r.rx
		rnd := rand.New(rand.NewPCG(r.seed, uint64(i)+100))
		o.Random = rnd.IntN
		n.start = time.Duration(rnd.Int64N(int64(5 * time.Millisecond)))
		if r.each != nil {
			r.each(i, n, &rx)
		}
		o.Want = n.wants
		if n.c, err = New(o); err != nil {
			t.Fatal(err)
		}
		left++
		net.At(n.start, func() {
			n.id = net.Join(n, rx, sim.Link{})
			n.after(0)
		})
		if at, ok := r.kill[i]; ok {
			net.At(at, func() { net.Leave(n.id); n.dead = true })
		}
		res.nodes = append(res.nodes, n)
	}
	if r.limit == 0 {
		r.limit = 10 * time.Minute
	}
	all := func() bool {
		for left > 0 && (res.nodes[left-1].finished > 0 || res.nodes[left-1].dead) {
			left--
		}
		return left == 0
	}
	if !net.Run(r.limit, all) {
		for i, n := range res.nodes {
			if n.finished == 0 && !n.dead {
				t.Errorf("client %d lacks %d chunks after %v: %+v", i, n.c.Lacking(), net.Now(), n.c.Counters())
			}
		}
	}
	for i, n := range res.nodes {
		if n.dead {
			continue
		}
		for k := range int32(layout.Chunks()) {
			if want := n.wants == nil || n.wants(k); n.got[k] != want {
				t.Errorf("client %d has chunk %d: %v; want %v", i, k, n.got[k], want)
			}
		}
		res.last = max(res.last, n.start+n.finished)
		res.requests += n.sent
	}
	res.sent = srv.Sent
	res.ratio = float64(srv.Sent) / float64(layout.Blocks)
	return res
}
