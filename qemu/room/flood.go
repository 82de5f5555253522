package room

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// Flood is somebody who disturbs a room by packets that seem to be from anybody:
// joins and requests of clients that are not there, leaves of those that are,
// and wrong data in the server's name. It tells how many packets it sent of
// each kind.
type Flood struct {
	Peer    netip.AddrPort
	Own     netip.Addr // of the host that it is on
	Server  netip.Addr
	Victims []netip.Addr
	Chunks  int32  // of the file
	Kinds   []Evil // each in turn
	Rate    int    // packets/s
}

// Evil is a kind of disturbance.
type Evil string

// The kinds.
const (
	Joins    Evil = "joins"
	Requests Evil = "requests"
	Leaves   Evil = "leaves"
	Blocks   Evil = "blocks"  // of the file, from its server, it seems
	Strays   Evil = "strays"  // blocks from the flood's own address
	Outside  Evil = "outside" // blocks that the file has not
	Garbage  Evil = "garbage"
)

// Evils are all kinds.
func Evils() []Evil { return []Evil{Joins, Requests, Leaves, Blocks, Strays, Outside, Garbage} }

func (*Flood) name() string { return "flood" }

// pulse is how often packets go out.
const pulse = 5 * time.Millisecond

func (r *Flood) run(ctx context.Context, s *stage) (any, error) {
	if r.Rate <= 0 || len(r.Kinds) == 0 || len(r.Victims) == 0 || r.Chunks <= 0 {
		return nil, errors.New("flood a room: rate, kinds, victims and chunks are needed")
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return nil, fmt.Errorf("open a raw socket: %w", err)
	}
	defer unix.Close(fd)
	if err := s.ready(); err != nil {
		return nil, err
	}
	sent := map[Evil]int{}
	random := rand.New(rand.NewPCG(1, 2))
	tick := time.NewTicker(pulse)
	defer tick.Stop()
	start, n := time.Now(), 0
	for {
		select {
		case <-ctx.Done():
			return sent, nil
		case <-tick.C:
		}
		// What was missed on a busy machine comes later, as far as a pulse takes.
		due := int(time.Since(start).Seconds() * float64(r.Rate))
		for range min(due-n, 4*r.Rate/200+1) {
			kind := r.Kinds[n%len(r.Kinds)]
			n++
			from, packet := r.packet(kind, random)
			if err := spoof(fd, netip.AddrPortFrom(from, r.Peer.Port()), r.Peer, packet); err != nil {
				return sent, err
			}
			sent[kind]++
		}
		n = max(n, due-r.Rate)
	}
}

// packet makes one of a kind.
func (r *Flood) packet(kind Evil, random *rand.Rand) (from netip.Addr, b []byte) {
	from = r.Own
	if random.IntN(2) == 0 { // somebody who is not there
		a := r.Own.As4()
		from = netip.AddrFrom4([4]byte{a[0], a[1], 100 + byte(random.IntN(100)), byte(1 + random.IntN(250))})
	}
	var m wire.Message
	chunk, index := random.Int32N(r.Chunks), random.Int32N(wire.MaxBlocks)
	switch kind {
	case Joins:
		if m = (wire.Join{ID: random.Uint32()}); random.IntN(2) == 0 {
			m = wire.Join2{ID: random.Uint32(), ChunkBlocks: 1024, BlockSize: 1024}
		}
	case Requests:
		// Some blocks: who asks for all of a file again and again gets it, and
		// makes the server send it.
		m = wire.Request{Chunk: random.Int32N(2 * r.Chunks), First: index, Count: 1}
	case Leaves:
		if random.IntN(2) == 0 {
			from = r.Victims[random.IntN(len(r.Victims))]
		}
		m = wire.Leave{ID: random.Uint32()}
	case Blocks:
		from = r.Server
		m = wire.Block{Chunk: chunk, Index: index, Data: noise(random)}
	case Strays:
		from = r.Own
		m = wire.Block{Chunk: chunk, Index: index, Data: noise(random)}
	case Outside:
		from = r.Server
		m = wire.Block{Chunk: r.Chunks + random.Int32N(1<<20), Index: index, Data: noise(random)}
	default:
		b = noise(random)[:random.IntN(1000)]
		if len(b) > 16 && random.IntN(2) == 0 { // nearly a packet
			copy(b, wire.Request{}.Append(nil, wire.Standard, from.As4())[:16])
		}
		return from, b
	}
	return from, m.Append(nil, wire.Standard, from.As4())
}

func noise(random *rand.Rand) []byte {
	b := make([]byte, 1024)
	for i := 0; i < len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], random.Uint64())
	}
	return b
}

// spoof sends a datagram that seems to be from an address.
func spoof(fd int, from, to netip.AddrPort, payload []byte) error {
	const headers = 20 + 8
	b := make([]byte, headers, headers+len(payload))
	be := binary.BigEndian
	b[0], b[8], b[9] = 0x45, 5, unix.IPPROTO_UDP // length and checksum are the kernel's to fill in
	src, dst := from.Addr().As4(), to.Addr().As4()
	copy(b[12:], src[:])
	copy(b[16:], dst[:])
	be.PutUint16(b[20:], from.Port())
	be.PutUint16(b[22:], to.Port())
	be.PutUint16(b[24:], uint16(8+len(payload)))
	err := unix.Sendto(fd, slices.Concat(b, payload), 0, &unix.SockaddrInet4{Addr: dst})
	if errors.Is(err, unix.ENOBUFS) {
		return nil // lost, as it may be
	}
	return err
}
