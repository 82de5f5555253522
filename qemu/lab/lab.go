package lab

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Network is where all hosts are; the server has its first address.
var Network = netip.MustParsePrefix("10.98.0.0/16")

// ErrUnavailable is the cause when the system lets us make no lab: no root, no
// namespaces, no bridge.
var ErrUnavailable = errors.New("no lab can be made here")

// Options say what kind of lab is wanted.
type Options struct {
	Nodes    int
	Rate     int64        // bit/s that the server may send, 0 = as the CPU can
	Snooping bool         // the switch sends multicast only where a join was heard
	Querier  bool         // the switch asks who listens; without one its snooping floods
	MTU      int          // 0 = 1500
	Seed     uint64       // for all that the relays decide
	Relay    bool         // leave nothing to the kernel: every fault repeats for a seed
	Log      *slog.Logger // what the lab had to do otherwise; nil = silent

	// Forget is when the switch forgets a member that it has not heard of for so
	// long. It asks at its start only, so those who do not speak up unasked are
	// cut off: real switches do so that snoop where nobody asks. 0 = it asks
	// well in time. It needs Snooping and Querier.
	Forget time.Duration

	// Offload lets frames above the MTU through the lab, as they pass between a
	// host and its network card. It makes sending cheap, and the frames that
	// are counted are not those of a wire; faults cannot be made with it.
	Offload bool
}

// Lab is a switch with a server and nodes.
type Lab struct {
	Server *Host
	Nodes  []*Node

	options Options
	fabric  *space // the switch: bridge, its ports, ends of relays
	bridge  int    // interface index

	mu     sync.Mutex
	closed bool
}

// New makes a lab.
func New(o Options) (*Lab, error) {
	if o.MTU == 0 {
		o.MTU = 1500
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Nodes < 0 || o.Nodes > 4000 || o.MTU < 576 || o.MTU > 65000 || o.Rate < 0 {
		return nil, fmt.Errorf("make a lab: %d nodes, MTU %d and rate %d are not all possible", o.Nodes, o.MTU, o.Rate)
	}
	if o.Forget != 0 && (o.Forget < time.Second || !o.Snooping || !o.Querier) {
		return nil, fmt.Errorf("make a lab: a switch that forgets after %v (at least a second) must snoop and ask", o.Forget)
	}
	if o.Offload && o.Relay {
		return nil, errors.New("make a lab: a relay takes no frames larger than on a wire, so Offload and Relay exclude each other")
	}
	if unix.Geteuid() != 0 {
		return nil, fmt.Errorf("%w: it needs root", ErrUnavailable)
	}
	l := &Lab{options: o}
	err := l.build()
	if err != nil {
		err = errors.Join(err, l.Close())
		for _, refusal := range []error{unix.EPERM, unix.EACCES, unix.EROFS, unix.ENOSYS, unix.EOPNOTSUPP} {
			if errors.Is(err, refusal) {
				return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
			}
		}
		return nil, err
	}
	return l, nil
}

func (l *Lab) build() error {
	var err error
	if l.fabric, err = newSpace(); err != nil {
		return err
	}
	if err := l.fabric.do(l.addBridge); err != nil {
		return fmt.Errorf("make the bridge: %w", err)
	}
	if l.Server, err = newHost("server", Network.Addr().Next()); err != nil {
		return err
	}
	if err := l.plugIn(l.Server); err != nil {
		return err
	}
	if l.options.Rate > 0 {
		if err := l.Server.Do(func() error { return limit(Interface, l.options.Rate, serverQueue) }); err != nil {
			return fmt.Errorf("limit the server to %d bit/s: %w", l.options.Rate, err)
		}
	}
	for range l.options.Nodes {
		if _, err := l.AddNode(); err != nil {
			return err
		}
	}
	return nil
}

// Node is a host that faults can be made for.
type Node struct {
	*Host
	lab   *Lab
	index int

	mu sync.Mutex
	faults
}

// AddNode brings one more machine to the room.
func (l *Lab) AddNode() (*Node, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errClosed
	}
	i := len(l.Nodes)
	base := Network.Addr().As4()
	h, err := newHost(fmt.Sprintf("n%d", i+1), netip.AddrFrom4([4]byte{base[0], base[1], byte(1 + i/250), byte(1 + i%250)}))
	if err != nil {
		return nil, err
	}
	if err := l.plugIn(h); err != nil {
		return nil, errors.Join(err, h.end())
	}
	n := &Node{Host: h, lab: l, index: i}
	l.Nodes = append(l.Nodes, n)
	return n, nil
}

// Close kills what runs in the lab and removes it. A second call does nothing.
func (l *Lab) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	var errs []error
	for _, n := range l.Nodes {
		errs = append(errs, n.stopRelay(), n.end())
	}
	if l.Server != nil {
		errs = append(errs, l.Server.end())
	}
	if l.fabric != nil {
		errs = append(errs, l.fabric.close())
	}
	return errors.Join(errs...)
}

// patience is how long the kernel may take to bring a link up.
const patience = 10 * time.Second
